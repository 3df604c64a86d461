"""Tests of `mussikon run` as a user starts it: a whole platform, the commands for it, and that no process is
left.
"""

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from subgraphs.platform import processes
from subgraphs.platform.control import send_order
from subgraphs.platform.folder import secret
from subgraphs.platform.tables import SERVICES

pytestmark = pytest.mark.system
ROOT = Path(__file__).parents[3]


def free_ports(count: int) -> int:
    """Return the first of several successive free ports; those of each pytest worker are its own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 6
    first = 4200 + worker * 4000
    for port in range(first + secrets.randbelow(2000), first + 4000 - count, count):
        if all(processes.port_is_free(port + offset) for offset in range(count)):
            return port
    raise AssertionError("no free ports")


class Platform:
    """A platform in a folder of its own, started as a user would."""

    def __init__(self, folder: Path, *options: str, port: int | None = None) -> None:
        self.data = folder / "data"
        self.port = port or free_ports(len(SERVICES) + 1)
        self.words = folder / f"words-{secrets.token_hex(4)}"
        command = [sys.executable, "-m", "subgraphs.platform.cli", "run", "--no-sample"]
        command += ["--data", str(self.data), "--port", str(self.port), *options]
        with self.words.open("wb") as words:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=words, stderr=subprocess.STDOUT)

    def begin(self) -> "Platform":
        """Wait until the platform prints that it runs."""
        self.wait_for(lambda: "MussikOn runs." in self.words.read_text(), 180)
        return self

    def wait_for(self, condition: Callable[[], Any], seconds: float = 60) -> None:
        """Wait until a condition holds, while the launcher lives."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.words.read_text()
            assert self.process.poll() is None, self.words.read_text()
            time.sleep(0.05)

    def post(self, query: str, token: str | None = None, **variables: Any) -> dict[str, Any]:
        """Send an operation to the gateway and return its response."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        body = {"query": query, "variables": variables}
        answer = httpx.post(f"http://127.0.0.1:{self.port}/graphql", json=body, headers=headers, timeout=60)
        found: dict[str, Any] = answer.json()
        return found

    def data_of(self, query: str, token: str | None = None, **variables: Any) -> Any:
        """Return the data of a response, which must have no errors, nor user errors."""
        answer = self.post(query, token, **variables)
        assert succeeded(answer), answer
        return answer["data"]

    def status(self) -> dict[str, Any]:
        """Return state and process id of each process, as `mussikon status` shows them."""
        found: dict[str, Any] = send_order(self.data / "run", "status")
        return found

    def everything(self) -> list[int]:
        """Return the ids of the launcher's process and of all its descendants."""
        found = [self.process.pid]
        for pid in found:
            for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
                found += [int(child) for child in tasks.read_text().split()]
        return found


def succeeded(answer: dict[str, Any]) -> bool:
    """Return whether a response has no errors, nor user errors of mutations that select them."""
    payloads = [value for value in (answer.get("data") or {}).values() if isinstance(value, dict)]
    return "errors" not in answer and not any(one.get("userErrors") for one in payloads)


def eur(amount: str) -> dict[str, str]:
    """Return an amount in euros as an input."""
    return {"amount": amount, "currency": "EUR"}


Start = Callable[..., Platform]


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """A function that starts platforms in the folder; those that a failed test leaves running are killed."""
    started: list[Platform] = []

    def make(*options: str, port: int | None = None) -> Platform:
        started.append(Platform(folder, *options, port=port))
        return started[-1].begin()

    yield make
    for platform in started:
        if platform.process.poll() is None:
            platform.process.kill()
            platform.process.wait()


REGISTER = """mutation($input: RegisterInput!) { register(input: $input) {
  session { token user { id } } userErrors { code field message } } }"""
PUBLISH = """mutation($input: PublishRequestInput!) { publishRequest(input: $input) {
  request { id } userErrors { code field message } } }"""
PROFILE = """mutation($input: CreateMusicianProfileInput!) { createMusicianProfile(input: $input) {
  musician { id } userErrors { code field message } } }"""
