"""The queries and mutations of the sync subgraph, all for admins."""

from typing import Annotated

import strawberry

from subgraphs.kit import budget, checks
from subgraphs.kit.graphql import Schema, for_role, object_type
from subgraphs.kit.idempotency_keys import IdempotencyKey
from subgraphs.kit.mutation_keys import claim
from subgraphs.kit.pagination import After, Before, Connection, First, Last, Page
from subgraphs.kit.payloads import user_errors
from subgraphs.sync import store
from subgraphs.sync.inputs import ConsistencyCheckFilter, SyncFilter, SyncLogFilter
from subgraphs.sync.messages import ReplaySync
from subgraphs.sync.model import REPLAYABLE
from subgraphs.sync.payloads import CheckConsistencyPayload, ReplaySyncPayload
from subgraphs.sync.tables import CHECK_ROWS, LOG_ROWS, SYNC_ROWS
from subgraphs.sync.types import ConsistencyCheck, Info, PendingSync, SyncLog, SyncTarget

Deep = Annotated[
    bool,
    strawberry.argument(
        description="Compare the content of copies as well, and rows with the events that they follow from; "
        "this can take minutes."
    ),
]


Reason = Annotated[str, strawberry.argument(description="The reason, 1 to 500 characters, for the log.")]


@object_type()
class Query:
    """The state of the synchronisation between the services, for admins."""

    @for_role("admin")
    async def pending_syncs(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: SyncFilter | None = None,
    ) -> Connection[PendingSync] | None:
        """Events of the last 7 days (failed events: 30 days), once for each service that consumes them, the
        newest first.
        """
        info.context.require_role("admin")
        page = Page.of(store.NEWEST_SYNCS, first, after, last, before)
        criteria, database = (filter or SyncFilter()).read(), info.context.database
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
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: SyncLogFilter | None = None,
    ) -> Connection[SyncLog] | None:
        """The outcomes that services confirmed in the last 7 days, and requested replays, the
        newest first.
        """
        info.context.require_role("admin")
        page = Page.of(store.NEWEST_LOGS, first, after, last, before)
        criteria, database = (filter or SyncLogFilter()).read(), info.context.database
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
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: ConsistencyCheckFilter | None = None,
    ) -> Connection[ConsistencyCheck] | None:
        """The consistency checks of the last 30 days, the newest first."""
        info.context.require_role("admin")
        only, database = (filter or ConsistencyCheckFilter()).read(), info.context.database
        page = Page.of(store.NEWEST_CHECKS, first, after, last, before, only=only)
        return page.connection(
            await CHECK_ROWS.page(database, page),
            ConsistencyCheck.of,
            lambda check: (check.created_at, check.id),
            lambda: CHECK_ROWS.count(database, only.conditions()),
        )


@object_type()
class Mutation:
    """Replays of failed events and repairs of copies, for admins."""

    @for_role("admin", cost=1_000)
    @user_errors(CheckConsistencyPayload)
    async def check_consistency(
        self, info: Info, deep: Deep = False, idempotency_key: IdempotencyKey = None
    ) -> CheckConsistencyPayload | None:
        """Compare the services' rows with the copies in other services now, and repair copies that differ.

        This also happens automatically every hour.
        """
        by, database = info.context.require_role("admin"), info.context.database
        await claim(database, idempotency_key, str(by.user_id), "checkConsistency", {"deep": deep})
        reports = await info.context.checker.check(deep=deep)
        newest = Page.of(store.NEWEST_CHECKS, len(reports))
        checked = await CHECK_ROWS.page(database, newest)
        return CheckConsistencyPayload(checks=[ConsistencyCheck.of(one) for one in checked[: len(reports)]])

    @for_role("admin")
    @user_errors(ReplaySyncPayload)
    async def replay_sync(
        self, info: Info, id: strawberry.ID, reason: Reason, idempotency_key: IdempotencyKey = None
    ) -> ReplaySyncPayload | None:
        """Request a service to apply a failed event again; the caller and the reason are logged."""
        by, database = info.context.require_role("admin"), info.context.database
        with checks.Mistakes() as mistakes:
            key = mistakes.check(checks.identifier, id, "id", "PendingSync")
            checked = mistakes.check(checks.text, reason, "reason", 500)
        given = {"id": key, "reason": checked}
        is_repeated = await claim(database, idempotency_key, str(by.user_id), "replaySync", given)
        sync = await SYNC_ROWS.get(database, key)
        if not is_repeated or sync is None or sync.status in REPLAYABLE:
            await info.context.bus.handle(ReplaySync(key, checked, by.user_id))
            sync = await SYNC_ROWS.get(database, key)
        return ReplaySyncPayload(sync=None if sync is None else PendingSync.of(sync))


schema = Schema(Query, Mutation, types=[PendingSync, SyncLog, SyncTarget])
