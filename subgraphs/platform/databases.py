"""Creates, migrates and drops the databases: one for each service, and one for the state of the platform.

The platform's database records the size of the sample data. If the server's user may create roles, each
service gets a role of its own (`roles`).
"""

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
    """Return the URL of a database on the server with the URL `server`."""
    parts = urlsplit(server)
    scheme = "postgresql" if parts.scheme in ("postgres", "postgresql") else parts.scheme
    return urlunsplit((scheme, parts.netloc, f"/{database}", parts.query, ""))


async def create_databases(server: str, services: ServiceTable = SERVICES) -> dict[str, str]:
    """Create the missing databases on the server with the URL `server`.

    Returns by service the URL with which to migrate and fill its database. Raises LaunchError.
    """
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
            await asyncio.gather(*(_transfer(server, name) for name in foreign))
    except asyncpg.InsufficientPrivilegeError as error:
        raise LaunchError(
            "The user of --postgres-url may not create databases.",
            "Grant the right: alter role NAME createdb",
        ) from error
    finally:
        await connection.close()
    urls = {name: url_of(server, name) for name in services.names}
    return {
        name: roles.url_with_role(url, roles.role_of(name)) if has_roles else url
        for name, url in urls.items()
    }


async def _transfer(server: str, service: str) -> None:
    connection = await connect(url_of(server, service))
    try:
        await roles.transfer_database(connection, service, roles.role_of(service))
    except asyncpg.InsufficientPrivilegeError as error:
        raise LaunchError(
            f"The database {service}, or an object in it, belongs to another user: {error}.",
            f"Transfer it to {roles.role_of(service)}, or use another server: --postgres-url URL",
        ) from error
    finally:
        await connection.close()


async def set_up_logins(server: str, folder: Path, services: ServiceTable = SERVICES) -> Mapping[str, str]:
    """Give each service's role a password with which the service can log in; return the passwords by service.

    The passwords are stored in `folder`. Returns {} if the user in the URL `server` may not create roles, or
    the server does not accept such a login.
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
            await connect(roles.url_with_login(url_of(server, name), roles.role_of(name), passwords[name]))
        ).close()
    except LaunchError:
        return {}
    return passwords


async def drop_databases(server: str, services: ServiceTable = SERVICES) -> None:
    """Drop the databases of the services with all their data."""
    connection = await connect(server)
    try:
        for name in services.names:
            await connection.execute(f'drop database if exists "{name}" with (force)')
    finally:
        await connection.close()


async def migrate_all(
    databases: Mapping[str, str], services: ServiceTable = SERVICES
) -> dict[str, list[str]]:
    """Apply new migrations to the services' databases; return the names of the applied ones by service.

    `databases`: the databases' URLs by service. Raises LaunchError.
    """

    async def one(service: str, url: str) -> list[str]:
        try:
            return await migrate(url, services[service].migrations)
        except MigrationError as error:
            raise LaunchError(f"The database {service} cannot be migrated: {error}.", _ADVICE) from error
        except asyncpg.PostgresError as error:
            raise LaunchError(f"A migration of the database {service} failed: {error}", _ADVICE) from error

    applied = await asyncio.gather(*(one(service, url) for service, url in databases.items()))
    return dict(zip(databases, applied, strict=True))


_ADVICE = "Use the version that created the data, or start with a new folder: --data FOLDER"
