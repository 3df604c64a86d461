"""Decides whether sample data is to be loaded, and loads it; `sample` generates it.

The platform's own database records the size of the sample data and whether it was loaded completely. An
interrupted load leaves the state "loading"; the next start drops the databases of all services and loads
again.
"""

import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import asyncpg

from subgraphs.platform import databases
from subgraphs.platform.connections import connect
from subgraphs.platform.errors import LaunchError
from subgraphs.platform.queue import delete_events
from subgraphs.platform.tables import ServiceTable

Progress = Callable[[str, int, int], None]
"""Called with the name of a step, the number of rows done, and the total number."""
DEFAULT_SIZE = "small"
_TABLE = """
create table if not exists sample (
    only_one boolean primary key default true check (only_one),
    size text not null,
    state text not null check (state in ('loading', 'loaded')),
    changed_at timestamptz not null default now()
)
"""


class Load(Protocol):
    """The type of the function `subgraphs.platform.sample.load`, which is imported only when it is needed."""

    def __call__(self, databases: Mapping[str, str], size: str, progress: Progress) -> Awaitable[None]:
        """Fill empty, migrated databases with sample data of a size; `databases`: their URLs by service."""
        ...


@dataclass(frozen=True, slots=True)
class Sample:
    """The sample data in the databases: its size, and whether it was loaded completely."""

    size: str
    is_whole: bool


async def stored_sample(server: str) -> Sample | None:
    """Return which sample data was loaded into the databases of a server; None: no sample data.

    Raises LaunchError if PostgreSQL does not answer.
    """
    connection = await connect(databases.url_of(server, databases.PLATFORM))
    try:
        await connection.execute(_TABLE)
        row = await connection.fetchrow("select size, state from sample")
        return Sample(row["size"], row["state"] == "loaded") if row else None
    finally:
        await connection.close()


async def has_own_data(server: str) -> bool:
    """Return whether the database of the service `users` has users."""
    try:
        connection = await connect(databases.url_of(server, "users"))
    except LaunchError:
        return False
    try:
        return bool(await connection.fetchval("select exists (select from users)"))
    except asyncpg.UndefinedTableError:
        return False
    finally:
        await connection.close()


async def _store_state(server: str, size: str, state: str) -> None:
    connection = await connect(databases.url_of(server, databases.PLATFORM))
    try:
        await connection.execute(
            "insert into sample (size, state) values ($1, $2)"
            " on conflict (only_one) do update set size = $1, state = $2, changed_at = now()",
            size,
            state,
        )
    finally:
        await connection.close()


def check_size(known: Sample | None, wanted: str | None) -> None:
    """Raise LaunchError if `wanted` (None: any size) differs from the size of completely loaded
    sample data.
    """
    if known and known.is_whole and wanted and wanted != known.size:
        raise LaunchError(
            f"Sample data of the size {wanted} was requested, but the data folder has the size {known.size}.",
            f"Use --size {known.size}, or another folder (--data FOLDER), or replace all data: "
            f"mussikon seed --size {wanted} --replace",
        )


async def load(server: str, redis_url: str, services: ServiceTable, size: str, progress: Progress) -> None:
    """Drop and create the databases of all services, and load the sample data.

    `server` is the URL of PostgreSQL, `size` "small" or "large". Raises LaunchError.
    """
    try:
        sample: Load = importlib.import_module("subgraphs.platform.sample").load
    except ModuleNotFoundError as error:
        raise LaunchError(
            "The generator of the sample data cannot be imported.", "Run without sample data: --no-sample"
        ) from error
    await _store_state(server, size, "loading")
    await databases.drop_databases(server, services)
    await delete_events(redis_url)
    urls = await databases.create_databases(server, services)
    await databases.migrate_all(urls, services)
    await sample(urls, size, progress)
    await _store_state(server, size, "loaded")
