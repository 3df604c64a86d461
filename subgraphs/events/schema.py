"""Queries of the events subgraph; it has no mutations, because the audit cannot be changed."""

from datetime import datetime

import strawberry

from subgraphs.events import store
from subgraphs.events.tables import AUDIT_ROWS
from subgraphs.events.types import AuditEvent, Info
from subgraphs.kit import checks
from subgraphs.kit.graphql import Schema, for_role, input_type, object_type
from subgraphs.kit.pagination import DEFAULT_FIRST, After, Connection, First, Page


@input_type
class AuditFilter:
    """Conditions on events, joined by AND."""

    aggregate_id: strawberry.ID | None = strawberry.field(
        default=None, description="Events of the object with this id."
    )
    correlation_id: str | None = strawberry.field(
        default=None, description="Events of the request or saga with this id."
    )
    created_by: str | None = strawberry.field(
        default=None, description="Events by this user's id, or by service:NAME."
    )
    service: str | None = strawberry.field(default=None, description="Events of this service.")
    type: str | None = strawberry.field(default=None, description="Events of this type.")
    since: datetime | None = strawberry.field(default=None, description="Events at this time or later.")
    until: datetime | None = strawberry.field(default=None, description="Events before this time.")

    def read(self) -> store.AuditCriteria:
        """Return the checked filter. Raises BadUserInput."""
        aggregate_id = (
            None if self.aggregate_id is None else checks.identifier(self.aggregate_id, "aggregateId")
        )
        words = (self.correlation_id, self.created_by, self.service, self.type)
        correlation, by, service, kind = (
            None if word is None else checks.text(word, "filter", 100) for word in words
        )
        return store.AuditCriteria(aggregate_id, correlation, by, service, kind, self.since, self.until)


@object_type()
class Query:
    """Queries of the audit, for admins."""

    @for_role("admin")
    async def audit_event(self, info: Info, id: strawberry.ID) -> AuditEvent | None:
        """The event with this id; null if there is none."""
        return await AuditEvent.load(info, id)

    @for_role("admin")
    async def audit(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None, filter: AuditFilter | None = None
    ) -> Connection[AuditEvent] | None:
        """The events of all services, the newest first."""
        info.context.require_role("admin")
        page, criteria = Page.of(store.NEWEST, first, after), (filter or AuditFilter()).read().conditions()
        database = info.context.database
        return page.connection(
            await AUDIT_ROWS.page(database, page, criteria),
            AuditEvent.of,
            lambda event: (event.occurred_at, event.event_id),
            lambda: AUDIT_ROWS.count(database, criteria),
        )

    @for_role("admin", list_size=200)
    async def audit_trail(self, info: Info, correlation_id: str) -> list[AuditEvent] | None:
        """The events of all services that followed from one request or saga, at most 200, in the order of
        their times.
        """
        info.context.require_role("admin")
        events = await store.by_correlation(
            info.context.database, checks.text(correlation_id, "correlationId", 100)
        )
        return [AuditEvent.of(event) for event in events]


schema = Schema(Query, types=[AuditEvent])
