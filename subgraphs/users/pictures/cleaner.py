"""Deletes the files of pictures that no profile has any more: replaced, removed, or of a closed account.

What is to be looked at is in the table `pictures`, so that no deletion is lost while the store is down.
"""

import asyncio
from typing import Final

import structlog

from subgraphs.kit.clock import wait
from subgraphs.kit.database import Database
from subgraphs.kit.tasks import Background
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.users.pictures import records
from subgraphs.users.pictures.stores import PictureStore, StoreUnavailable

log = structlog.get_logger("subgraphs.pictures")

EVERY_SECONDS: Final = 1.0


class PictureCleaner(Background):
    """The background task; several processes may run one at the same time."""

    task_name = "cleaner of pictures"

    def __init__(self, database: Database, store: PictureStore) -> None:
        self._database = database
        self._store = store
        self._is_failing = False

    async def clean(self) -> int:
        """Look at the pictures that are due; return how many files were deleted.

        It ends at the first deletion that fails, which is repeated later.
        """
        deleted = 0
        while (outcome := await self._next()) not in (None, "failed"):
            deleted += outcome == "deleted"
        self._is_failing = outcome == "failed" or (self._is_failing and not deleted)
        return deleted

    async def _next(self) -> str | None:
        """Look at one picture; return what was done, None if there is none.

        The picture is locked, also while its file is deleted: who uploads the same one waits, and puts the
        file again afterwards.
        """
        async with UnitOfWork(self._database) as uow:
            if (name := await records.next_due(uow)) is None:
                return None
            if await records.is_used(uow, name):
                await records.keep(uow, name)
                return "kept"
            if await records.is_being_put(uow, name):
                await records.check_later(uow, name)
                return "kept"
            try:
                await self._store.delete(name)
            except StoreUnavailable as error:
                if not self._is_failing:  # once until a deletion succeeds
                    log.warning("a picture cannot be deleted; retrying", reason=error.reason)
                await records.check_later(uow, name)
                return "failed"
            await records.forget(uow, name)
            return "deleted"

    async def _run(self) -> None:
        woken, is_broken = asyncio.Event(), False
        while True:
            try:
                await self.clean()
                is_broken = False
            except Exception as error:
                if not is_broken:  # once per outage of the database
                    log.warning("pictures cannot be cleaned up; retrying", reason=type(error).__name__)
                is_broken = True
            await wait(self._database.clock, woken, EVERY_SECONDS)
