"""The GraphQL types of the sync subgraph, and the context of its requests.

The method `of` makes an object from a record.
"""

from datetime import datetime
from typing import TypeVar
from uuid import UUID

import strawberry
from aiodataloader import DataLoader
from strawberry.scalars import JSON

from subgraphs.kit import loaders
from subgraphs.kit.aggregates_in_schema import AggregateType, event_fields
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.graphql import REFERENCE, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.sync.consistency import Checker
from subgraphs.sync.enums import ComparedKind, SyncOperation, SyncOutcome, SyncStatus
from subgraphs.sync.records import CheckRecord, SyncLogRecord, SyncRecord, TargetRecord
from subgraphs.sync.tables import CHECK_ROWS, LOG_ROWS, SYNC_ROWS


class SyncContext(ServiceContext):
    """The context of one GraphQL request, with its data loaders and the consistency checker."""

    def __init__(self, caller: Caller, database: Database, bus: Bus, checker: Checker) -> None:
        super().__init__(caller, database, bus)
        self.checker = checker
        self.syncs = loaders.one(lambda ids: SYNC_ROWS.by_ids(database, ids))
        self.logs = loaders.one(lambda ids: LOG_ROWS.by_ids(database, ids))
        self.checks = loaders.one(lambda ids: CHECK_ROWS.by_ids(database, ids))


Info = strawberry.Info[SyncContext, None]
Record = TypeVar("Record")


async def _found(info: Info, loader: DataLoader[UUID, Record | None], uuid: str) -> Record | None:
    """Return the record with this id, None if there is none.

    Raises Forbidden unless the caller is an admin, and Unauthenticated without a token.
    """
    info.context.require_role("admin")
    key = uuid_of(uuid)
    return await loader.load(key) if key else None


@object_type(keys=[REFERENCE])
class AuditEvent:
    """The event of a sync, in the audit."""

    uuid: strawberry.ID


@object_type(keys=[REFERENCE])
class User:
    """The admin who requested a replay."""

    uuid: strawberry.ID


@object_type(keys=["uuid"])
class PendingSync:
    """An event of one service at one service that consumes it, with its status; for admins."""

    uuid: strawberry.ID
    source_service: str = strawberry.field(description="The service that published the event.")
    target_service: str = strawberry.field(description="The service that consumes the event.")
    entity_type: AggregateType = strawberry.field(
        description="The type of the entity that the event is about."
    )
    entity_id: strawberry.ID = strawberry.field(
        description="The UUID of the entity, as in logs and databases; it is no global id."
    )
    event_type: str = strawberry.field(description="The name of the event's type, such as RequestPublished.")
    operation: SyncOperation = strawberry.field(description="The event's operation on the entity.")
    data: JSON | None = strawberry.field(
        description="The fields of the event by name in camelCase, with UUIDs as ids; null while only its"
        " outcome is known."
    )
    status: SyncStatus = strawberry.field(description="The current status.")
    retry_count: int = strawberry.field(description="The number of retries so far.")
    max_retries: int = strawberry.field(description="The number of retries after which the event is failed.")
    error_message: str | None = strawberry.field(description="The last error.")
    created_at: datetime = strawberry.field(description="When the event happened.")
    updated_at: datetime = strawberry.field(description="When the status last changed.")
    record: strawberry.Private[SyncRecord]

    @resolver
    def event(self) -> AuditEvent | None:
        """The event, in the audit."""
        return AuditEvent(uuid=strawberry.ID(str(self.record.event_id)))

    @classmethod
    async def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "PendingSync | None":
        """Return the sync with this id, None if there is none. Raises Unauthenticated, Forbidden."""
        record = await _found(info, info.context.syncs, uuid)
        return None if record is None else cls.of(record)

    @classmethod
    def of(cls, record: SyncRecord) -> "PendingSync":
        """Return the GraphQL object of a record."""
        return cls(
            uuid=strawberry.ID(str(record.id)),
            source_service=record.source_service,
            target_service=record.target_service,
            entity_type=AggregateType.of(record.entity_type),
            entity_id=strawberry.ID(str(record.entity_id)),
            event_type=record.event_type,
            operation=SyncOperation(record.operation),
            data=None if record.data is None else JSON(event_fields(record.data)),
            status=SyncStatus(record.status),
            retry_count=record.retry_count,
            max_retries=record.max_retries,
            error_message=record.error_message or None,
            created_at=record.created_at,
            updated_at=record.updated_at,
            record=record,
        )


@object_type(keys=["uuid"])
class SyncLog:
    """An outcome that the target service confirmed, or a replay that an admin requested; for admins."""

    uuid: strawberry.ID
    source_service: str = strawberry.field(description="The service that published the event.")
    target_service: str = strawberry.field(description="The service that consumes the event.")
    entity_type: AggregateType = strawberry.field(
        description="The type of the entity that the event is about."
    )
    entity_id: strawberry.ID = strawberry.field(
        description="The UUID of the entity, as in logs and databases; it is no global id."
    )
    event_type: str = strawberry.field(description="The name of the event's type, such as RequestPublished.")
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
    created_at: datetime = strawberry.field(description="When this entry was recorded.")
    record: strawberry.Private[SyncLogRecord]

    @resolver
    async def sync(self, info: Info) -> PendingSync | None:
        """The sync; null if it was deleted."""
        record = await info.context.syncs.load(self.record.sync_id)
        return None if record is None else PendingSync.of(record)

    @resolver
    def ordered_by(self) -> User | None:
        """The admin who requested the replay; null for outcomes."""
        key = self.record.ordered_by
        return None if key is None else User(uuid=strawberry.ID(str(key)))

    @classmethod
    async def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "SyncLog | None":
        """Return the entry with this id, None if there is none. Raises Unauthenticated, Forbidden."""
        record = await _found(info, info.context.logs, uuid)
        return None if record is None else cls.of(record)

    @classmethod
    def of(cls, record: SyncLogRecord) -> "SyncLog":
        """Return the GraphQL object of a record."""
        return cls(
            uuid=strawberry.ID(str(record.id)),
            source_service=record.source_service,
            target_service=record.target_service,
            entity_type=AggregateType.of(record.entity_type),
            entity_id=strawberry.ID(str(record.entity_id)),
            event_type=record.event_type,
            operation=SyncOperation(record.operation),
            outcome=SyncOutcome(record.outcome),
            retry_count=record.retry_count,
            error_message=record.error_message or None,
            latency_ms=record.latency_ms,
            processing_time_ms=record.processing_time_ms,
            data_size_bytes=record.data_size_bytes,
            created_at=record.created_at,
            record=record,
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


@object_type(keys=["uuid"])
class ConsistencyCheck:
    """The result of a comparison of a service's rows with another service's copies of them; for admins."""

    uuid: strawberry.ID
    kind: ComparedKind = strawberry.field(description="The kind of the rows that were compared.")
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
        description="The UUIDs of objects whose copies differed, as in logs and databases, 20 at most."
    )
    error_message: str | None = strawberry.field(description="Why the check failed.")
    processing_time_ms: float = strawberry.field(description="The duration in milliseconds.")
    created_at: datetime = strawberry.field(description="When the check was made.")

    @classmethod
    async def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "ConsistencyCheck | None":
        """Return the check with this id, None if there is none. Raises Unauthenticated, Forbidden."""
        record = await _found(info, info.context.checks, uuid)
        return None if record is None else cls.of(record)

    @classmethod
    def of(cls, record: CheckRecord) -> "ConsistencyCheck":
        """Return the GraphQL object of a record."""
        return cls(
            uuid=strawberry.ID(str(record.id)),
            kind=ComparedKind(record.entity_type),
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
