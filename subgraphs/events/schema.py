"""Queries of the events subgraph; nothing can be done to the audit."""

from datetime import datetime

import strawberry

from subgraphs.events import store
from subgraphs.events.types import AuditEvent, Info
from subgraphs.kit import checks
from subgraphs.kit.graphql import Schema, input_type, object_type, resolver
from subgraphs.kit.pagination import DEFAULT_FIRST, After, Connection, First, Page


@input_type
class AuditFilter:
    """Which events; what is not given does not narrow."""

    aggregate_id: strawberry.ID | None = strawberry.field(default=None, description="To one thing.")
    correlation_id: str | None = strawberry.field(default=None, description="Of one request or saga.")
    created_by: str | None = strawberry.field(default=None, description="By a user, or by service:NAME.")
    service: str | None = strawberry.field(default=None, description="In one service.")
    type: str | None = strawberry.field(default=None, description="Of one type.")
    since: datetime | None = strawberry.field(default=None, description="Not before.")
    until: datetime | None = strawberry.field(default=None, description="Before.")

    def read(self) -> store.AuditCriteria:
        """The filter, checked."""
        about = None if self.aggregate_id is None else checks.identifier(self.aggregate_id, "aggregateId")
        words = (self.correlation_id, self.created_by, self.service, self.type)
        correlation, by, service, kind = (
            None if word is None else checks.text(word, "filter", 100) for word in words
        )
        return store.AuditCriteria(about, correlation, by, service, kind, self.since, self.until)


@object_type()
class Query:
    """The audit, for admins."""

    @resolver
    async def audit_event(self, info: Info, id: strawberry.ID) -> AuditEvent | None:
        """The event with this id; null if there is none."""
        return await AuditEvent.load(info, id)

    @resolver
    async def audit(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None, filter: AuditFilter | None = None
    ) -> Connection[AuditEvent] | None:
        """What happened, newest first."""
        info.context.require_role("admin")
        page, wanted = Page.of(store.NEWEST, first, after), (filter or AuditFilter()).read()
        database = info.context.database
        rows = await store.page(database, wanted, page)
        return page.connection(
            rows,
            AuditEvent.of,
            lambda row: (row.occurred_at, row.event_id),
            lambda: store.count(database, wanted),
        )

    @resolver
    async def audit_trail(self, info: Info, correlation_id: str) -> list[AuditEvent] | None:
        """All that followed from one request or saga (by its id), in every service, in the order in which
        it happened; 200 at most.
        """
        info.context.require_role("admin")
        rows = await store.together(info.context.database, checks.text(correlation_id, "correlationId", 100))
        return [AuditEvent.of(row) for row in rows]


schema = Schema(Query, types=[AuditEvent])
