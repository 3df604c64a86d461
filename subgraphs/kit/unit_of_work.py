"""A unit of work: one transaction that changes tables and writes the events about the changes to the outbox.

Handlers of commands and of events receive one; the caller of the handler opens and commits it.
The transaction begins at the first statement, so that slow work before it (hashing a password) holds no
connection.
"""

from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Executable, Row
from sqlalchemy.ext.asyncio import AsyncConnection

from subgraphs.kit import cause, outbox
from subgraphs.kit.database import Database
from subgraphs.kit.messages import Event


class UnitOfWork:
    """A transaction for `async with`: it commits at the end of the block, or rolls back after an error.

    What must be stored even if the transaction is rolled back has to be written with `database`.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = database.clock
        self._connection: AsyncConnection | None = None
        self._events: list[outbox.OutboxEvent] = []
        self._before_commit: list[Callable[[], Awaitable[None]]] = []

    def emit(self, event: Event, version: int = 0) -> None:
        """Write an event to the outbox at the commit, so that it is published.

        `version`: the version of its aggregate after it (0: the aggregate has no versions).
        """
        self._events.append(outbox.OutboxEvent(event, cause.current(), version))

    @property
    def last_event(self) -> UUID | None:
        """Return the id of the event that was emitted last; None before the first."""
        return self._events[-1].event.event_id if self._events else None

    def before_commit(self, work: Callable[[], Awaitable[None]]) -> None:
        """Call `work` right before the commit; if it raises an error, the transaction is rolled back."""
        self._before_commit.append(work)

    async def connection(self) -> AsyncConnection:
        """Return the connection of the transaction, which the first call opens."""
        if self._connection is None:
            self._connection = await self.database.connect()
        return self._connection

    async def fetch_all(self, statement: Executable, **parameters: Any) -> Sequence[Row[Any]]:
        """Execute a statement and return all rows."""
        return (await (await self.connection()).execute(statement, parameters)).all()

    async def fetch_one(self, statement: Executable, **parameters: Any) -> Row[Any] | None:
        """Execute a statement and return its first row, None if there is none."""
        return (await (await self.connection()).execute(statement, parameters)).first()

    async def fetch_value(self, statement: Executable, **parameters: Any) -> Any:
        """Execute a statement and return the first column of the first row, None if there is none."""
        return (await (await self.connection()).execute(statement, parameters)).scalar()

    async def execute(self, statement: Executable, parameters: Sequence[dict[str, Any]] | None = None) -> int:
        """Execute a statement, once for each set of parameters; return how many rows it changed."""
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
