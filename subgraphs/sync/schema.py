"""The queries and mutations of the sync subgraph, all for admins."""

from typing import Annotated, Any

import strawberry

from subgraphs.kit import budget, checks
from subgraphs.kit.graphql import Schema, for_role, input_type, object_type
from subgraphs.kit.pagination import DEFAULT_FIRST, After, Connection, First, Page
from subgraphs.sync import store
from subgraphs.sync.messages import ReplaySync
from subgraphs.sync.tables import CHECK_ROWS, LOG_ROWS, SYNC_ROWS
from subgraphs.sync.types import (
    ConsistencyCheck,
    Info,
    PendingSync,
    SyncLog,
    SyncOutcome,
    SyncStatus,
    SyncTarget,
)

Deep = Annotated[
    bool,
    strawberry.argument(
        description="Compare the content of copies as well, and rows with the events that they follow from; "
        "this can take minutes."
    ),
]


def _text(value: str | None, field: str) -> str | None:
    return None if value is None else checks.text(value, field, 100)


def _id(value: str | None, field: str) -> Any:
    return None if value is None else checks.identifier(value, field)


@input_type
class SyncFilter:
    """Conditions on syncs, joined by AND; an absent field is no condition."""

    status: SyncStatus | None = strawberry.field(default=None, description="The status.")
    source: str | None = strawberry.field(default=None, description="The service that publishes the event.")
    target: str | None = strawberry.field(default=None, description="The service that consumes the event.")
    entity_id: strawberry.ID | None = strawberry.field(default=None, description="The entity's id.")

    def read(self) -> store.SyncCriteria:
        """Return the filter as checked conditions. Raises BadUserInput."""
        return store.SyncCriteria(
            status=self.status and self.status.value,
            source_service=_text(self.source, "source"),
            target_service=_text(self.target, "target"),
            entity_id=_id(self.entity_id, "entityId"),
        )


@input_type
class SyncLogFilter:
    """Conditions on log entries, joined by AND; an absent field is no condition."""

    outcome: SyncOutcome | None = strawberry.field(default=None, description="The outcome of the event.")
    source: str | None = strawberry.field(default=None, description="The service that publishes the event.")
    target: str | None = strawberry.field(default=None, description="The service that consumes the event.")
    entity_id: strawberry.ID | None = strawberry.field(default=None, description="The entity's id.")
    sync_id: strawberry.ID | None = strawberry.field(default=None, description="The sync's id.")

    def read(self) -> store.SyncCriteria:
        """Return the filter as checked conditions. Raises BadUserInput."""
        return store.SyncCriteria(
            outcome=self.outcome and self.outcome.value,
            source_service=_text(self.source, "source"),
            target_service=_text(self.target, "target"),
            entity_id=_id(self.entity_id, "entityId"),
            sync_id=_id(self.sync_id, "syncId"),
        )


@object_type()
class Query:
    """The state of the synchronisation between the services, for admins."""

    @for_role("admin")
    async def pending_syncs(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None, filter: SyncFilter | None = None
    ) -> Connection[PendingSync] | None:
        """Events of the last 7 days (failed events: 30 days), once for each service that consumes them, the
        newest first.
        """
        info.context.require_role("admin")
        page, criteria = Page.of(store.NEWEST_SYNCS, first, after), (filter or SyncFilter()).read()
        database = info.context.database
        conditions = criteria.conditions(SYNC_ROWS.table)
        return page.connection(
            await SYNC_ROWS.page(database, page, conditions),
            PendingSync.of,
            lambda sync: (sync.created_at, sync.id),
            lambda: SYNC_ROWS.count(database, conditions),
        )

    @for_role("admin")
    async def sync_logs(
        self,
        info: Info,
        first: First = DEFAULT_FIRST,
        after: After = None,
        filter: SyncLogFilter | None = None,
    ) -> Connection[SyncLog] | None:
        """The outcomes that services confirmed in the last 7 days, and requested replays, the
        newest first.
        """
        info.context.require_role("admin")
        page, criteria = Page.of(store.NEWEST_LOGS, first, after), (filter or SyncLogFilter()).read()
        database = info.context.database
        conditions = criteria.conditions(LOG_ROWS.table)
        return page.connection(
            await LOG_ROWS.page(database, page, conditions),
            SyncLog.of,
            lambda entry: (entry.created_at, entry.id),
            lambda: LOG_ROWS.count(database, conditions),
        )

    @for_role("admin", list_size=100)
    async def sync_targets(self, info: Info) -> list[SyncTarget] | None:
        """Every pair of publishing and consuming service, with its backlog and latency."""
        info.context.require_role("admin")
        targets = await store.targets(info.context.database)
        conflicts = await store.last_conflicts(info.context.database)
        budget.spend(len(targets))
        return [
            SyncTarget.of(target, conflicts.get((target.source_service, target.target_service)))
            for target in targets
        ]

    @for_role("admin")
    async def consistency_checks(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> Connection[ConsistencyCheck] | None:
        """The consistency checks of the last 30 days, the newest first."""
        info.context.require_role("admin")
        page, database = Page.of(store.NEWEST_CHECKS, first, after), info.context.database
        return page.connection(
            await CHECK_ROWS.page(database, page),
            ConsistencyCheck.of,
            lambda check: (check.created_at, check.id),
            lambda: CHECK_ROWS.count(database),
        )


@object_type()
class Mutation:
    """Replays of failed events and repairs of copies, for admins."""

    @for_role("admin", cost=1_000)
    async def check_consistency(self, info: Info, deep: Deep = False) -> list[ConsistencyCheck] | None:
        """Compare the services' rows with the copies in other services now, and repair copies that differ.

        This also happens automatically every hour.
        """
        info.context.require_role("admin")
        reports = await info.context.checker.check(deep=deep)
        newest = Page.of(store.NEWEST_CHECKS, len(reports), None)
        checked = await CHECK_ROWS.page(info.context.database, newest)
        return [ConsistencyCheck.of(check) for check in checked[: len(reports)]]

    @for_role("admin")
    async def replay_sync(self, info: Info, id: strawberry.ID, reason: str) -> PendingSync | None:
        """Request a service to apply a failed event again; the caller and the reason are logged."""
        identity = info.context.require_role("admin")
        key = checks.identifier(id, "id")
        order = ReplaySync(key, checks.text(reason, "reason", 500), identity.user_id)
        await info.context.bus.handle(order)
        sync = await SYNC_ROWS.get(info.context.database, key)
        return None if sync is None else PendingSync.of(sync)


schema = Schema(Query, Mutation, types=[PendingSync, SyncLog, SyncTarget])
