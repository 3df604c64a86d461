"""One database for each service, and one for what the platform itself has to remember."""

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from subgraphs.kit.migrations import MigrationError, migrate
from subgraphs.platform.errors import LaunchError
from subgraphs.platform.plan import SERVICES, migrations_of

PLATFORM = "mussikon_platform"


def url_of(server: str, database: str) -> str:
    """The address of a database on this server."""
    parts = urlsplit(server)
    scheme = "postgresql" if parts.scheme in ("postgres", "postgresql") else parts.scheme
    return urlunsplit((scheme, parts.netloc, f"/{database}", parts.query, ""))


def urls_of(server: str) -> dict[str, str]:
    """The address of each service's database."""
    return {service: url_of(server, service) for service in SERVICES}


async def connect(url: str) -> asyncpg.Connection:
    """A connection, or what to do if there is none to be had."""
    shown = urlsplit(url)
    place = f"{shown.hostname or ''}:{shown.port or 5432}"
    try:
        return await asyncpg.connect(url, timeout=5)
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise LaunchError(f"PostgreSQL at {place} refuses the user or password.", "Correct --postgres-url") from error
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise LaunchError(
            f"PostgreSQL at {place} does not answer: {error}", "Start it, or correct --postgres-url"
        ) from error


async def create_databases(server: str) -> None:
    """Make the databases that are not there."""
    connection = await connect(server)
    try:
        present = {row["datname"] for row in await connection.fetch("select datname from pg_database")}
        for name in (*SERVICES, PLATFORM):
            if name not in present:
                await connection.execute(f'create database "{name}"')
    except asyncpg.InsufficientPrivilegeError as error:
        raise LaunchError(
            "The user of --postgres-url may not make databases.", "Grant it: alter role NAME createdb"
        ) from error
    finally:
        await connection.close()


async def drop_databases(server: str) -> None:
    """Remove the databases of the services, whatever is in them."""
    connection = await connect(server)
    try:
        for name in SERVICES:
            await connection.execute(f'drop database if exists "{name}" with (force)')
    finally:
        await connection.close()


async def migrate_all(databases: Mapping[str, str]) -> dict[str, list[str]]:
    """Bring every database up to date; answers what was applied in each."""

    async def one(service: str, url: str) -> list[str]:
        try:
            return await migrate(url, migrations_of(service))
        except MigrationError as error:
            raise LaunchError(f"The database {service} cannot be brought up to date: {error}.", _ADVICE) from error
        except asyncpg.PostgresError as error:
            raise LaunchError(f"A script for the database {service} failed: {error}", _ADVICE) from error

    applied = await asyncio.gather(*(one(service, url) for service, url in databases.items()))
    return dict(zip(databases, applied, strict=True))


_ADVICE = "Take the version that the data was made with, or start anew with another folder: --data FOLDER"
