"""Runs a projection in the background of a service: applies new events to its tables as they are appended."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from subgraphs.kit.clock import wait
from subgraphs.kit.database import Database
from subgraphs.kit.event_store.projection import BATCH, Projection, apply_next
from subgraphs.kit.tasks import Background
from subgraphs.kit.unit_of_work import UnitOfWork

log = structlog.get_logger("subgraphs.projector")


class ProjectionRunner(Background):
    """A background task of a service that applies events to a projection.

    Each process of the service may run this task. A lock on the checkpoint lets only one process at a time
    apply events; the others try again after each pause.
    """

    def __init__(
        self,
        database: Database,
        projection: Projection,
        *,
        poll_seconds: float = 0.1,
        batch: int = BATCH,
        committed: Callable[[datetime], None] | None = None,
    ) -> None:
        """`poll_seconds`: the interval of polls while there are no new events; `batch`: events per
        transaction.

        `committed` is called with the present time after each commit of a batch.
        """
        self._database = database
        self._projection = projection
        self._poll_seconds = poll_seconds
        self._batch = batch
        self._committed = committed
        self._wake_up = asyncio.Event()
        self.task_name = f"projection {self._projection.name}"

    def wake(self) -> None:
        """End the present pause; callers use it when they have appended events."""
        self._wake_up.set()

    async def _run(self) -> None:
        delay = self._poll_seconds
        while True:
            self._wake_up.clear()
            try:
                async with UnitOfWork(self._database) as uow:
                    read = await apply_next(uow, self._projection, self._batch)
                delay = self._poll_seconds
                if not read:
                    await wait(self._database.clock, self._wake_up, delay)
                elif self._committed is not None:
                    self._committed(self._database.clock.now())
            except Exception as error:
                log.warning(
                    "projection failed; retrying", projection=self._projection.name, reason=repr(error)
                )
                await self._database.clock.sleep(delay)
                delay = min(delay * 2, 5.0)
