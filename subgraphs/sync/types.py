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
    """Who asks, and the check of consistency."""

    def __init__(self, caller: Caller, database: Database, bus: Bus, checker: Checker) -> None:
        super().__init__(caller, database, bus)
        self.checker = checker


Info = strawberry.Info[SyncContext, None]


@enum_type
class SyncStatus(Enum):
    """Where an event stands at one service that wants it."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    RETRY = "retry"


@enum_type
class SyncOperation(Enum):
    """What happened to the entity."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@enum_type
class SyncOutcome(Enum):
    """What became of an event: applied, tried again later, given up, not applied as it came too late, applied
    though one before it is missing, or ordered to be tried again.
    """

    DONE = "done"
    RETRY = "retry"
    FAILED = "failed"
    STALE = "stale"
    GAP = "gap"
    REPLAY = "replay"


@object_type()
class PendingSync:
    """An event on its way from the service where it happened to one that wants it."""

    id: strawberry.ID = strawberry.field(description="The id of this sync.")
    event_id: strawberry.ID = strawberry.field(description="The id of the event.")
    source_service: str = strawberry.field(description="Where it happened.")
    target_service: str = strawberry.field(description="Who wants it.")
    entity_type: str = strawberry.field(description="What kind of thing it happened to.")
    entity_id: strawberry.ID = strawberry.field(description="Which one.")
    event_type: str = strawberry.field(description="What happened.")
    operation: SyncOperation = strawberry.field(description="What that is to the thing.")
    data: JSON | None = strawberry.field(
        description="What the event says; null as long as only its outcome is known."
    )
    status: SyncStatus = strawberry.field(description="Where it stands.")
    retry_count: int = strawberry.field(description="How often it was tried again.")
    max_retries: int = strawberry.field(description="How often it is tried again before it is given up.")
    error_message: str | None = strawberry.field(description="What went wrong last.")
    created_at: datetime = strawberry.field(description="When it happened.")
    updated_at: datetime = strawberry.field(description="When something was last heard of it.")

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
    """One word on a sync: what its target said of it, or that somebody ordered a replay."""

    id: strawberry.ID = strawberry.field(description="The id of this entry.")
    sync_id: strawberry.ID = strawberry.field(description="The sync.")
    source_service: str = strawberry.field(description="Where the event happened.")
    target_service: str = strawberry.field(description="Who said this.")
    entity_type: str = strawberry.field(description="What kind of thing the event happened to.")
    entity_id: strawberry.ID = strawberry.field(description="Which one.")
    event_type: str = strawberry.field(description="What happened.")
    operation: SyncOperation = strawberry.field(description="What that is to the thing.")
    outcome: SyncOutcome = strawberry.field(description="What became of the event.")
    retry_count: int = strawberry.field(description="How often it had been tried again.")
    error_message: str | None = strawberry.field(description="What went wrong, or the reason of a replay.")
    latency_ms: float | None = strawberry.field(
        description="Milliseconds from the write until the target had it."
    )
    processing_time_ms: float | None = strawberry.field(
        description="Milliseconds that the target's handler took."
    )
    data_size_bytes: int | None = strawberry.field(description="Bytes of the event on the queue.")
    ordered_by: strawberry.ID | None = strawberry.field(description="Who ordered the replay.")
    created_at: datetime = strawberry.field(description="When it was heard.")

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
    """How long events took from the write until the target had them, in the last hour, in milliseconds."""

    p50: float = strawberry.field(description="Half were faster.")
    p95: float = strawberry.field(description="19 of 20 were faster.")
    p99: float = strawberry.field(description="99 of 100 were faster.")


@object_type()
class SyncTarget:
    """The way from one service to another that hears of it."""

    source_service: str = strawberry.field(description="Where events happen.")
    target_service: str = strawberry.field(description="Who hears of them.")
    event_types: list[str] = strawberry.field(description='Which types it hears; "*" is every one.')
    seen_at: datetime = strawberry.field(description="When it last said that it listens (once a minute).")
    pending: int = strawberry.field(description="Events of which it has said nothing yet.")
    processing: int = strawberry.field(description="Events whose replay was ordered.")
    retrying: int = strawberry.field(description="Events that it will try again, or that wait behind one.")
    failed: int = strawberry.field(description="Events that it gave up.")
    completed_last_hour: int = strawberry.field(description="Events that it was done with in the last hour.")
    latency: SyncLatency | None = strawberry.field(
        description="How long these took; null when there were none."
    )
    last_conflict: SyncLog | None = strawberry.field(
        description="The last event that came too late or too early."
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
    """What a comparison of originals with copies has found."""

    id: strawberry.ID = strawberry.field(description="The id of this check.")
    entity_type: str = strawberry.field(description="What kind of thing was compared.")
    source_service: str = strawberry.field(description="Who owns it.")
    target_service: str = strawberry.field(description="Who keeps copies.")
    compared: int = strawberry.field(description="How many originals there are.")
    missing: int = strawberry.field(description="How many of them had no copy.")
    older: int = strawberry.field(description="How many copies were of an older version.")
    different: int = strawberry.field(
        description="How many copies of the same version told something else (deep checks see that)."
    )
    extra: int = strawberry.field(
        description="How many copies there are of what does not exist; they are left alone."
    )
    repaired: int = strawberry.field(description="How many copies were put right.")
    examples: list[strawberry.ID] = strawberry.field(description="Ids of what had drifted, 20 at most.")
    error_message: str | None = strawberry.field(description="Why the check could not be made.")
    processing_time_ms: float = strawberry.field(description="How long it took, in milliseconds.")
    created_at: datetime = strawberry.field(description="When.")

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
