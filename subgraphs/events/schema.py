"""Queries of the events subgraph; it has no mutations, because the audit cannot be changed."""

from typing import Annotated

import strawberry

from subgraphs.events import store
from subgraphs.events.tables import AUDIT_ROWS
from subgraphs.events.types import AuditEvent, Info
from subgraphs.kit import checks
from subgraphs.kit.aggregates_in_schema import AggregateType, aggregate_id_of
from subgraphs.kit.between import BetweenInput, between_of
from subgraphs.kit.graphql import Schema, for_role, input_type, object_type
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.pagination import After, Before, Connection, First, Last, Page

CorrelationId = Annotated[
    str, strawberry.argument(description="The id of the request or saga, as in `correlationId` of an event.")
]


@input_type
class AuditFilter:
    """Conditions on events, joined by AND."""

    aggregate_id: strawberry.ID | None = strawberry.field(
        default=None, description="Events of the object with this id: a UUID or a global id of any type."
    )
    aggregate_type: AggregateType | None = strawberry.field(
        default=None, description="Events of objects of this type."
    )
    correlation_id: str | None = strawberry.field(
        default=None, description="Events of the request or saga with this id."
    )
    created_by: str | None = strawberry.field(
        default=None, description="Events by the user with this UUID, or by service:NAME."
    )
    service: str | None = strawberry.field(
        default=None, description="Events of the service with this name, such as requests."
    )
    type: str | None = strawberry.field(
        default=None, description="Events of this type, such as RequestPublished."
    )
    between: BetweenInput | None = strawberry.field(
        default=None, description="Events that occurred in this time."
    )

    def read(self) -> store.AuditCriteria:
        """Return the checked filter. Raises BadUserInput with every wrong field."""
        with checks.Mistakes() as mistakes:
            return store.AuditCriteria(
                aggregate_id=mistakes.check(aggregate_id_of, self.aggregate_id, "aggregateId"),
                correlation_id=mistakes.check(_word, self.correlation_id, "correlationId"),
                created_by=mistakes.check(_word, self.created_by, "createdBy"),
                source=mistakes.check(_word, self.service, "service"),
                event_type=mistakes.check(_word, self.type, "type"),
                aggregate_type=self.aggregate_type,
                occurred=mistakes.check(between_of, self.between),
            )


def _word(value: str | None, field: str) -> str | None:
    return None if value is None else checks.text(value, field, 100)


@object_type()
class Query:
    """Queries of the audit, for admins."""

    @for_role("admin")
    async def audit_event(self, info: Info, id: strawberry.ID) -> AuditEvent | None:
        """The event with this id; null if there is none."""
        return await AuditEvent.load(info, uuid_of(id, "AuditEvent"))

    @for_role("admin")
    async def audit(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: AuditFilter | None = None,
    ) -> Connection[AuditEvent] | None:
        """The events of all services, the newest first."""
        info.context.require_role("admin")
        page = Page.of(store.NEWEST, first, after, last, before)
        criteria = (filter or AuditFilter()).read().conditions()
        database = info.context.database
        return page.connection(
            await AUDIT_ROWS.page(database, page, criteria),
            AuditEvent.of,
            lambda event: (event.occurred_at, event.event_id),
            lambda: AUDIT_ROWS.count(database, criteria),
        )

    @for_role("admin", list_size=200)
    async def audit_trail(self, info: Info, correlation_id: CorrelationId) -> list[AuditEvent] | None:
        """The events of all services that followed from one request or saga, at most 200, in the order of
        their times.
        """
        info.context.require_role("admin")
        events = await store.by_correlation(
            info.context.database, checks.text(correlation_id, "correlationId", 100)
        )
        return [AuditEvent.of(event) for event in events]


schema = Schema(Query, types=[AuditEvent])
