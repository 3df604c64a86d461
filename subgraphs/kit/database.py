"""A service's own PostgreSQL database: SQLAlchemy Core on asyncpg, rows without ORM objects.

Reads outside a unit of work run in autocommit, so that a read is one round trip, not three (BEGIN, query,
ROLLBACK). `Session` is what functions accept that work inside and outside a unit of work.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import orjson
from sqlalchemy import ColumnElement, Executable, Row, Uuid, any_, bindparam, event, make_url, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from subgraphs.kit.clock import SYSTEM_CLOCK, Clock
from subgraphs.kit.migrations import migrate

StatementListener = Callable[[str], None]
IDLE_MS = 60_000
"""Milliseconds after which the server ends an idle transaction: a paused process must not hold its locks
forever.
"""


def among_ids(column: ColumnElement[Any], parameter: str = "ids") -> ColumnElement[bool]:
    """Return the condition that a column equals an element of the array parameter named `parameter`.

    With one array parameter the same prepared statement serves any number of ids. Building a statement once
    and passing its values to `fetch_all` saves SQLAlchemy a third of its work.
    """
    return column == any_(bindparam(parameter, type_=ARRAY(Uuid)))


class Session(Protocol):
    """Executes SQL statements: a `Database` each in its own transaction, a `UnitOfWork` all in one."""

    @property
    def clock(self) -> Clock:
        """The clock of the service."""
        ...

    async def fetch_all(self, statement: Executable, **parameters: Any) -> Sequence[Row[Any]]:
        """Execute a statement with parameters by name and return all rows."""
        ...

    async def fetch_one(self, statement: Executable, **parameters: Any) -> Row[Any] | None:
        """Execute a statement with parameters by name; return its first row, None if it has no rows."""
        ...

    async def fetch_value(self, statement: Executable, **parameters: Any) -> Any:
        """Execute a statement with parameters by name; return the first row's first value, None
        without rows.
        """
        ...

    async def execute(self, statement: Executable, parameters: Sequence[dict[str, Any]] | None = None) -> int:
        """Execute a statement, once for each set of parameters; return how many rows it changed."""
        ...


class Database:
    """The connection pool of one database, and the clock of the service that uses it.

    `pool_seconds`: how long a statement waits for a connection while all are in use; then it fails with
    sqlalchemy's TimeoutError.
    """

    def __init__(
        self, url: str, pool_size: int = 10, clock: Clock = SYSTEM_CLOCK, pool_seconds: float = 5
    ) -> None:
        self.clock = clock
        self._url = make_url(url).set(drivername="postgresql")
        self.engine: AsyncEngine = create_async_engine(
            self._url.set(drivername="postgresql+asyncpg"),
            pool_size=pool_size,
            max_overflow=pool_size // 2,
            pool_timeout=pool_seconds,
            hide_parameters=True,
            async_creator=self._connect,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
        )
        self._reads = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    def __repr__(self) -> str:
        return f"Database({self._url.render_as_string()!r})"

    @property
    def url(self) -> str:
        """The database's URL with its password, in the form that asyncpg reads."""
        return self._url.render_as_string(hide_password=False)

    async def _connect(self) -> asyncpg.Connection:
        """Open a connection with the URL itself: SQLAlchemy does not pass on all of its options
        (`sslmode`).
        """
        settings = {"timezone": "UTC", "jit": "off", "idle_in_transaction_session_timeout": str(IDLE_MS)}
        return await asyncpg.connect(self.url, timeout=5, command_timeout=30, server_settings=settings)

    async def fetch_all(self, statement: Executable, **parameters: Any) -> Sequence[Row[Any]]:
        """Execute a statement in autocommit and return all rows."""
        async with self._reads.connect() as connection:
            return (await connection.execute(statement, parameters)).all()

    async def fetch_one(self, statement: Executable, **parameters: Any) -> Row[Any] | None:
        """Execute a statement in autocommit and return its first row, None if there is none."""
        async with self._reads.connect() as connection:
            return (await connection.execute(statement, parameters)).first()

    async def fetch_value(self, statement: Executable, **parameters: Any) -> Any:
        """Execute a statement and return the first column of the first row, None if there is none."""
        async with self._reads.connect() as connection:
            return (await connection.execute(statement, parameters)).scalar()

    async def execute(self, statement: Executable, parameters: Sequence[dict[str, Any]] | None = None) -> int:
        """Execute a statement in a transaction of its own; return how many rows it changed."""
        async with self.engine.begin() as connection:
            return (await connection.execute(statement, parameters)).rowcount

    async def connect(self) -> AsyncConnection:
        """Return a connection of the pool; the caller must end its transaction and close it."""
        return await self.engine.connect()

    async def listener(self) -> asyncpg.Connection:
        """Open a connection outside the pool, for LISTEN and session locks; the caller must close it."""
        return await asyncpg.connect(self.url, timeout=5)

    async def migrate(self, folder: Path) -> list[str]:
        """Apply the new migrations of the kit and of `folder`; return their names. Raises MigrationError."""
        return await migrate(self.url, folder)

    async def is_ready(self) -> bool:
        """Return whether the database answers a query."""
        try:
            return bool(await self.fetch_value(text("SELECT 1")))
        except Exception:  # any error of the driver means that the database is not ready
            return False

    def on_statement(self, listener: StatementListener) -> Callable[[], None]:
        """Call the listener with the text of every later statement; return a function that removes it."""

        def before(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
            listener(statement)

        target = self.engine.sync_engine
        event.listen(target, "before_cursor_execute", before)
        return lambda: event.remove(target, "before_cursor_execute", before)

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()