APPLY = """mutation($id: ID!) {
  applyToRequest(requestId: $id, input: {proposedPrice: {amount: "300", currency: "EUR"}}) {
    application { id } userErrors { code field message } } }"""
ACROSS = """query($id: ID!) { request(id: $id) {
  title client { username } matches { totalScore musician { stageName user { username } priceBand } } } }"""
TOLD = "{ me { username notifications { edges { node { type request { title } } } } } }"


def registered(platform: Platform, name: str, kind: str) -> str:
    """Register a user and return the token."""
    account = {
        "username": name,
        "email": f"{name}@example.org",
        "password": "a long password",
        "userType": kind,
    }
    token: str = platform.data_of(REGISTER, input=account)["register"]["session"]["token"]
    return token


def a_gig_is_booked(platform: Platform) -> str:
    """Book a musician by operations over all services; return the id of the request."""
    host, player = registered(platform, "host", "CLIENT"), registered(platform, "player", "MUSICIAN")
    place = {"latitude": 48.2, "longitude": 16.4, "city": "Vienna", "country": "AT"}
    profile = {"stageName": "The Player", "hourlyRate": eur("60"), "location": place, "experienceYears": 6}
    platform.data_of(PROFILE, player, input=profile)
    day = (datetime.now(UTC) + timedelta(days=40)).date().isoformat()
    times = {"eventDate": day, "startTime": "21:00", "endTime": "02:00", "timeZone": "Europe/Vienna"}
    budget = {"budgetMin": eur("200"), "budgetMax": eur("400")}
    wanted = {"title": "A wedding", **budget, "location": place, **times}
    request: str = platform.data_of(PUBLISH, host, input=wanted)["publishRequest"]["request"]["id"]

    def matched() -> bool:
        return bool((platform.data_of(ACROSS, id=request)["request"]["matches"] or [None])[0])

    platform.wait_for(matched)
    [match] = platform.data_of(ACROSS, id=request)["request"]["matches"]
    assert match["musician"] == {"stageName": "The Player", "user": {"username": "player"}, "priceBand": None}
    platform.wait_for(lambda: succeeded(platform.post(APPLY, player, id=request)))
    told = [{"node": {"type": "NEW_APPLICATION", "request": {"title": "A wedding"}}}]

    def heard() -> bool:
        return bool(platform.data_of(TOLD, host)["me"]["notifications"]["edges"][:1] == told)

    platform.wait_for(heard)
    return request


def test_a_platform_from_start_to_end(start: Start) -> None:
    """A query crosses all services; single services can be stopped and started; killed ones are restarted; at
    the end no process is left.
    """
    platform = start()
    request = a_gig_is_booked(platform)

    assert "is stopped" in send_order(platform.data / "run", "stop", "users")
    answer = platform.post(ACROSS, id=request)
    assert answer["data"]["request"]["title"] == "A wedding"
    assert answer["data"]["request"]["client"] == {"username": None}
    assert {error["path"][1] for error in answer["errors"]} <= {"client", "matches"}
    assert platform.status()["users"]["state"] == "stopped"
    assert "runs" in send_order(platform.data / "run", "start", "users")
    assert platform.data_of(ACROSS, id=request)["request"]["client"] == {"username": "host"}

    for name in ("requests", "postgres", "valkey", "gateway"):
        before = platform.status()[name]["pid"]
        os.kill(before, signal.SIGKILL)

        def back(name: str = name, before: int = before) -> bool:
            now = platform.status()[name]
            return bool(now["state"] == "running" and now["pid"] != before)

        platform.wait_for(back)
        assert f"{name} died (killed by SIGKILL" in platform.words.read_text()
    platform.wait_for(lambda: "errors" not in platform.post(ACROSS, id=request))

    everything = platform.everything()
    assert len(everything) > 2 + len(SERVICES)
    platform.process.send_signal(signal.SIGINT)
    assert platform.process.wait(20) == 0
    assert [pid for pid in everything if processes.alive(pid)] == []
    assert all(processes.port_is_free(platform.port + offset) for offset in range(len(SERVICES) + 1))


