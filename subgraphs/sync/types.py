"""GraphQL types of the sync subgraph."""

from datetime import datetime
from enum import Enum
from typing import Any

import strawberry
from sqlalchemy import Row
from strawberry.scalars import JSON

from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.graphql import enum_type, object_type
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.sync.consistency import Checker


class SyncContext(ServiceContext):
    """The context of a request to this service."""

    def __init__(self, caller: Caller, database: Database, bus: Bus, checker: Checker) -> None:
        super().__init__(caller, database, bus)
        self.checker = checker


Info = strawberry.Info[SyncContext, None]


@enum_type
class SyncStatus(Enum):
    """The status of an event at one service that consumes it."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    RETRY = "retry"


@enum_type
class SyncOperation(Enum):
    """The operation of an event on its entity."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@enum_type
class SyncOutcome(Enum):
    """The outcome of an event: applied (DONE), to be retried, given up (FAILED), skipped because a newer one
    was applied (STALE), applied although an earlier one is missing (GAP), or ordered again (REPLAY).
    """

    DONE = "done"
    RETRY = "retry"
    FAILED = "failed"
    STALE = "stale"
    GAP = "gap"
    REPLAY = "replay"


@object_type()
class PendingSync:
    """An event of one service, to be applied by another."""

    id: strawberry.ID = strawberry.field(description="The id of this sync.")
    event_id: strawberry.ID = strawberry.field(description="The id of the event.")
    source_service: str = strawberry.field(description="The service that published the event.")
    target_service: str = strawberry.field(description="The service that consumes the event.")
    entity_type: str = strawberry.field(description="The kind of the entity that the event is about.")
    entity_id: strawberry.ID = strawberry.field(description="The entity's id.")
    event_type: str = strawberry.field(description="The event's type.")
    operation: SyncOperation = strawberry.field(description="The event's operation on the entity.")
    data: JSON | None = strawberry.field(
        description="The event's data; null while only its outcome is known."
    )
    status: SyncStatus = strawberry.field(description="The current status.")
    retry_count: int = strawberry.field(description="The number of retries so far.")
    max_retries: int = strawberry.field(description="The number of retries before the event is given up.")
    error_message: str | None = strawberry.field(description="The last error.")
    created_at: datetime = strawberry.field(description="When the event happened.")
    updated_at: datetime = strawberry.field(description="When the status last changed.")

    @classmethod
    def of(cls, row: Row[Any]) -> "PendingSync":
        """Return the GraphQL type of a row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            event_id=strawberry.ID(str(row.event_id)),
            source_service=row.source_service,
            target_service=row.target_service,
            entity_type=row.entity_type,
            entity_id=strawberry.ID(str(row.entity_id)),
            event_type=row.event_type,
            operation=SyncOperation(row.operation),
            data=None if row.data is None else JSON(row.data),
            status=SyncStatus(row.status),
            retry_count=row.retry_count,
            max_retries=row.max_retries,
            error_message=row.error_message or None,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


@object_type()
class SyncLog:
    """An outcome that a target service reported, or a replay that somebody ordered."""

    id: strawberry.ID = strawberry.field(description="The id of this entry.")
    sync_id: strawberry.ID = strawberry.field(description="The sync's id.")
    source_service: str = strawberry.field(description="The service that published the event.")
    target_service: str = strawberry.field(description="The service that consumes the event.")
    entity_type: str = strawberry.field(description="The kind of the entity that the event is about.")
    entity_id: strawberry.ID = strawberry.field(description="The entity's id.")
    event_type: str = strawberry.field(description="The event's type.")
    operation: SyncOperation = strawberry.field(description="The event's operation on the entity.")
    outcome: SyncOutcome = strawberry.field(description="The outcome of the event.")
    retry_count: int = strawberry.field(description="The number of retries until then.")
    error_message: str | None = strawberry.field(description="The error, or the reason for a replay.")
    latency_ms: float | None = strawberry.field(
        description="Milliseconds from the write until the target had applied it."
    )
    processing_time_ms: float | None = strawberry.field(
        description="Milliseconds that the target's handler took."
    )
    data_size_bytes: int | None = strawberry.field(description="Bytes of the event on the queue.")
    ordered_by: strawberry.ID | None = strawberry.field(description="The admin who ordered the replay.")
    created_at: datetime = strawberry.field(description="When this entry was recorded.")

    @classmethod
    def of(cls, row: Row[Any]) -> "SyncLog":
        """Return the GraphQL type of a row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            sync_id=strawberry.ID(str(row.sync_id)),
            source_service=row.source_service,
            target_service=row.target_service,
            entity_type=row.entity_type,
            entity_id=strawberry.ID(str(row.entity_id)),
            event_type=row.event_type,
            operation=SyncOperation(row.operation),
            outcome=SyncOutcome(row.outcome),
            retry_count=row.retry_count,
            error_message=row.error_message or None,
            latency_ms=row.latency_ms,
            processing_time_ms=row.processing_time_ms,
            data_size_bytes=row.data_size_bytes,
            ordered_by=None if row.ordered_by is None else strawberry.ID(str(row.ordered_by)),
            created_at=row.created_at,
        )


