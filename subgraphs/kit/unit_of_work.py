"""A unit of work: one transaction that changes tables and writes the events which say so, or does neither.

It begins at its first statement, so that slow work before it (hashing a password) holds no connection.
"""

from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Executable, Row
from sqlalchemy.ext.asyncio import AsyncConnection

from subgraphs.kit import cause, outbox
from subgraphs.kit.database import Database
from subgraphs.kit.messages import Event


class UnitOfWork:
    """A transaction with an outbox; use it with `async with`.

    What must be kept even if it fails goes to `database`.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = database.clock
        self._connection: AsyncConnection | None = None
        self._events: list[outbox.OutboxEvent] = []
        self._before_commit: list[Callable[[], Awaitable[None]]] = []

    def emit(self, event: Event, version: int = 0) -> None:
        """Have an event published if, and only if, the transaction commits.

        `version` is that of its aggregate after it.
        """
        self._events.append(outbox.OutboxEvent(event, cause.current(), version))

    def before_commit(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do something last, before the commit; if it raises, the transaction is rolled back."""
        self._before_commit.append(work)

    async def connection(self) -> AsyncConnection:
        """The connection of the transaction."""
        if self._connection is None:
            self._connection = await self.database.connect()
        return self._connection

    async def fetch_all(self, statement: Executable, **parameters: Any) -> Sequence[Row[Any]]:
        """All rows of a statement."""
        return (await (await self.connection()).execute(statement, parameters)).all()

    async def fetch_one(self, statement: Executable, **parameters: Any) -> Row[Any] | None:
        """The first row of a statement, if there is one."""
        return (await (await self.connection()).execute(statement, parameters)).first()

    async def fetch_value(self, statement: Executable, **parameters: Any) -> Any:
        """The first column of the first row, or None."""
        return (await (await self.connection()).execute(statement, parameters)).scalar()

    async def execute(self, statement: Executable, parameters: Sequence[dict[str, Any]] | None = None) -> int:
        """Execute a statement and answer how many rows it changed."""
        return (await (await self.connection()).execute(statement, parameters)).rowcount

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for work in self._before_commit if error is None else ():
                await work()
            if error is None and self._events:
                await outbox.append(await self.connection(), self._events)
            if error is None and self._connection is not None:
                await self._connection.commit()
        finally:
            if self._connection is not None:
                await self._connection.close()
            self._connection = None
            self._events.clear()
            self._before_commit.clear()
