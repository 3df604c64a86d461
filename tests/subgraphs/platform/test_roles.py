"""Tests that each service logs in to its own database as its own role, and to no other database."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from subgraphs.platform import databases
from subgraphs.platform.errors import LaunchError
from subgraphs.platform.postgres import PostgresServer, start_postgres
from subgraphs.platform.roles import role_of, url_with_login
from subgraphs.platform.servers import Servers
from subgraphs.platform.tables import POSTGRES, SERVICES

pytestmark = pytest.mark.system
ROOT = Path(__file__).parents[3]


@pytest.fixture
def server(folder: Path) -> Iterator[PostgresServer]:
    """A server for this module alone, because roles belong to a whole server."""
    server = start_postgres(folder / "pg", durable=False)
    yield server
    server.stop()


async def made(server: str) -> dict[str, list[str]]:
    """All databases, created and migrated; the applied migrations by service."""
    return await databases.migrate_all(await databases.create_databases(server))


async def value(url: str, query: str) -> object:
    """Return the value of a query in a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def check_walls(server: str, folder: Path) -> None:
    """Check that every service can connect to its own database, as a role without special rights, and to no
    other one.
    """
    servers = Servers(folder, lambda _: None, {POSTGRES: server})
    servers.passwords = await databases.set_up_logins(server, folder / "roles")
    assert set(servers.passwords) == set(SERVICES.names)
    for service in SERVICES.names:
        assert stat.S_IMODE((folder / "roles" / service).stat().st_mode) == 0o600
        url = servers.url_for(POSTGRES, service)
        facts = "select rolsuper or rolcreaterole or rolcreatedb from pg_roles where rolname = current_user"
        assert await value(url, facts) is False
        assert await value(url, "select count(*) from outbox") == 0
        for other in (*SERVICES.names, databases.PLATFORM):
            if other != service:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await value(databases.url_of(url, other), "select 1")
    assert await value(servers.url_for(POSTGRES, "users"), "select count(*) from users") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await value(
            databases.url_of(servers.url_for(POSTGRES, "users"), "requests"),
            "select count(*) from musician_requests",
        )
    assert await databases.set_up_logins(server, folder / "roles") == servers.passwords


async def test_a_service_enters_its_own_database_only(server: PostgresServer, folder: Path) -> None:
    """No service can connect to another service's database."""
    assert all(await made(server.url))
    await check_walls(server.url, folder)
    assert set(map(tuple, (await made(server.url)).values())) == {()}


async def test_servers_elsewhere(server: PostgresServer, folder: Path) -> None:
    """If the server's user may not create roles, all services log in as this user; when roles can be created
    later, they become owners of the databases.
    """
    for name, rights in (("plain", "createdb"), ("maker", "createdb createrole")):
        await value(server.url, f"create role {name} login {rights} password 'a word'")
    plain, maker = (url_with_login(server.url, name, "a word") for name in ("plain", "maker"))
    await made(plain)
    assert await databases.set_up_logins(plain, folder / "roles") == {}
    assert Servers(folder, lambda _: None, {POSTGRES: plain}).url_for(POSTGRES, "users") == databases.url_of(
        plain, "users"
    )
    with pytest.raises(LaunchError, match="belongs to another user"):
        await databases.create_databases(maker)
    assert set(map(tuple, (await made(server.url)).values())) == {()}
    await check_walls(server.url, folder)
    await databases.drop_databases(server.url)
    for service in SERVICES.names:
        await value(server.url, f"drop role {role_of(service)}")
    assert all(await made(maker))
    await check_walls(maker, folder)


CONNECTS = """
import asyncio, os, sys
from subgraphs.platform.connections import connect
from subgraphs.platform.errors import LaunchError
"x".encode("idna")  # what this imports may be closed to the other user
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    asyncio.run(connect(sys.argv[1]))
    print("connected")
except LaunchError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_home_that_is_closed(server: PostgresServer, folder: Path) -> None:
    """An unreadable HOME does not prevent connections to the embedded server; where TLS may need it, the
    error names it.
    """
    home = folder / "home"
    home.mkdir(0o700)

    def said(url: str) -> str:
        command = [sys.executable, "-c", CONNECTS, url]
        environment = {**os.environ, "HOME": str(home)}
        return subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
        ).stdout

    assert said(server.url) == "connected\n"
    assert "Set HOME to a folder that you may read" in said(server.url.replace("?sslmode=disable", ""))
