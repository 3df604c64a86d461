"""Each service is a user of its own to PostgreSQL: it owns its database and cannot enter another's.

Whoever gets hold of one service's connection has that service's tables and nothing else. Databases are made,
migrated and filled by the server's own user in the role of their owner, so passwords are set only when a
platform runs.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import asyncpg

from subgraphs.platform.folder import make_folder, secret

_OWNERS = """
do $$
declare it record;
begin
    for it in
        select format('alter table %s owner to %I', oid::regclass, current_setting('mussikon.owner')) as order_
        from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm')
        union all
        select format('alter function %s owner to %I', oid::regprocedure, current_setting('mussikon.owner'))
        from pg_proc where pronamespace = 'public'::regnamespace
            and not exists (select from pg_depend where objid = pg_proc.oid and deptype = 'e')
    loop execute it.order_; end loop;
end $$
"""


def role_of(service: str) -> str:
    """The service's name as a user of the server."""
    return f"mussikon_{service}"


def acting_as(url: str, role: str) -> str:
    """The same address with the rights of this role."""
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, urlencode({"role": role})) if part)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def logging_in(url: str, role: str, password: str) -> str:
    """The same address for another user."""
    parts = urlsplit(url)
    place = f"{quote(role)}:{quote(password, safe='')}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit((parts.scheme, place, parts.path, parts.query, ""))


async def make_roles(connection: asyncpg.Connection, services: Sequence[str]) -> bool:
    """Make a role for each service, with us as a member; answers False if we may not make roles."""
    ours = await connection.fetch("select rolname from pg_roles where pg_has_role(oid, 'member')")
    missing = {role_of(service) for service in services} - {row["rolname"] for row in ours}
    try:
        async with connection.transaction():
            for role in sorted(missing):
                await connection.execute(f'create role "{role}" login')
                await connection.execute(f'grant "{role}" to current_user')
    except (asyncpg.InsufficientPrivilegeError, asyncpg.DuplicateObjectError):
        return False
    return True


async def give(connection: asyncpg.Connection, database: str, role: str) -> None:
    """Make a role the owner of a database with all that is in it (the connection's own), and close it to
    others.
    """
    await connection.execute(f'alter database "{database}" owner to "{role}"')
    await connection.execute(f'revoke all on database "{database}" from public')
    await connection.execute("select set_config('mussikon.owner', $1, false)", role)
    await connection.execute(_OWNERS)


async def set_passwords(
    connection: asyncpg.Connection, folder: Path, services: Sequence[str]
) -> Mapping[str, str]:
    """Set each service's password, kept in this folder, on the server; answers the passwords by service."""
    make_folder(folder, 0o700)
    passwords = {service: secret(folder / service) for service in services}
    for service, password in passwords.items():
        order = "select format('alter role %I login password %L', $1::text, $2::text)"
        await connection.execute(await connection.fetchval(order, role_of(service), password))
    return passwords
