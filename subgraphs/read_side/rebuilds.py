"""Rebuilds read models in the background: when an admin requests it, and if the service's start
finds it needed.

`kit/event_store/rebuild` does the work.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
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
    """A part of the service that runs rebuilds.

    At its start it resumes interrupted rebuilds, and rebuilds read models whose tables were filled by code of
    another `revision`.
    """

    def __init__(
        self,
        database: Database,
        models: Mapping[str, type[LogProjection]],
        rebuilt: Callable[[Sequence[str]], object] = list,
    ) -> None:
        """`rebuilt` receives the tags of a read model (`LogProjection.cache_tags`) when it was rebuilt."""
        self._database = database
        self._rebuilt = rebuilt
        self._models = models
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Create the tables of read models that have none, and start the rebuilds that are needed."""
        for name, model in self._models.items():
            async with UnitOfWork(self._database) as uow:
                if not await lag(uow, name):
                    await create(uow, model())
            generations = await lag(self._database, name)
            serving = [one for one in generations if one.serving]
            if len(generations) > len(serving) or (serving and serving[0].revision != model.revision):
                self._begin(name, resume=True)

    async def stop(self) -> None:
        """Cancel running rebuilds; the next start resumes them."""
        for task in list(self._tasks.values()):
            with suppress(Exception):  # `_ended` logs it
                await cancel(task)
        self._tasks.clear()

    async def start_rebuild(self, name: str) -> None:
        """Start to rebuild a read model from the first event; return when its new tables exist.

        Raises NotFound for an unknown name, RebuildRunning if the read model is being rebuilt.
        """
        if name not in self._models:
            raise NotFound(f"There is no read model {name!r}: choose one of {', '.join(self._models)}")
        if name in self._tasks:
            raise RebuildRunning(f"{name} is being rebuilt: wait until the running rebuild has ended")
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
        self._rebuilt(self._models[name].cache_tags)
        log.info("read model rebuilt", model=name, generation=generation)

    def _ended(self, name: str, task: "asyncio.Task[None]") -> None:
        self._tasks.pop(name, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("rebuild of a read model failed", model=name, reason=repr(error))
