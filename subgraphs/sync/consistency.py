"""The consistency check: what services own is compared with the copies that others keep, and drift is
repaired.

It asks the services themselves (kit/copies), first for hashes by bucket, then for versions where these
differ. What differs is looked at once more a little later, as an event may have been on its way; what still
does is put right with what the owner tells.
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
from subgraphs.sync.comparison import Drift, different, differing, drift

log = structlog.get_logger("subgraphs.consistency")

SETTLING = 3.0  # seconds for an event to arrive
EVERY = 3600.0  # seconds between two checks
FIRST = 30.0  # seconds after the start, so that copies which are new get what is older than they are
ROWS: Final = 200
EXAMPLES: Final = 20
_VERIFY = "mutation($kind: String!, $after: ID) { found: verifyRows(kind: $kind, after: $after) }"


@dataclass(frozen=True, slots=True)
class CopyPair:
    """Who owns a kind of thing, and who keeps copies."""

    kind: str
    source: str
    target: str


PAIRS: Final = (
    CopyPair("musician", "musicians", "matching"),
    CopyPair("musician_request", "requests", "matching"),
    CopyPair("musician", "musicians", "read_side"),
    CopyPair("musician_request", "requests", "read_side"),
)


def _chunks(keys: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(sorted(keys))
    while some := list(islice(rest, ROWS)):
        yield some


ROWS_OF_EVENTS: Final = (
    CopyPair("musician", "musicians", "musicians"),
    CopyPair("musician_request", "requests", "requests"),
    CopyPair("booking", "requests", "requests"),
    CopyPair("escrow", "payments", "payments"),
)
"""What services keep of their own events: rows, which have to be what the events say.

Compared in depth only.
"""


@dataclass(frozen=True, slots=True)
class PairReport:
    """What a check of one pair has found; `error` where it could not be made."""

    pair: CopyPair
    compared: int
    drift: Drift
    repaired: int
    milliseconds: float
    error: str | None = None

    def row(self) -> dict[str, Any]:
        """The report as the table has it."""
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
    """A part of the service: it checks soon after the start, every hour, and whenever an admin says so."""

    task_name = "consistency"

    def __init__(
        self,
        database: Database,
        client: ServiceClient,
        *,
        pairs: Sequence[CopyPair] = PAIRS,
        rows: Sequence[CopyPair] = ROWS_OF_EVENTS,
        settling: float = SETTLING,
    ) -> None:
        self._database = database
        self._client = client
        self._pairs = pairs
        self._rows = rows
        self._settling = settling
        self._alone = asyncio.Lock()

    async def check(self, *, deep: bool = False) -> list[PairReport]:
        """Check all pairs, write down what was found, and answer it.

        `deep`: compare what is told as well, not versions alone.
        """
        async with self._alone:
            # rows first: the copies are to follow what the owner's events say
            reports = [await self._verified(pair) for pair in self._rows if deep]
            reports += [await self._checked(pair, deep) for pair in self._pairs]
            await store.add_checks(self._database, [report.row() for report in reports])
        return reports

    async def _run(self) -> None:
        pause = FIRST
        while True:
            await self._database.clock.sleep(pause)
            pause = EVERY
            try:
                await self.check()
            except Exception as error:
                log.warning("the consistency check failed", reason=repr(error))

    async def _checked(self, pair: CopyPair, deep: bool) -> PairReport:
        begun = time.perf_counter()
        try:
            compared, found = await self._drift(pair, deep)
            repaired = await self._repair(pair, found.repairable)
        except SubgraphError as error:
            return PairReport(pair, 0, Drift(), 0, (time.perf_counter() - begun) * 1000, str(error))
        if found != Drift():
            counts = {name: len(getattr(found, name)) for name in Drift.__dataclass_fields__}
            log.warning(
                "copies had drifted", kind=pair.kind, source=pair.source, target=pair.target, **counts
            )
        return PairReport(pair, compared, found, repaired, (time.perf_counter() - begun) * 1000)

    async def _verified(self, pair: CopyPair) -> PairReport:
        begun, compared, drifted = time.perf_counter(), 0, set[str]()
        after: str | None = None
        error: str | None = None
        try:
            while True:
                found = await self._ask(pair.source, _VERIFY, kind=pair.kind, after=after)
                compared, after = compared + found["compared"], found["next"]
                drifted |= found["drifted"].keys()
                if after is None:
                    break
        except SubgraphError as failed:
            error = str(failed)
        drift = Drift(different=frozenset(drifted))
        return PairReport(pair, compared, drift, len(drifted), (time.perf_counter() - begun) * 1000, error)

    async def _drift(self, pair: CopyPair, deep: bool) -> tuple[int, Drift]:
        originals, copies = await self._both(pair, DIGESTS_QUERY)
        compared = sum(int(rows) for rows, _ in originals.values())
        buckets = differing(originals, copies)
        look_into = sorted({int(bucket) for bucket in (*originals, *copies)}) if deep else buckets
        found = await self._look(pair, look_into, deep)
        if found != Drift():
            await self._database.clock.sleep(self._settling)
            found = found & await self._look(pair, look_into, deep)
        return compared, found

    async def _look(self, pair: CopyPair, buckets: Iterable[int], deep: bool) -> Drift:
        found = Drift()
        for bucket in buckets:
            originals, copies = await self._both(pair, VERSIONS_QUERY, bucket=bucket)
            found |= drift(originals, copies)
            for keys in _chunks(originals.keys() & copies.keys() if deep else ()):
                rows = await self._both(pair, ROWS_QUERY, keys=keys)
                found |= Drift(different=different(*rows))
        return found

    async def _repair(self, pair: CopyPair, keys: Iterable[str]) -> int:
        repaired = 0
        for some in _chunks(keys):
            originals = await self._ask(pair.source, ROWS_QUERY, kind=pair.kind, keys=some)
            repaired += await self._ask(pair.target, REPAIR_MUTATION, kind=pair.kind, originals=originals)
        return repaired

    async def _both(
        self, pair: CopyPair, query: str, **variables: Any
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The copies are asked for last.

        What was changed in between is newer there, and not taken for drift.
        """
        originals = await self._ask(pair.source, query, kind=pair.kind, **variables)
        return originals, await self._ask(pair.target, query, kind=pair.kind, **variables)

    async def _ask(self, service: str, query: str, **variables: Any) -> Any:
        return (await self._client.query(service, query, variables))["found"]