def made(platform: Platform) -> list[str]:
    """Return the creation times of all that a start makes only once: database cluster, keys, passwords, and
    every migration.
    """
    data = platform.data

    async def migrations() -> list[str]:
        password, port = (
            secret(data / "postgres" / "password"),
            (data / "postgres" / "port").read_text().strip(),
        )
        found: list[str] = []
        for service in SERVICES.names:
            connection = await asyncpg.connect(f"postgresql://postgres:{password}@127.0.0.1:{port}/{service}")
            rows = await connection.fetch("select name, applied_at from schema_migrations order by name")
            found += [f"{service} {row['name']} {row['applied_at']}" for row in rows]
            await connection.close()
        return found

    files = [
        data / "postgres" / "data" / "PG_VERSION",
        *(data / "keys").iterdir(),
        *(data / "roles").iterdir(),
    ]
    return [*(f"{file} {file.stat().st_mtime_ns}" for file in sorted(files)), *asyncio.run(migrations())]


def test_a_killed_launcher_leaves_nothing(start: Start) -> None:
    """After kill -9 of the launcher all processes end; the next start uses the same data and creates nothing
    again.
    """
    first = start()
    token = registered(first, "ada", "CLIENT")
    before = made(first)
    everything = first.everything()
    first.process.kill()
    first.process.wait()
    assert all(processes.wait_until_gone(pid, 60) for pid in everything)
    second = start("--workers", "2", port=first.port)
    assert made(second) == before
    assert second.data_of("{ me { username } }", token) == {"me": {"username": "ada"}}
    # both at once: the gateway's workers are left behind, with the port, and the next start ends them
    gateway = second.status()["gateway"]["pid"]
    for pid in (second.process.pid, gateway):
        os.kill(pid, signal.SIGKILL)
    second.process.wait()
    third = start(port=first.port)
    assert third.data_of("{ me { username } }", token) == {"me": {"username": "ada"}}
    everything = third.everything()
    third.process.send_signal(signal.SIGTERM)
    assert third.process.wait(20) == 0
    assert [pid for pid in everything if processes.alive(pid)] == []


def test_all_in_one_process(start: Start) -> None:
    """The platform in one process returns the same responses, and ends without errors."""
    platform = start("--in-process")
    a_gig_is_booked(platform)
    everything = platform.everything()
    platform.process.send_signal(signal.SIGINT)
    assert platform.process.wait(20) == 0
    assert [pid for pid in everything if processes.alive(pid)] == []


def refused(*arguments: str) -> str:
    """Run a command that must fail; return its output, which has no traceback, with exit code 1."""
    command = [sys.executable, "-m", "subgraphs.platform.cli", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "→" in done.stderr
    return done.stderr


@pytest.mark.parametrize(("offset", "name"), [(0, "the gateway"), (4, "the service requests")])
def test_a_taken_port(tmp_path: Path, offset: int, name: str) -> None:
    """The error names the port, what needs it, and what to do."""
    port = free_ports(len(SERVICES) + 1)
    with socket.create_server(("127.0.0.1", port + offset)):
        said = refused("run", "--port", str(port), "--data", str(tmp_path / "data"))
    assert f"Port {port + offset}" in said
    assert name in said
    assert "--port" in said


def test_wrong_options(tmp_path: Path) -> None:
    """Unreachable servers, a folder that is a file, an unknown size and a platform that does not run give
    errors with advice.
    """
    (tmp_path / "file").touch()
    port = str(free_ports(len(SERVICES) + 1))
    assert "it is a file" in refused("run", "--port", port, "--data", str(tmp_path / "file"))
    assert "no sample 'huge'" in refused(
        "run", "--port", port, "--size", "huge", "--data", str(tmp_path / "data")
    )
    assert "No platform that accepts orders runs" in refused(
        "stop", "users", "--data", str(tmp_path / "data")
    )
    nowhere = f"postgresql://me:secret@127.0.0.1:{processes.free_port()}/postgres"
    said = refused(
        "migrate", "--data", str(tmp_path / "d2"), "--postgres-url", nowhere, "--redis-url", "redis://x"
    )
    assert "does not answer" in said
    assert "secret" not in said
