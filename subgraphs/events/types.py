"""The GraphQL types of the events subgraph, and the context of its requests.

The method `of` makes an object from a record; `resolve_reference` resolves the representation of an entity.
"""

from datetime import datetime
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from subgraphs.events import store
from subgraphs.events.records import AuditRecord
from subgraphs.events.tables import AUDIT_ROWS
from subgraphs.kit import loaders
from subgraphs.kit.aggregates_in_schema import AggregateType, event_fields
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.graphql import REFERENCE, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.service import Caller, ServiceContext


class EventsContext(ServiceContext):
    """The context of one GraphQL request, with its data loaders."""

    def __init__(self, caller: Caller, database: Database, bus: Bus) -> None:
        super().__init__(caller, database, bus)
        self.events = loaders.one(lambda ids: AUDIT_ROWS.by_ids(database, ids, "event_id"))
        self.consequences = loaders.one(lambda ids: store.consequences(database, ids))


Info = strawberry.Info[EventsContext, None]


@object_type(keys=[REFERENCE])
class User:
    """The author of an event."""

    uuid: strawberry.ID


@object_type(keys=["uuid"])
class AuditEvent:
    """An event of a service, with its author and its cause. For admins."""

    uuid: strawberry.ID
    service: str = strawberry.field(description="The name of the service that published the event.")
    type: str = strawberry.field(description="The name of the event's type, such as RequestPublished.")
    aggregate_type: AggregateType = strawberry.field(description="The type of the changed object.")
    aggregate_id: strawberry.ID = strawberry.field(
        description="The UUID of the changed object, as in logs and databases; it is no global id."
    )
    payload: JSON = strawberry.field(
        description="The fields of the event by name in camelCase; ids are UUIDs, as in logs and databases."
    )
    created_by: str | None = strawberry.field(
        description="The UUID of the user who caused the event, service:NAME, or database:USER."
    )
    correlation_id: str | None = strawberry.field(
        description="The id that all events of the same request or saga share."
    )
    occurred_at: datetime = strawberry.field(description="When the event occurred.")
    recorded_at: datetime = strawberry.field(description="When the audit stored the event.")
    record: strawberry.Private[AuditRecord]

    @resolver
    def author(self) -> User | None:
        """The user who caused the event; null for a service."""
        key = uuid_of(self.record.created_by)
        return None if key is None else User(uuid=strawberry.ID(str(key)))

    @resolver
    async def cause(self, info: Info) -> "AuditEvent | None":
        """The event that caused this event; null if there is none."""
        if self.record.causation_id is None:
            return None
        record = await info.context.events.load(self.record.causation_id)
        return None if record is None else AuditEvent.of(record)

    @resolver
    async def consequences(self, info: Info) -> "list[AuditEvent] | None":
        """The events that this event caused directly, at most 200."""
        return [
            AuditEvent.of(record)
            for record in await info.context.consequences.load(self.record.event_id) or ()
        ]

    @classmethod
    async def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "AuditEvent | None":
        """Return the event with this id, None if there is none. Raises Unauthenticated, Forbidden."""
        return await cls.load(info, uuid_of(uuid))

    @classmethod
    async def load(cls, info: Info, key: UUID | None) -> "AuditEvent | None":
        """Return the event with this UUID, None if there is none.

        Raises Forbidden unless the caller is an admin, and Unauthenticated without a token.
        """
        info.context.require_role("admin")
        record = await info.context.events.load(key) if key else None
        return None if record is None else cls.of(record)

    @classmethod
    def of(cls, record: AuditRecord) -> "AuditEvent":
        """Return the GraphQL object of a record."""
        return cls(
            uuid=strawberry.ID(str(record.event_id)),
            service=record.source,
            type=record.event_type,
            aggregate_type=AggregateType.of(record.aggregate_type),
            aggregate_id=strawberry.ID(str(record.aggregate_id)),
            payload=JSON(event_fields(record.payload)),
            created_by=record.created_by or None,
            correlation_id=record.correlation_id or None,
            occurred_at=record.occurred_at,
            recorded_at=record.recorded_at,
            record=record,
        )
