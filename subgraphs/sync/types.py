"""The GraphQL types of the sync subgraph, and the context of its requests.

The method `of` makes an object from a record.
"""

from datetime import datetime
from enum import Enum

import strawberry
from strawberry.scalars import JSON

from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.graphql import enum_type, object_type
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.sync.consistency import Checker
from subgraphs.sync.records import CheckRecord, SyncLogRecord, SyncRecord, TargetRecord


class SyncContext(ServiceContext):
    """The context of one GraphQL request, with the consistency checker."""

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
    """The outcome of an event at a service: applied (DONE), to be retried (RETRY), not applied after all
    retries (FAILED), skipped because a newer event was applied (STALE), applied although an earlier event is
    missing (GAP), or requested again by an admin (REPLAY).
    """

    DONE = "done"
    RETRY = "retry"
    FAILED = "failed"
    STALE = "stale"
    GAP = "gap"
    REPLAY = "replay"


@object_type()
class PendingSync:
    """An event of one service at one service that consumes it, with its status."""

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
    max_retries: int = strawberry.field(description="The number of retries after which the event is failed.")
    error_message: str | None = strawberry.field(description="The last error.")
    created_at: datetime = strawberry.field(description="When the event happened.")
    updated_at: datetime = strawberry.field(description="When the status last changed.")

    @classmethod
    def of(cls, record: SyncRecord) -> "PendingSync":
        """Return the GraphQL object of a record."""
        return cls(
            id=strawberry.ID(str(record.id)),
            event_id=strawberry.ID(str(record.event_id)),
            source_service=record.source_service,
            target_service=record.target_service,
            entity_type=record.entity_type,
            entity_id=strawberry.ID(str(record.entity_id)),
            event_type=record.event_type,
            operation=SyncOperation(record.operation),
            data=None if record.data is None else JSON(dict(record.data)),
            status=SyncStatus(record.status),
            retry_count=record.retry_count,
            max_retries=record.max_retries,
            error_message=record.error_message or None,
            created_at=record.created_at,
            updated_at=record.updated_at,
        )


@object_type()
class SyncLog:
    """An outcome that the target service confirmed, or a replay that an admin requested."""

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
        description="Milliseconds from the event's occurrence until the target had applied it."
    )
    processing_time_ms: float | None = strawberry.field(
        description="The duration of the target's handler in milliseconds."
    )
    data_size_bytes: int | None = strawberry.field(description="The size of the event on the queue in bytes.")
    ordered_by: strawberry.ID | None = strawberry.field(
        description="The id of the admin who requested the replay; null for outcomes."
    )
    created_at: datetime = strawberry.field(description="When this entry was recorded.")

    @classmethod
    def of(cls, record: SyncLogRecord) -> "SyncLog":
        """Return the GraphQL object of a record."""
        return cls(
            id=strawberry.ID(str(record.id)),
            sync_id=strawberry.ID(str(record.sync_id)),
            source_service=record.source_service,
            target_service=record.target_service,
            entity_type=record.entity_type,
            entity_id=strawberry.ID(str(record.entity_id)),
            event_type=record.event_type,
            operation=SyncOperation(record.operation),
            outcome=SyncOutcome(record.outcome),
            retry_count=record.retry_count,
            error_message=record.error_message or None,
            latency_ms=record.latency_ms,
            processing_time_ms=record.processing_time_ms,
            data_size_bytes=record.data_size_bytes,
            ordered_by=None if record.ordered_by is None else strawberry.ID(str(record.ordered_by)),
            created_at=record.created_at,
        )


@object_type()
class SyncLatency:
    """Milliseconds from an event's occurrence until the target had applied it, over the last hour."""

    p50: float = strawberry.field(description="The median.")
    p95: float = strawberry.field(description="The 95th percentile.")
    p99: float = strawberry.field(description="The 99th percentile.")


@object_type()
class SyncTarget:
    """A pair of services: one publishes events, the other consumes them."""

    source_service: str = strawberry.field(description="The service that publishes the events.")
    target_service: str = strawberry.field(description="The service that consumes the events.")
    event_types: list[str] = strawberry.field(description='The event types; "*" means all.')
    seen_at: datetime = strawberry.field(
        description="The target's last subscription; it renews it every minute."
    )
    pending: int = strawberry.field(description="The number of events without a confirmed outcome.")
    processing: int = strawberry.field(description="The number of events whose replay was requested.")
    retrying: int = strawberry.field(
        description="The number of events that are retried, or wait behind an event that is retried."
    )
    failed: int = strawberry.field(description="The number of events whose retries all failed.")
    completed_last_hour: int = strawberry.field(
        description="The number of events that the target has completed in the last hour."
    )
    latency: SyncLatency | None = strawberry.field(
        description="The latency of the events of the last hour; null without events."
    )
    last_conflict: SyncLog | None = strawberry.field(
        description="The last event that arrived late, or before an earlier event."
    )

    @classmethod
    def of(cls, record: TargetRecord, conflict: SyncLogRecord | None) -> "SyncTarget":
        """Return the GraphQL object of a record.

        `conflict`: the last log entry of an event that was skipped because the consumer already had a newer
        version of its aggregate; None if there is none.
        """
        latency = record.latencies and SyncLatency(
            p50=record.latencies[0], p95=record.latencies[1], p99=record.latencies[2]
        )
        return cls(
            source_service=record.source_service,
            target_service=record.target_service,
            event_types=list(record.event_types),
            seen_at=record.seen_at,
            pending=record.pending,
            processing=record.processing,
            retrying=record.retrying,
            failed=record.failed,
            completed_last_hour=record.completed,
            latency=latency or None,
            last_conflict=None if conflict is None else SyncLog.of(conflict),
        )


@object_type()
class ConsistencyCheck:
    """The result of a comparison of a service's rows with another service's copies of them."""

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
    def of(cls, record: CheckRecord) -> "ConsistencyCheck":
        """Return the GraphQL object of a record."""
        return cls(
            id=strawberry.ID(str(record.id)),
            entity_type=record.entity_type,
            source_service=record.source_service,
            target_service=record.target_service,
            compared=record.compared,
            missing=record.missing,
            older=record.older,
            different=record.different,
            extra=record.extra,
            repaired=record.repaired,
            examples=[strawberry.ID(key) for key in record.examples],
            error_message=record.error_message or None,
            processing_time_ms=record.processing_time_ms,
            created_at=record.created_at,
        )
