"""One database for each service, and one for what the platform itself has to remember."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from subgraphs.kit.migrations import MigrationError, migrate
from subgraphs.platform import roles
from subgraphs.platform.errors import LaunchError
from subgraphs.platform.plan import SERVICES, migrations_of

PLATFORM = "mussikon_platform"


def url_of(server: str, database: str) -> str:
    """The address of a database on this server."""
    parts = urlsplit(server)
    scheme = "postgresql" if parts.scheme in ("postgres", "postgresql") else parts.scheme
    return urlunsplit((scheme, parts.netloc, f"/{database}", parts.query, ""))


async def connect(url: str) -> asyncpg.Connection:
    """A connection, or what to do if there is none to be had."""
    shown = urlsplit(url)
    place = f"{shown.hostname or ''}:{shown.port or 5432}"
    try:
        return await asyncpg.connect(url, timeout=5)
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise LaunchError(f"PostgreSQL at {place} refuses the user or password.", "Correct --postgres-url") from error
    except PermissionError as error:
        raise LaunchError(
            f"You may not read {error.filename or 'the files for TLS'}, which may be needed to reach PostgreSQL.",
            "Set HOME to a folder of your own, or end the address in --postgres-url with ?sslmode=disable",
        ) from error
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise LaunchError(
            f"PostgreSQL at {place} does not answer: {error}", "Start it, or correct --postgres-url"
        ) from error


async def create_databases(server: str) -> dict[str, str]:
    """Make the databases that are not there; answers the address under which each is made, migrated and filled."""
    connection = await connect(server)
    try:
        has_roles = await roles.make_roles(connection)
        found = await connection.fetch("select datname, pg_get_userbyid(datdba) as owner from pg_database")
        owners = {row["datname"]: row["owner"] for row in found}
        for name in (*SERVICES, PLATFORM):
            if name not in owners:
                await connection.execute(f'create database "{name}"')
        if PLATFORM not in owners:
            await connection.execute(f'revoke all on database "{PLATFORM}" from public')
        if has_roles:
            await asyncio.gather(*(_give(server, name) for name in SERVICES if owners.get(name) != roles.role_of(name)))
    except asyncpg.InsufficientPrivilegeError as error:
        raise LaunchError(
            "The user of --postgres-url may not make databases.", "Grant it: alter role NAME createdb"
        ) from error
    finally:
        await connection.close()
    urls = {service: url_of(server, service) for service in SERVICES}
    return {name: roles.acting_as(url, roles.role_of(name)) if has_roles else url for name, url in urls.items()}


async def _give(server: str, service: str) -> None:
    connection = await connect(url_of(server, service))
    try:
        await roles.give(connection, service, roles.role_of(service))
    except asyncpg.InsufficientPrivilegeError as error:
        raise LaunchError(
            f"The database {service}, or something in it, belongs to another user: {error}.",
            f"Have its owner give it to {roles.role_of(service)}, or use another server: --postgres-url URL",
        ) from error
    finally:
        await connection.close()


async def let_services_in(server: str, folder: Path) -> Mapping[str, str]:
    """Each service's own password; none where the server's user cannot give them roles to log in with."""
    connection = await connect(server)
    try:
        if not await roles.make_roles(connection):
            return {}
        passwords = await roles.set_passwords(connection, folder)
    except asyncpg.InsufficientPrivilegeError:
        return {}
    finally:
        await connection.close()
    name = SERVICES[0]
    try:
        await (await connect(roles.logging_in(url_of(server, name), roles.role_of(name), passwords[name]))).close()
    except LaunchError:
        return {}
    return passwords


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
