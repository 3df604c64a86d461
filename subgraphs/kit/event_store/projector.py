"""The projector keeps a projection up to date in the background of a service."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from subgraphs.kit.database import Database
from subgraphs.kit.event_store.projection import BATCH, Projection, apply_next
from subgraphs.kit.tasks import Background
from subgraphs.kit.unit_of_work import UnitOfWork

log = structlog.get_logger("subgraphs.projector")


class Projector(Background):
    """A part of the service; each of its processes may have one, one of them at a time applies events."""

    def __init__(
        self,
        database: Database,
        projection: Projection,
        *,
        poll_seconds: float = 0.1,
        batch: int = BATCH,
        committed: Callable[[], None] | None = None,
    ) -> None:
        """It looks for new events every `poll_seconds` when it has none; `committed` is called when a batch can be seen."""
        self._database = database
        self._projection = projection
        self._poll_seconds = poll_seconds
        self._batch = batch
        self._committed = committed
        self._woken = asyncio.Event()
        self.task_name = f"projector {self._projection.name}"

    def wake(self) -> None:
        """Have it look now: somebody knows that there are new events."""
        self._woken.set()

    async def _run(self) -> None:
        delay = self._poll_seconds
        while True:
            self._woken.clear()
            try:
                async with UnitOfWork(self._database) as uow:
                    read = await apply_next(uow, self._projection, self._batch)
                delay = self._poll_seconds
                if not read:
                    await self._rest(delay)
                elif self._committed is not None:
                    self._committed()
            except Exception as error:
                log.warning("events wait for their projection", projection=self._projection.name, reason=repr(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
