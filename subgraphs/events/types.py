"""The GraphQL types of the events subgraph, and the context of its requests.

The method `of` makes an object from a record; `resolve_reference` resolves the representation of an entity.
"""

from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from subgraphs.events import store
from subgraphs.events.records import AuditRecord
from subgraphs.events.tables import AUDIT_ROWS
from subgraphs.kit import loaders
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.graphql import object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.service import Caller, ServiceContext


class EventsContext(ServiceContext):
    """The context of one GraphQL request, with its data loaders."""

    def __init__(self, caller: Caller, database: Database, bus: Bus) -> None:
        super().__init__(caller, database, bus)
        self.events = loaders.one(lambda ids: AUDIT_ROWS.by_ids(database, ids, "event_id"))
        self.consequences = loaders.one(lambda ids: store.consequences(database, ids))


Info = strawberry.Info[EventsContext, None]


@object_type(keys=["id"])
class AuditEvent:
    """An event of a service, with its author and its cause. For admins."""

    id: strawberry.ID = strawberry.field(description="The id of the event.")
    service: str = strawberry.field(description="The service that published the event.")
    type: str = strawberry.field(description="The type of the event.")
    aggregate_type: str = strawberry.field(description="The type of the changed object.")
    aggregate_id: strawberry.ID = strawberry.field(description="The id of the changed object.")
    payload: JSON = strawberry.field(description="The fields of the event.")
    created_by: str | None = strawberry.field(description="The user's id, or service:NAME.")
    correlation_id: str | None = strawberry.field(
        description="The id that all events of the same request or saga share."
    )
    occurred_at: datetime = strawberry.field(description="When the event occurred.")
    recorded_at: datetime = strawberry.field(description="When the audit stored the event.")
    record: strawberry.Private[AuditRecord]

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
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "AuditEvent | None":
        """Return the event with this id, None if there is none. Raises Unauthenticated, Forbidden."""
        return await cls.load(info, id)

    @classmethod
    async def load(cls, info: Info, id: str) -> "AuditEvent | None":
        """Return the event with this id, None if there is none.

        Raises Forbidden unless the caller is an admin, and Unauthenticated without a token.
        """
        info.context.require_role("admin")
        key = uuid_of(id)
        record = await info.context.events.load(key) if key else None
        return None if record is None else cls.of(record)

    @classmethod
    def of(cls, record: AuditRecord) -> "AuditEvent":
        """Return the GraphQL object of a record."""
        return cls(
            id=strawberry.ID(str(record.event_id)),
            service=record.source,
            type=record.event_type,
            aggregate_type=record.aggregate_type,
            aggregate_id=strawberry.ID(str(record.aggregate_id)),
            payload=JSON(dict(record.payload)),
            created_by=record.created_by or None,
            correlation_id=record.correlation_id or None,
            occurred_at=record.occurred_at,
            recorded_at=record.recorded_at,
            record=record,
        )
