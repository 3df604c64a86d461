"""One database for each service, and one for what the platform itself has to remember."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from subgraphs.kit.migrations import MigrationError, migrate
from subgraphs.platform import roles
from subgraphs.platform.connections import connect
from subgraphs.platform.errors import LaunchError
from subgraphs.platform.tables import SERVICES, ServiceTable

PLATFORM = "mussikon_platform"


def url_of(server: str, database: str) -> str:
    """The address of a database on this server."""
    parts = urlsplit(server)
    scheme = "postgresql" if parts.scheme in ("postgres", "postgresql") else parts.scheme
    return urlunsplit((scheme, parts.netloc, f"/{database}", parts.query, ""))


async def create_databases(server: str, services: ServiceTable = SERVICES) -> dict[str, str]:
    """Create the missing databases; answers the address under which each is migrated and filled, by
    service."""
    connection = await connect(server)
    try:
        has_roles = await roles.make_roles(connection, services.names)
        found = await connection.fetch("select datname, pg_get_userbyid(datdba) as owner from pg_database")
        owners = {row["datname"]: row["owner"] for row in found}
        for name in (*services.names, PLATFORM):
            if name not in owners:
                await connection.execute(f'create database "{name}"')
        if PLATFORM not in owners:
            await connection.execute(f'revoke all on database "{PLATFORM}" from public')
        if has_roles:
            foreign = [name for name in services.names if owners.get(name) != roles.role_of(name)]
            await asyncio.gather(*(_give(server, name) for name in foreign))
    except asyncpg.InsufficientPrivilegeError as error:
        raise LaunchError(
            "The user of --postgres-url may not make databases.", "Grant it: alter role NAME createdb"
        ) from error
    finally:
        await connection.close()
    urls = {name: url_of(server, name) for name in services.names}
    return {
        name: roles.acting_as(url, roles.role_of(name)) if has_roles else url for name, url in urls.items()
    }


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


async def let_services_in(server: str, folder: Path, services: ServiceTable = SERVICES) -> Mapping[str, str]:
    """Each service's own password; none where the server's user cannot give them roles to log in with.

    `folder` is where the passwords are kept.
    """
    connection = await connect(server)
    try:
        if not await roles.make_roles(connection, services.names):
            return {}
        passwords = await roles.set_passwords(connection, folder, services.names)
    except asyncpg.InsufficientPrivilegeError:
        return {}
    finally:
        await connection.close()
    name = services.names[0]
    try:
        await (
            await connect(roles.logging_in(url_of(server, name), roles.role_of(name), passwords[name]))
        ).close()
    except LaunchError:
        return {}
    return passwords


async def drop_databases(server: str, services: ServiceTable = SERVICES) -> None:
    """Remove the databases of the services, whatever is in them."""
    connection = await connect(server)
    try:
        for name in services.names:
            await connection.execute(f'drop database if exists "{name}" with (force)')
    finally:
        await connection.close()


async def migrate_all(
    databases: Mapping[str, str], services: ServiceTable = SERVICES
) -> dict[str, list[str]]:
    """Bring every database (its address by service) up to date; answers what was applied in each."""

    async def one(service: str, url: str) -> list[str]:
        try:
            return await migrate(url, services[service].migrations)
        except MigrationError as error:
            raise LaunchError(
                f"The database {service} cannot be brought up to date: {error}.", _ADVICE
            ) from error
        except asyncpg.PostgresError as error:
            raise LaunchError(f"A script for the database {service} failed: {error}", _ADVICE) from error

    applied = await asyncio.gather(*(one(service, url) for service, url in databases.items()))
    return dict(zip(databases, applied, strict=True))


_ADVICE = "Take the version that the data was made with, or start anew with another folder: --data FOLDER"
