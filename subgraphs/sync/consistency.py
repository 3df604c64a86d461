"""The consistency check: compares services' rows with the copies in other services, and repairs the copies.

It queries the services (`kit/copies`): first the count and hash of each bucket, then the versions of the
rows in the buckets that differ. Rows that differ are compared again after a delay, because their event may
not have arrived yet. Copies that still differ are replaced by their originals.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import structlog

from gateway.core.errors import SubgraphError
from subgraphs.kit.client import ServiceClient
from subgraphs.kit.copies import DIGESTS_QUERY, REPAIR_MUTATION, ROWS_QUERY, VERSIONS_QUERY
from subgraphs.kit.database import Database
from subgraphs.kit.tasks import Background
from subgraphs.sync import store
from subgraphs.sync.comparison import Drift, different_keys, differing_buckets, drift

log = structlog.get_logger("subgraphs.consistency")

SETTLING_SECONDS = 3.0  # the delay before rows that differ are compared again
CHECK_SECONDS = 3600.0  # the time between two checks
FIRST_CHECK_SECONDS = 30.0  # after the start; it fills a new copy with rows from before its first event
BATCH: Final = 200
EXAMPLES: Final = 20
_VERIFY = "mutation($kind: String!, $after: ID) { found: verifyRows(kind: $kind, after: $after) }"


@dataclass(frozen=True, slots=True)
class CopyPair:
    """A kind of row, the service that owns it (`source`), and the service that has copies of it
    (`target`).

    `is_repaired`: whether copies that differ are replaced by their originals; if not, a person has to act.
    """

    kind: str
    source: str
    target: str
    is_repaired: bool = True


PAIRS: Final = (
    CopyPair("musician", "musicians", "matching"),
    CopyPair("musician_request", "requests", "matching"),
    CopyPair("musician", "musicians", "read_side"),
    CopyPair("musician_request", "requests", "read_side"),
    CopyPair("booking", "requests", "notifications"),
    CopyPair("escrow_of_booking", "requests", "payments", is_repaired=False),
    CopyPair("time_of_booking", "requests", "calendar", is_repaired=False),
)
"""The comparisons. The last two are not about copies: each booking that stands has a held escrow and a booked
time, and no other booking has. A missing or an extra one is stranded, and an admin has to act.
"""


def _chunks(keys: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(sorted(keys))
    while chunk := list(islice(rest, BATCH)):
        yield chunk


ROWS_OF_EVENTS: Final = (
    CopyPair("musician", "musicians", "musicians"),
    CopyPair("musician_request", "requests", "requests"),
    CopyPair("booking", "requests", "requests"),
    CopyPair("escrow", "payments", "payments"),
)
"""Rows that a service computes from its own events; source and target of these pairs are the same service.

