"""The watch looks twice a second how far each read model is behind, so that a query knows without asking
the database first.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog
from redis.asyncio import Redis
from sqlalchemy import text

from subgraphs.kit.database import Database
from subgraphs.kit.event_store.lag import Lag, lag
from subgraphs.kit.event_store.projection import checked_table_name
from subgraphs.kit.queue.lag import seconds_waiting
from subgraphs.kit.tasks import cancel
from subgraphs.read_side.errors import why_unreadable
from subgraphs.read_side.model import TOO_FAR_BEHIND, Verdict, judge
from subgraphs.read_side.projections.base import LogProjection

log = structlog.get_logger("subgraphs.watch")

MOST_COUNTED: Final = 10_000
"""Events that a look counts at most.

While a long log is read anew, looking must not take as long as reading.
"""

_EVERY: Final = 0.5  # seconds between two looks
_PATIENCE: Final = 2.0  # seconds for one look


@dataclass(frozen=True, slots=True)
class Observation:
    """What was last seen of a read model.

    Its generations, none where the database did not answer, and when.
    """

    generations: Sequence[Lag]
    at: float
    trouble: str | None = None

    @property
    def serving(self) -> Lag | None:
        """The generation that answers queries."""
        return next((one for one in self.generations if one.serving), None)

    @property
    def shadow(self) -> Lag | None:
        """The generation that is being filled."""
        return next((one for one in reversed(self.generations) if not one.serving), None)


class FreshnessMonitor:
    """A part of the service. What it has not seen for longer than the threshold it does not vouch for."""

    def __init__(
        self,
        database: Database,
        redis: Redis,
        name: str,
        sources: Sequence[str],
        models: Mapping[str, LogProjection],
        threshold: float = TOO_FAR_BEHIND,
    ) -> None:
        """`name`: that of the service, under which the queue knows it."""
        self.models = models
        self.threshold = threshold
        self._database = database
        self._clock = database.clock
        self._redis = redis
        self._name = name
        self._sources = sources
        self._observations = {
            model: Observation((), self._clock.monotonic(), "it has not been looked at yet")
            for model in models
        }
        self._queue_read_at = self._clock.monotonic()
        self._queue_seconds_waiting = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Look for the first time, and go on in the background."""
        await asyncio.gather(self._read_models(), self._read_queue())
        self._tasks = [
            asyncio.create_task(self._repeat(each)) for each in (self._read_models, self._read_queue)
        ]

    async def stop(self) -> None:
        """End."""
        for task in self._tasks:
            await cancel(task)
        self._tasks.clear()

    def observation(self, name: str) -> Observation:
        """What was last seen of a read model."""
        return self._observations[name]

    def verdict(self, name: str) -> Verdict:
        """Whether a read model may answer now."""
        look, now = self._observations[name], self._clock.monotonic()
        serving = look.serving
        if look.trouble is not None or serving is None:
            return Verdict(False, None, look.trouble or "its tables are not there yet")
        if now - look.at > self.threshold:
            return Verdict(False, None, f"nobody has looked at it for {now - look.at:.1f} s")
        agree = serving.revision == self.models[name].revision
        return judge(serving.seconds, self._queue_seconds(now), agree, self.threshold)

    def _queue_seconds(self, now: float) -> float:
        """For how long something may have been waiting in the queue."""
        silent = now - self._queue_read_at
        return silent if silent > self.threshold else self._queue_seconds_waiting

    def mark_unreadable(self, name: str, trouble: str) -> None:
        """Somebody could not read the model; it is not asked again before the next look."""
        if self._observations[name].trouble != trouble:
            log.warning("a read model cannot be trusted", model=name, reason=trouble)
        self._observations[name] = Observation((), self._clock.monotonic(), trouble)

    async def refresh(self) -> None:
        """Look now."""
        await asyncio.gather(self._read_models(), self._read_queue())

    async def _repeat(self, look: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._clock.sleep(_EVERY)
            await look()

    async def _read_models(self) -> None:
        for name, model in self.models.items():
            try:
                async with asyncio.timeout(_PATIENCE):
                    generations = await lag(self._database, name, MOST_COUNTED)
                    for plain in model.tables:
                        statement = f"SELECT 1 FROM {checked_table_name(plain)} LIMIT 1"  # noqa: S608
                        await self._database.fetch_value(text(statement))
            except Exception as error:  # whatever the driver says, nobody knows how far the model is
                self.mark_unreadable(
                    name, why_unreadable(error) or f"nobody can look at it ({type(error).__name__})"
                )
            else:
                self._observations[name] = Observation(generations, self._clock.monotonic())

    async def _read_queue(self) -> None:
        with suppress(Exception):  # silence is what `_heard_at` tells of
            async with asyncio.timeout(_PATIENCE):
                self._queue_seconds_waiting = await seconds_waiting(
                    self._database, self._redis, self._name, self._sources
                )
                self._queue_read_at = self._clock.monotonic()
