"""Queries and the one mutation of the sync subgraph, all of them for admins."""

from typing import Annotated, Any

import strawberry

from subgraphs.kit import budget, checks
from subgraphs.kit.graphql import Schema, input_type, object_type, resolver
from subgraphs.kit.pagination import DEFAULT_FIRST, After, Connection, First, Page
from subgraphs.sync import store
from subgraphs.sync.messages import ReplaySync
from subgraphs.sync.tables import consistency_checks, pending_syncs, sync_logs
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
        description="Compare what copies tell, not versions alone, and rows with the events that they follow from: minutes for many."
    ),
]


def _word(value: str | None, field: str) -> str | None:
    return None if value is None else checks.text(value, field, 100)


def _id(value: str | None, field: str) -> Any:
    return None if value is None else checks.identifier(value, field)


@input_type
class SyncFilter:
    """Which syncs; what is not given does not narrow."""

    status: SyncStatus | None = strawberry.field(default=None, description="Where they stand.")
    source: str | None = strawberry.field(default=None, description="From one service.")
    target: str | None = strawberry.field(default=None, description="To one service.")
    entity_id: strawberry.ID | None = strawberry.field(default=None, description="Of one thing.")

    def read(self) -> store.SyncCriteria:
        """The filter, checked."""
        return store.SyncCriteria(
            status=self.status and self.status.value,
            source_service=_word(self.source, "source"),
            target_service=_word(self.target, "target"),
            entity_id=_id(self.entity_id, "entityId"),
        )


@input_type
class SyncLogFilter:
    """Which entries; what is not given does not narrow."""

    outcome: SyncOutcome | None = strawberry.field(default=None, description="What became of the event.")
    source: str | None = strawberry.field(default=None, description="From one service.")
    target: str | None = strawberry.field(default=None, description="To one service.")
    entity_id: strawberry.ID | None = strawberry.field(default=None, description="Of one thing.")
    sync_id: strawberry.ID | None = strawberry.field(default=None, description="Of one sync.")

    def read(self) -> store.SyncCriteria:
        """The filter, checked."""
        return store.SyncCriteria(
            outcome=self.outcome and self.outcome.value,
            source_service=_word(self.source, "source"),
            target_service=_word(self.target, "target"),
            entity_id=_id(self.entity_id, "entityId"),
            sync_id=_id(self.sync_id, "syncId"),
        )


@object_type()
class Query:
    """What is on its way between the services, for admins."""

    @resolver
    async def pending_syncs(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None, filter: SyncFilter | None = None
    ) -> Connection[PendingSync] | None:
        """Events of the last 7 days (30 where they failed), one entry for each service that wants them,
        newest first.
        """
        info.context.require_role("admin")
        page, wanted = Page.of(store.NEWEST_SYNCS, first, after), (filter or SyncFilter()).read()
        database = info.context.database
        rows = await store.syncs_page(database, wanted, page)
        return page.connection(
            rows,
            PendingSync.of,
            lambda row: (row.created_at, row.id),
            lambda: store.count(database, pending_syncs, wanted),
        )

    @resolver
    async def sync_logs(
        self,
        info: Info,
        first: First = DEFAULT_FIRST,
        after: After = None,
        filter: SyncLogFilter | None = None,
    ) -> Connection[SyncLog] | None:
        """What the services said of events in the last 7 days, newest first."""
        info.context.require_role("admin")
        page, wanted = Page.of(store.NEWEST_LOGS, first, after), (filter or SyncLogFilter()).read()
        database = info.context.database
        rows = await store.logs_page(database, wanted, page)
        return page.connection(
            rows,
            SyncLog.of,
            lambda row: (row.created_at, row.id),
            lambda: store.count(database, sync_logs, wanted),
        )

    @resolver
    async def sync_targets(self, info: Info) -> list[SyncTarget] | None:
        """Every way from one service to another, with what waits on it and how long events take."""
        info.context.require_role("admin")
        rows = await store.targets(info.context.database)
        conflicts = await store.last_conflicts(info.context.database)
        budget.spend(len(rows))
        return [SyncTarget.of(row, conflicts.get((row.source_service, row.target_service))) for row in rows]

    @resolver
    async def consistency_checks(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> Connection[ConsistencyCheck] | None:
        """What comparisons of originals with copies have found in the last 30 days, newest first."""
        info.context.require_role("admin")
        page, database = Page.of(store.NEWEST_CHECKS, first, after), info.context.database
        rows = await store.checks_page(database, page)
        return page.connection(
            rows,
            ConsistencyCheck.of,
            lambda row: (row.created_at, row.id),
            lambda: store.count(database, consistency_checks, store.SyncCriteria()),
        )


@object_type()
class Mutation:
    """What admins can do about events that failed, and about copies that drifted."""

    @resolver
    async def check_consistency(self, info: Info, deep: Deep = False) -> list[ConsistencyCheck] | None:
        """Compare what services own with the copies that others keep, now, and repair what has drifted.

        It is done every hour by itself.
        """
        info.context.require_role("admin")
        reports = await info.context.checker.check(deep=deep)
        rows = await store.checks_page(
            info.context.database, Page.of(store.NEWEST_CHECKS, len(reports), None)
        )
        return [ConsistencyCheck.of(row) for row in rows[: len(reports)]]

    @resolver
    async def replay_sync(self, info: Info, id: strawberry.ID, reason: str) -> PendingSync | None:
        """Have an event that a service gave up tried again there; who said so and why is kept."""
        identity = info.context.require_role("admin")
        key = checks.identifier(id, "id")
        order = ReplaySync(key, checks.text(reason, "reason", 500), identity.user_id)
        await info.context.bus.handle(order)
        row = await store.sync(info.context.database, key)
        return None if row is None else PendingSync.of(row)


schema = Schema(Query, Mutation, types=[PendingSync, SyncLog, SyncTarget])