Only a deep check compares the rows with the events.
"""


@dataclass(frozen=True, slots=True)
class PairReport:
    """The result of one comparison: how many rows were compared, which differed, how many were repaired.

    `error`: why the comparison could not be made; None: it was made.
    """

    pair: CopyPair
    compared: int
    drift: Drift
    repaired: int
    milliseconds: float
    error: str | None = None

    def row(self) -> dict[str, Any]:
        """Return the report as a row of the table `consistency_checks`."""
        found = self.drift
        return {
            "entity_type": self.pair.kind,
            "source_service": self.pair.source,
            "target_service": self.pair.target,
            "compared": self.compared,
            **{name: len(getattr(found, name)) for name in Drift.__dataclass_fields__},
            "repaired": self.repaired,
            "examples": sorted(found.repairable | found.extra)[:EXAMPLES],
            "error_message": self.error or "",
            "processing_time_ms": self.milliseconds,
        }


class Checker(Background):
    """A background task that calls `check` 30 seconds after the start and then every hour.

    The mutation `checkConsistency` calls it, too.

    `settling`: the seconds before rows that differ are compared again.
    """

    task_name = "consistency"

    def __init__(
        self,
        database: Database,
        client: ServiceClient,
        *,
        pairs: Sequence[CopyPair] = PAIRS,
        rows: Sequence[CopyPair] = ROWS_OF_EVENTS,
        settling: float = SETTLING_SECONDS,
    ) -> None:
        self._database = database
        self._client = client
        self._pairs = pairs
        self._rows = rows
        self._settling = settling
        self._lock = asyncio.Lock()

    async def check(self, *, deep: bool = False) -> list[PairReport]:
        """Compare all copies with their originals, repair them, and store and return a report per pair.

        `deep`: also compare the contents of rows with equal versions, and each row that a service computes
        from its own events (`ROWS_OF_EVENTS`) with these events.
        """
        async with self._lock:
            # originals are repaired first, because copies are repaired from them
            reports = [await self._verify_rows(pair) for pair in self._rows if deep]
            reports += [await self._check_pair(pair, deep) for pair in self._pairs]
            await store.add_checks(self._database, [report.row() for report in reports])
        return reports

    async def _run(self) -> None:
        pause = FIRST_CHECK_SECONDS
        while True:
            await self._database.clock.sleep(pause)
            pause = CHECK_SECONDS
            try:
                await self.check()
            except Exception as error:
                log.warning("the consistency check failed", reason=repr(error))

    async def _check_pair(self, pair: CopyPair, deep: bool) -> PairReport:
        begun = time.perf_counter()
        try:
            compared, found = await self._drift(pair, deep)
            repaired = await self._repair(pair, found.repairable)
        except SubgraphError as error:
            return PairReport(pair, 0, Drift(), 0, (time.perf_counter() - begun) * 1000, str(error))
        if found != Drift():
            counts = {name: len(getattr(found, name)) for name in Drift.__dataclass_fields__}
            log.warning(
                "copies differ from their originals",
                kind=pair.kind,
                source=pair.source,
                target=pair.target,
                **counts,
            )
        return PairReport(pair, compared, found, repaired, (time.perf_counter() - begun) * 1000)

    async def _verify_rows(self, pair: CopyPair) -> PairReport:
        begun, compared, drifted = time.perf_counter(), 0, set[str]()
        after: str | None = None
        error: str | None = None
        try:
            while True:
                found = await self._query(pair.source, _VERIFY, kind=pair.kind, after=after)
                compared, after = compared + found["compared"], found["next"]
                drifted |= found["drifted"].keys()
                if after is None:
                    break
        except SubgraphError as failed:
            error = str(failed)
        drift = Drift(different=frozenset(drifted))
        return PairReport(pair, compared, drift, len(drifted), (time.perf_counter() - begun) * 1000, error)

    async def _drift(self, pair: CopyPair, deep: bool) -> tuple[int, Drift]:
        originals, copies = await self._query_both(pair, DIGESTS_QUERY)
        compared = sum(int(rows) for rows, _ in originals.values())
        buckets = differing_buckets(originals, copies)
        look_into = sorted({int(bucket) for bucket in (*originals, *copies)}) if deep else buckets
        found = await self._compare(pair, look_into, deep)
        if found != Drift():
            await self._database.clock.sleep(self._settling)
            found = found & await self._compare(pair, look_into, deep)
        return compared, found

    async def _compare(self, pair: CopyPair, buckets: Iterable[int], deep: bool) -> Drift:
        found = Drift()
        for bucket in buckets:
            originals, copies = await self._query_both(pair, VERSIONS_QUERY, bucket=bucket)
            found |= drift(originals, copies)
            for keys in _chunks(originals.keys() & copies.keys() if deep and pair.is_repaired else ()):
                rows = await self._query_both(pair, ROWS_QUERY, keys=keys)
                found |= Drift(different=different_keys(*rows))
        return found

    async def _repair(self, pair: CopyPair, keys: Iterable[str]) -> int:
        repaired = 0
        if not pair.is_repaired:
            return repaired
        for chunk in _chunks(keys):
            originals = await self._query(pair.source, ROWS_QUERY, kind=pair.kind, keys=chunk)
            repaired += await self._query(pair.target, REPAIR_MUTATION, kind=pair.kind, originals=originals)
        return repaired

    async def _query_both(
        self, pair: CopyPair, query: str, **variables: Any
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Query the owner, then the service with the copies; return both results.

        In this order a change between the two queries makes the copy newer, which is no drift.
        """
        originals = await self._query(pair.source, query, kind=pair.kind, **variables)
        return originals, await self._query(pair.target, query, kind=pair.kind, **variables)

    async def _query(self, service: str, query: str, **variables: Any) -> Any:
        return (await self._client.query(service, query, variables))["found"]
