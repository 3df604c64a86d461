"""PostgreSQL roles: each service logs in as a role that owns its database and cannot connect to another's.

So an attacker who gets one service's connection can reach that service's tables only. The user in the
server's URL creates, migrates and fills the databases as their owner by `SET ROLE`, which needs no password;
only `mussikon run` gives the roles passwords.
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
        select format('alter table %s owner to %I', oid::regclass, current_setting('mussikon.owner'))
            as order_
        from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm')
        union all
        select format('alter function %s owner to %I', oid::regprocedure, current_setting('mussikon.owner'))
        from pg_proc where pronamespace = 'public'::regnamespace
            and not exists (select from pg_depend where objid = pg_proc.oid and deptype = 'e')
    loop execute it.order_; end loop;
end $$
"""


def role_of(service: str) -> str:
    """Return the name of a service's role."""
    return f"mussikon_{service}"


def url_with_role(url: str, role: str) -> str:
    """Return the URL with the option by which a connection acts in this role after the login (`SET ROLE`)."""
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, urlencode({"role": role})) if part)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def url_with_login(url: str, role: str, password: str) -> str:
    """Return the URL with this role and password as its user and password."""
    parts = urlsplit(url)
    place = f"{quote(role)}:{quote(password, safe='')}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit((parts.scheme, place, parts.path, parts.query, ""))


async def make_roles(connection: asyncpg.Connection, services: Sequence[str]) -> bool:
    """Create a role for each service and make the connection's user a member of it.

    Returns False if the connection's user may not create roles, or may not act in an existing one.
    """
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


async def transfer_database(connection: asyncpg.Connection, database: str, role: str) -> None:
    """Make a role the owner of a database and of all objects in it, and forbid other roles to connect.

    `connection` must be one to this database.
    """
    await connection.execute(f'alter database "{database}" owner to "{role}"')
    await connection.execute(f'revoke all on database "{database}" from public')
    await connection.execute("select set_config('mussikon.owner', $1, false)", role)
    await connection.execute(_OWNERS)


async def set_passwords(
    connection: asyncpg.Connection, folder: Path, services: Sequence[str]
) -> Mapping[str, str]:
    """Set the password of each service's role; return the passwords by service.

    They are read from files in `folder`, which are created at the first call.
    """
    make_folder(folder, 0o700)
    passwords = {service: secret(folder / service) for service in services}
    for service, password in passwords.items():
        order = "select format('alter role %I login password %L', $1::text, $2::text)"
        await connection.execute(await connection.fetchval(order, role_of(service), password))
    return passwords
