"""Measures twice a second how far each read model is behind, so that a query need not measure it.

`routing` reads the verdict for each query. The time that a read model is behind is the age of the oldest
event that it has not applied, in the local log or in the queue.
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
from subgraphs.read_side.model import MAX_SECONDS_BEHIND, Verdict, judge
from subgraphs.read_side.projections.base import LogProjection

log = structlog.get_logger("subgraphs.watch")

MAX_COUNTED: Final = 10_000
"""The greatest number of events that an observation counts, because counting a long log is slow."""

_INTERVAL: Final = 0.5  # seconds between two observations
_TIMEOUT: Final = 2.0  # seconds for one observation


@dataclass(frozen=True, slots=True)
class Observation:
    """An observation of a read model: the lag of its generations, or the reason why it could not be read.

    `at`: the monotonic time of the observation.
    """

    generations: Sequence[Lag]
    at: float
    problem: str | None = None

    @property
    def serving(self) -> Lag | None:
        """The lag of the generation that serves queries; None if it does not exist or could not be read."""
        return next((generation for generation in self.generations if generation.serving), None)

    @property
    def shadow(self) -> Lag | None:
        """The lag of the generation that a rebuild fills; None without a rebuild."""
        return next((generation for generation in reversed(self.generations) if not generation.serving), None)


class FreshnessMonitor:
    """A part of the service that observes the read models and the queue in the background.

    A read model is not fresh if its last observation is older than the threshold.
    """

    def __init__(
        self,
        database: Database,
        redis: Redis,
        name: str,
        sources: Sequence[str],
        models: Mapping[str, LogProjection],
        threshold: float = MAX_SECONDS_BEHIND,
    ) -> None:
        """`name`: the service's name as a consumer of the events of `sources`.

        `threshold`: the seconds that a read model may be behind.
        """
        self.models = models
        self.threshold = threshold
        self._database = database
        self._clock = database.clock
        self._redis = redis
        self._name = name
        self._sources = sources
        self._observations = {
            model: Observation((), self._clock.monotonic(), "it was not observed yet") for model in models
        }
        self._queue_read_at = self._clock.monotonic()
        self._queue_seconds_waiting = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Observe the read models and the queue, and start to repeat it in the background."""
        await asyncio.gather(self._read_models(), self._read_queue())
        self._tasks = [
            asyncio.create_task(self._repeat(each)) for each in (self._read_models, self._read_queue)
        ]

    async def stop(self) -> None:
        """Stop the background tasks."""
        for task in self._tasks:
            await cancel(task)
        self._tasks.clear()

    def observation(self, name: str) -> Observation:
        """Return the last observation of a read model."""
        return self._observations[name]

    def verdict(self, name: str) -> Verdict:
        """Return whether a read model is fresh by its last observation, and if not, why."""
        last, now = self._observations[name], self._clock.monotonic()
        serving = last.serving
        if last.problem is not None or serving is None:
            return Verdict(False, None, last.problem or "its tables do not exist yet")
        if now - last.at > self.threshold:
            return Verdict(False, None, f"it could not be observed for {now - last.at:.1f} s")
        agree = serving.revision == self.models[name].revision
        return judge(serving.seconds, self._queue_seconds(now), agree, self.threshold)

    def _queue_seconds(self, now: float) -> float:
        """Return the age in seconds of the oldest event in the queue.

        If the queue could not be read for longer than the threshold, return the time since it was read.
        """
        unread = now - self._queue_read_at
        return unread if unread > self.threshold else self._queue_seconds_waiting

    def mark_unreadable(self, name: str, problem: str) -> None:
        """Record that a query could not read the model, so that it is not fresh until the next
        observation.
        """
        if self._observations[name].problem != problem:
            log.warning("read model is not fresh", model=name, reason=problem)
        self._observations[name] = Observation((), self._clock.monotonic(), problem)

    async def refresh(self) -> None:
        """Observe the read models and the queue now, without waiting for the next interval."""
        await asyncio.gather(self._read_models(), self._read_queue())

    async def _repeat(self, observe: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._clock.sleep(_INTERVAL)
            await observe()

    async def _read_models(self) -> None:
        for name, model in self.models.items():
            try:
                async with asyncio.timeout(_TIMEOUT):
                    generations = await lag(self._database, name, MAX_COUNTED)
                    for plain in model.tables:
                        statement = f"SELECT 1 FROM {checked_table_name(plain)} LIMIT 1"  # noqa: S608
                        await self._database.fetch_value(text(statement))
            except Exception as error:  # any error of the driver means that the lag is not known
                self.mark_unreadable(
                    name, why_unreadable(error) or f"it could not be observed ({type(error).__name__})"
                )
            else:
                self._observations[name] = Observation(generations, self._clock.monotonic())

    async def _read_queue(self) -> None:
        with suppress(Exception):  # `_queue_read_at` then stays at the last successful read
            async with asyncio.timeout(_TIMEOUT):
                self._queue_seconds_waiting = await seconds_waiting(
                    self._database, self._redis, self._name, self._sources
                )
                self._queue_read_at = self._clock.monotonic()
