"""Rebuilds in the background of the service.

Those that an admin asks for, and those that a start finds to be needed.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import structlog

from subgraphs.kit.database import Database
from subgraphs.kit.errors import NotFound
from subgraphs.kit.event_store.lag import lag
from subgraphs.kit.event_store.projection import create
from subgraphs.kit.event_store.rebuild import rebuild
from subgraphs.kit.rebuilds import RebuildRunning
from subgraphs.kit.tasks import cancel
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.read_side.projections.base import LogProjection

log = structlog.get_logger("subgraphs.rebuilds")


class Rebuilds:
    """A part of the service. One that was cut off, or tables of another revision, are taken up again at
    the start.
    """

    def __init__(self, database: Database, models: Mapping[str, type[LogProjection]]) -> None:
        self._database = database
        self._models = models
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Make the tables of read models that have none, and take up what is needed."""
        for name, model in self._models.items():
            async with UnitOfWork(self._database) as uow:
                if not await lag(uow, name):
                    await create(uow, model())
            generations = await lag(self._database, name)
            serving = [one for one in generations if one.serving]
            if len(generations) > len(serving) or (serving and serving[0].revision != model.revision):
                self._begin(name, resume=True)

    async def stop(self) -> None:
        """Cut off what is under way; the next start goes on with it."""
        for task in list(self._tasks.values()):
            with suppress(Exception):  # it is told in the log
                await cancel(task)
        self._tasks.clear()

    async def start_rebuild(self, name: str) -> None:
        """Begin to rebuild a read model; answers when its new tables are there.

        Raises NotFound or RebuildRunning.
        """
        if name not in self._models:
            raise NotFound(f"There is no read model {name!r}; there are {', '.join(self._models)}")
        if name in self._tasks:
            raise RebuildRunning(f"{name} is being rebuilt")
        task, begun = self._begin(name, resume=False)
        waiter = asyncio.create_task(begun.wait())
        try:
            await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiter.cancel()
        if task.done():
            task.result()

    def _begin(self, name: str, *, resume: bool) -> tuple["asyncio.Task[None]", asyncio.Event]:
        begun = asyncio.Event()
        task = asyncio.create_task(self._run(name, resume, begun), name=f"rebuild {name}")
        self._tasks[name] = task
        task.add_done_callback(lambda done: self._ended(name, done))
        return task, begun

    async def _run(self, name: str, resume: bool, begun: asyncio.Event) -> None:
        generation = await rebuild(
            self._database, self._models[name](), resume=resume, begun=lambda _generation: begun.set()
        )
        log.info("read model rebuilt", model=name, generation=generation)

    def _ended(self, name: str, task: "asyncio.Task[None]") -> None:
        self._tasks.pop(name, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("read model not rebuilt", model=name, reason=repr(error))
