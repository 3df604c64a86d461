"""Fixtures of the system tests: a whole platform with the small sample data, started as a user starts it."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from subgraphs.platform import processes
from subgraphs.platform.accounts import DEMO_PASSWORD
from subgraphs.platform.tables import SERVICES
from tests.folders import copy_seeded_data, make_folder

ROOT = Path(__file__).parents[2]
NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Platform:
    """A running platform: its address and its data folder."""

    url: str
    data: Path

    def post(self, query: str, variables: Any = None, token: str | None = None) -> dict[str, Any]:
        """Send an operation to the gateway and return its response."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        body = {"query": query, "variables": variables or {}}
        found: dict[str, Any] = httpx.post(
            f"{self.url}/graphql", json=body, headers=headers, timeout=30
        ).json()
        return found

    def token(self, login: str) -> str:
        """Return the token of a demo account; it logs in once in ten minutes, since the gateway limits
        log-ins, and tokens expire after fifteen.
        """
        return _token(self.url, login, int(time.monotonic() // 600))

    def new_token(self, login: str) -> str:
        """Return a new token of a demo account."""
        return _token.__wrapped__(self.url, login, 0)

    def token_of_new_user(self) -> str:
        """Register a user, from an address of its own because registrations are limited; return the token."""
        name = f"user_{secrets.token_hex(6)}"
        given = {"username": name, "email": f"{name}@mail.example", "password": secrets.token_hex(12)}
        query = "mutation ($input: RegisterInput!) { register(input: $input) { session { token } } }"
        answer = httpx.post(
            f"{self.url}/graphql",
            json={"query": query, "variables": {"input": given}},
            headers={"x-forwarded-for": f"198.51.100.{secrets.randbelow(250) + 1}"},
            timeout=30,
        ).json()
        found: str = answer["data"]["register"]["session"]["token"]
        return found

    def command(self, *arguments: str) -> None:
        """Run a `mussikon` command on this platform."""
        command = [sys.executable, "-m", "subgraphs.platform.cli", *arguments, "--data", str(self.data)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)


@cache
def _token(url: str, login: str, _period: int) -> str:
    query = "mutation ($input: LogInInput!) { logIn(input: $input) { session { token } } }"
    answer = Platform(url, Path()).post(query, {"input": {"login": login, "password": DEMO_PASSWORD}})
    found: str = answer["data"]["logIn"]["session"]["token"]
    return found


def free_port() -> int:
    """Return the first of successive free ports, for the gateway and each service."""
    for port in range(6200 + secrets.randbelow(8000), 30000, len(SERVICES) + 1):
        if all(processes.port_is_free(port + offset) for offset in range(len(SERVICES) + 1)):
            return port
    raise AssertionError("no free ports")


_ending: dict[str, Callable[[], None]] = {}  # by the way of running: what ends the platform


@pytest.fixture(scope="session", params=["processes", "in-process"])
def platform(request: pytest.FixtureRequest) -> Iterator[Platform]:
    """A platform with the small sample data, in two variants: a process per service, and all in one
    process.
    """
    options = ["--in-process"] if request.param == "in-process" else []
    with running(options, request.param) as found:
        yield found


@pytest.fixture(scope="session")
def production() -> Iterator[Platform]:
    """A platform with the small sample data in production mode, in one process."""
    with running(["--in-process", "--production"], "production") as found:
        yield found


@pytest.fixture(scope="session")
def open_production() -> Iterator[Platform]:
    """The same for other people's tools: any operation may be sent, and as often as they like."""
    environment = {"GATEWAY__DOCUMENTS__MODE": "off", "GATEWAY__RATES__RULES": "[]"}
    with running(["--in-process", "--production"], "open production", environment) as found:
        yield found


@contextmanager
def running(options: Sequence[str], way: str, environment: Mapping[str, str] = NOTHING) -> Iterator[Platform]:
    """Run a platform with the small sample data. `way`: its name among those that run."""
    folder = make_folder("mussikon-system-")
    copy_seeded_data(folder / "data")
    port = free_port()
    words = folder / "words"
    command = [sys.executable, "-m", "subgraphs.platform.cli", "run", "--size", "small", *options]
    command += ["--data", str(folder / "data"), "--port", str(port)]
    variables = {**os.environ, **environment}
    with words.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, env=variables)
    _ending[way] = partial(_end, process, folder)
    try:
        end = time.monotonic() + 180
        while "MussikOn runs." not in words.read_text():
            assert process.poll() is None, words.read_text()
            assert time.monotonic() < end, words.read_text()
            time.sleep(0.1)
        yield Platform(f"http://127.0.0.1:{port}", folder / "data")
    finally:
        if way in _ending:
            _ending.pop(way)()


def _end(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()  # its children end with it
        process.wait()
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _way(item: pytest.Item) -> str | None:
    """Return the variant of the platform that a test requests."""
    own = {"production": "production", "open_production": "open production"}
    for name, way in own.items():
        if name in getattr(item, "fixturenames", ()):
            return way
    call = getattr(item, "callspec", None)
    found: str | None = call.params.get("platform") if call is not None else None
    return found


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Stop a platform after the last test of its group.

    Session fixtures end with the worker process, which may go on with other tests for minutes, and an idle
    platform uses a tenth of a core.
    """
    way = _way(item)
    in_worker = hasattr(item.config, "workerinput")
    if in_worker and way in _ending and (nextitem is None or _way(nextitem) != way):
        _ending.pop(way)()
