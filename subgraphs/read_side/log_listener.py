"""Wakes the projections when events were appended to the local log, so that they need not wait for a poll.

A trigger of the log's table sends a notification of PostgreSQL, also for events of other processes.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import asyncpg

from subgraphs.kit.database import Database
from subgraphs.kit.tasks import cancel

CHANNEL: Final = "log"
_RECONNECT_SECONDS: Final = 1.0


class LogListener:
    """A part of the service that calls each function in `wakes` after every notification.

    It only reduces latency: while it has no connection, the projections poll.
    """

    def __init__(self, database: Database, wakes: Sequence[Callable[[], None]]) -> None:
        self._database = database
        self._wakes = wakes
        self._listener: asyncpg.Connection | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start to listen in the background."""
        self._task = asyncio.create_task(self._run(), name="log listener")

    async def stop(self) -> None:
        """Stop listening and close the connection."""
        if self._task is not None:
            await cancel(self._task)
        if self._listener is not None:
            await self._listener.close(timeout=2)

    async def _run(self) -> None:
        while True:
            if self._listener is None or self._listener.is_closed():
                self._listener = await self._connect()
            await self._database.clock.sleep(_RECONNECT_SECONDS)

    async def _connect(self) -> asyncpg.Connection | None:
        try:
            listener = await self._database.listener()
            await listener.add_listener(CHANNEL, self._wake_all)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return None
        return listener

    def _wake_all(self, *_: object) -> None:
        for wake in self._wakes:
            wake()