@object_type()
class SyncLatency:
    """Milliseconds from the write of an event until the target had applied it, over the last hour."""

    p50: float = strawberry.field(description="The median.")
    p95: float = strawberry.field(description="The 95th percentile.")
    p99: float = strawberry.field(description="The 99th percentile.")


@object_type()
class SyncTarget:
    """A pair of services: one publishes events, the other consumes them."""

    source_service: str = strawberry.field(description="The service that publishes the events.")
    target_service: str = strawberry.field(description="The service that consumes the events.")
    event_types: list[str] = strawberry.field(description='The event types; "*" means all.')
    seen_at: datetime = strawberry.field(description="When the target last announced itself (every minute).")
    pending: int = strawberry.field(description="Events whose outcome is not known yet.")
    processing: int = strawberry.field(description="Events whose replay was ordered.")
    retrying: int = strawberry.field(description="Events to be retried, or that wait for such an event.")
    failed: int = strawberry.field(description="Events that the target gave up.")
    completed_last_hour: int = strawberry.field(description="Events that it completed in the last hour.")
    latency: SyncLatency | None = strawberry.field(
        description="The latency of the events of the last hour; null without events."
    )
    last_conflict: SyncLog | None = strawberry.field(
        description="The last event that arrived late or with an earlier one missing."
    )

    @classmethod
    def of(cls, row: Row[Any], conflict: Row[Any] | None) -> "SyncTarget":
        """Return the GraphQL type of a row."""
        latency = row.latencies and SyncLatency(
            p50=row.latencies[0], p95=row.latencies[1], p99=row.latencies[2]
        )
        return cls(
            source_service=row.source_service,
            target_service=row.target_service,
            event_types=row.event_types,
            seen_at=row.seen_at,
            pending=row.pending,
            processing=row.processing,
            retrying=row.retrying,
            failed=row.failed,
            completed_last_hour=row.completed,
            latency=latency or None,
            last_conflict=None if conflict is None else SyncLog.of(conflict),
        )


@object_type()
class ConsistencyCheck:
    """The result of a comparison of originals with copies."""

    id: strawberry.ID = strawberry.field(description="The id of this check.")
    entity_type: str = strawberry.field(description="The kind of the entities that were compared.")
    source_service: str = strawberry.field(description="The service that owns the originals.")
    target_service: str = strawberry.field(description="The service that has the copies.")
    compared: int = strawberry.field(description="The number of originals.")
    missing: int = strawberry.field(description="The number of originals without a copy.")
    older: int = strawberry.field(description="The number of copies with an older version.")
    different: int = strawberry.field(
        description="The number of copies with the same version and different content (deep checks only)."
    )
    extra: int = strawberry.field(
        description="The number of copies without an original; they are not deleted."
    )
    repaired: int = strawberry.field(description="The number of copies that were repaired.")
    examples: list[strawberry.ID] = strawberry.field(
        description="The ids of entities whose copies differed, 20 at most."
    )
    error_message: str | None = strawberry.field(description="Why the check failed.")
    processing_time_ms: float = strawberry.field(description="The duration in milliseconds.")
    created_at: datetime = strawberry.field(description="When the check was made.")

    @classmethod
    def of(cls, row: Row[Any]) -> "ConsistencyCheck":
        """Return the GraphQL type of a row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            entity_type=row.entity_type,
            source_service=row.source_service,
            target_service=row.target_service,
            compared=row.compared,
            missing=row.missing,
            older=row.older,
            different=row.different,
            extra=row.extra,
            repaired=row.repaired,
            examples=[strawberry.ID(key) for key in row.examples],
            error_message=row.error_message or None,
            processing_time_ms=row.processing_time_ms,
            created_at=row.created_at,
        )
