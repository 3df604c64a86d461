"""Tests of a service as a process: it starts, answers, and ends after a signal or with its parent."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from subgraphs.kit.serve import config_of, load_bootstrap, main
from subgraphs.kit.settings import ServiceSettings, ServiceSettingsError
from subgraphs.kit.testing import SigningKeys, fresh_database

pytestmark = pytest.mark.system
COMMAND = [sys.executable, "-m", "subgraphs.kit.serve", "users"]
STARTS = f"import subprocess, time; print(subprocess.Popen({COMMAND!r}).pid, flush=True); time.sleep(60)"
PARENT = [sys.executable, "-c", STARTS]


@pytest.fixture
async def environment(postgres_url: str, queue_url: str, keys: SigningKeys) -> AsyncIterator[dict[str, str]]:
    """The environment variables of a users service, with a fresh database and a free port."""
    async with fresh_database(postgres_url, "served") as url:
        files = {"JWT_PUBLIC_KEY_FILE": str(keys.public), "JWT_PRIVATE_KEY_FILE": str(keys.private)}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        yield {**os.environ, **files, "DATABASE_URL": url, "REDIS_URL": queue_url, "PORT": port}


async def ready(port: str) -> None:
    """Wait until the service on this port is ready."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        async with asyncio.timeout(60):
            while True:
                try:
                    if (await http.get("/health/ready")).status_code == 200:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.05)


def test_idle_connections_stay_open(postgres_url: str, queue_url: str, keys: SigningKeys) -> None:
    """The server does not close idle connections, because a mutation that is sent on one meanwhile would
    fail.
    """
    service = load_bootstrap("users")(
        ServiceSettings("users", postgres_url, queue_url, keys.public, keys.private)
    )
    assert config_of(service, "127.0.0.1", 0).timeout_keep_alive >= 600


async def test_a_signal_ends_it(environment: dict[str, str]) -> None:
    """The process serves HTTP and ends after SIGTERM with exit code 0."""
    process = await asyncio.create_subprocess_exec(*COMMAND, env=environment, stderr=subprocess.PIPE)
    await ready(environment["PORT"])
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{environment['PORT']}") as http:
        answer = await http.post("/graphql", json={"query": "{ users { totalCount } }"})
        assert answer.json() == {"data": {"users": {"totalCount": 0}}}
    process.send_signal(signal.SIGTERM)
    _, complaints = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, complaints) == (0, b"")


async def test_it_dies_with_its_parent(environment: dict[str, str]) -> None:
    """The process ends when its parent is killed."""
    parent = await asyncio.create_subprocess_exec(*PARENT, env=environment, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    await ready(environment["PORT"])
    parent.kill()
    await parent.wait()
    assert await asyncio.to_thread(_ends, pid)


def _ends(pid: int) -> bool:
    """Return whether the process ends within a minute; a zombie counts as ended."""
    for _ in range(1200):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


async def test_an_unreachable_database_is_said(environment: dict[str, str]) -> None:
    """An unreachable database ends the process with one line that names it without its password."""
    environment["DATABASE_URL"] = "postgresql://ann:secret@127.0.0.1:1/users"
    process = await asyncio.create_subprocess_exec(*COMMAND, env=environment, stderr=subprocess.PIPE)
    _, complaints = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert "postgresql://ann:***@127.0.0.1:1/users" in complaints.decode()
    assert complaints.count(b"\n") == 1


def test_what_is_missing_is_said(
    keys: SigningKeys, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown service, no service and missing settings are named in the error."""
    for name in ("DATABASE_URL", "REDIS_URL", "JWT_PUBLIC_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert [main([]), main(["nix"]), main(["users"])] == [2, 1, 1]
    said = capsys.readouterr().err
    assert "usage:" in said
    assert "there is no service 'nix'" in said
    assert "lacks DATABASE_URL, REDIS_URL, JWT_PUBLIC_KEY_FILE" in said
    with pytest.raises(ServiceSettingsError, match="JWT_PRIVATE_KEY_FILE"):
        load_bootstrap("users")(ServiceSettings("users", "postgresql://a/b", "redis://a", keys.public))


def test_settings_name_what_is_wrong(keys: SigningKeys, tmp_path: Path) -> None:
    """Each missing or wrong setting is named; URLs with passwords are not shown."""
    right = {
        "DATABASE_URL": "postgresql://a:secret@b/c",
        "REDIS_URL": "r",
        "JWT_PUBLIC_KEY_FILE": str(keys.public),
    }
    settings = ServiceSettings.from_env("reviews", {**right, "PORT": "4003", "HOST": "::1"})
    assert (settings.port, settings.host, settings.jwt_private_key_file) == (4003, "::1", None)
    assert "secret" not in repr(settings)
    for wrong, named in [
        ({"REDIS_URL": ""}, "REDIS_URL"),
        ({"PORT": "http"}, "PORT"),
        ({"PORT": "65536"}, "PORT"),
        ({"JWT_PUBLIC_KEY_FILE": str(tmp_path / "none")}, "JWT_PUBLIC_KEY_FILE"),
    ]:
        with pytest.raises(ServiceSettingsError, match=named):
            ServiceSettings.from_env("reviews", {**right, **wrong})
