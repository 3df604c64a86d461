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
    """The context of one GraphQL request, with its data loaders."""

    def __init__(self, caller: Caller, database: Database, bus: Bus) -> None:
        super().__init__(caller, database, bus)
        self.events = loaders.one(lambda ids: store.by_ids(database, ids))
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
    row: strawberry.Private[Any]

    @resolver
    async def cause(self, info: Info) -> "AuditEvent | None":
        """The event that caused this event; null if there is none."""
        if self.row.causation_id is None:
            return None
        row = await info.context.events.load(self.row.causation_id)
        return None if row is None else AuditEvent.of(row)

    @resolver
    async def consequences(self, info: Info) -> "list[AuditEvent] | None":
        """The events that this event caused directly, at most 200."""
        return [AuditEvent.of(row) for row in await info.context.consequences.load(self.row.event_id) or ()]

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "AuditEvent | None":
        """Return the event with this id, None if there is none. Raises Forbidden."""
        return await cls.load(info, id)

    @classmethod
    async def load(cls, info: Info, id: str) -> "AuditEvent | None":
        """Return the event with this id, None if there is none. Raises Unauthenticated, Forbidden."""
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
