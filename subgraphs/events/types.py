"""GraphQL types of the events subgraph."""

from datetime import datetime
from typing import Any

import strawberry
from sqlalchemy import Row
from strawberry.scalars import JSON

from subgraphs.events import store
from subgraphs.kit import loaders
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.graphql import object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.service import Caller, ServiceContext


class EventsContext(ServiceContext):
    """The loaders of one request."""

    def __init__(self, caller: Caller, database: Database, bus: Bus) -> None:
        """Fresh loaders over the service's database."""
        super().__init__(caller, database, bus)
        self.events = loaders.one(lambda ids: store.by_ids(database, ids))
        self.consequences = loaders.one(lambda ids: store.consequences(database, ids))


Info = strawberry.Info[EventsContext, None]


@object_type(keys=["id"])
class AuditEvent:
    """Something that happened in a service: who, what, when and why. For admins."""

    id: strawberry.ID = strawberry.field(description="The id of the event.")
    service: str = strawberry.field(description="Where it happened.")
    type: str = strawberry.field(description="What happened.")
    aggregate_type: str = strawberry.field(description="To what kind of thing.")
    aggregate_id: strawberry.ID = strawberry.field(description="To which one.")
    payload: JSON = strawberry.field(description="All that the event says.")
    created_by: str | None = strawberry.field(description="The user who did it, or service:NAME.")
    correlation_id: str | None = strawberry.field(
        description="What it shares with all that follows from one request or saga."
    )
    occurred_at: datetime = strawberry.field(description="When it happened.")
    recorded_at: datetime = strawberry.field(description="When the audit heard of it.")
    row: strawberry.Private[Any]

    @resolver
    async def cause(self, info: Info) -> "AuditEvent | None":
        """The event that led to it."""
        if self.row.causation_id is None:
            return None
        found = await info.context.events.load(self.row.causation_id)
        return None if found is None else AuditEvent.of(found)

    @resolver
    async def consequences(self, info: Info) -> "list[AuditEvent] | None":
        """The events that it led to, 200 at most."""
        return [AuditEvent.of(row) for row in await info.context.consequences.load(self.row.event_id) or ()]

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "AuditEvent | None":
        """The event of a representation."""
        return await cls.load(info, id)

    @classmethod
    async def load(cls, info: Info, id: str) -> "AuditEvent | None":
        """The event with this id, for admins."""
        info.context.require_role("admin")
        key = uuid_of(id)
        row = await info.context.events.load(key) if key else None
        return None if row is None else cls.of(row)

    @classmethod
    def of(cls, row: Row[Any]) -> "AuditEvent":
        """Return the GraphQL type of a row."""
        return cls(
            id=strawberry.ID(str(row.event_id)),
            service=row.source,
            type=row.event_type,
            aggregate_type=row.aggregate_type,
            aggregate_id=strawberry.ID(str(row.aggregate_id)),
            payload=JSON(row.payload),
            created_by=row.created_by or None,
            correlation_id=row.correlation_id or None,
            occurred_at=row.occurred_at,
            recorded_at=row.recorded_at,
            row=row,
        )
