"""The sample data: loaded once, the whole of it, and remembered beside it in the platform's own database.

A load that was broken off leaves its mark "loading"; the next start removes all databases of services and
loads anew.
"""

import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import asyncpg

from subgraphs.platform import databases
from subgraphs.platform.connections import connect
from subgraphs.platform.errors import LaunchError
from subgraphs.platform.queue import forget_events
from subgraphs.platform.tables import ServiceTable

Progress = Callable[[str, int, int], None]
"""Called with a step's name, how much of it is done, and how much there is."""
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
    """`subgraphs.platform.sample.load`: fills empty, migrated databases, given by service name."""

    def __call__(self, databases: Mapping[str, str], size: str, progress: Progress) -> Awaitable[None]:
        """Load the sample of this size."""
        ...


@dataclass(frozen=True, slots=True)
class Sample:
    """What is known of the sample in these databases."""

    size: str
    is_whole: bool


async def present(server: str) -> Sample | None:
    """The sample that is there, or None."""
    connection = await connect(databases.url_of(server, databases.PLATFORM))
    try:
        await connection.execute(_TABLE)
        row = await connection.fetchrow("select size, state from sample")
        return Sample(row["size"], row["state"] == "loaded") if row else None
    finally:
        await connection.close()


async def has_own_data(server: str) -> bool:
    """Whether somebody has put users into the databases without the generator."""
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


async def _remember(server: str, size: str, state: str) -> None:
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
    """Refuse to run another size than the one that is there."""
    if known and known.is_whole and wanted and wanted != known.size:
        raise LaunchError(
            f"The data folder holds the sample {known.size}, not {wanted}.",
            f"Say --size {known.size}, or another folder (--data FOLDER), or replace all data: "
            f"mussikon seed --size {wanted} --replace",
        )


async def load(server: str, redis_url: str, services: ServiceTable, size: str, progress: Progress) -> None:
    """Load the sample into fresh databases; `server` is the address of PostgreSQL."""
    try:
        sample: Load = importlib.import_module("subgraphs.platform.sample").load
    except ModuleNotFoundError as error:
        raise LaunchError(
            "The generator of sample data cannot be loaded.", "Run without it: --no-sample"
        ) from error
    await _remember(server, size, "loading")
    await databases.drop_databases(server, services)
    await forget_events(redis_url)
    urls = await databases.create_databases(server, services)
    await databases.migrate_all(urls, services)
    await sample(urls, size, progress)
    await _remember(server, size, "loaded")
