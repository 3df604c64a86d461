"""Tests that the programs of the page for partners work as they are printed: each receives an event, and goes
on from its cursor.
"""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.oracle.programs import find_node, install
from tests.system.conftest import ROOT, Platform
from tests.system.test_subscriptions import Caller

pytestmark = pytest.mark.system
PAGE = (ROOT / "docs" / "platform" / "partners.md").read_text()
ADDRESS = "127.0.0.1:4000"
NODE_PACKAGES = ROOT / "tests" / "clients" / "streams"
PATIENCE = 30.0  # seconds
only_processes = pytest.mark.parametrize("platform", ["processes"], indirect=True)


def blocks(language: str, platform: Platform) -> list[str]:
    """Return the code blocks of the page in a language, with the address of a platform."""
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return [one.replace(ADDRESS, platform.url.removeprefix("http://")) for one in found]


def new_key(platform: Platform) -> str:
    """Create an API key, as the operator does; the gateway reads it some seconds later."""
    file = str(platform.data / "keys" / "partners.json")
    command = [sys.executable, "-m", "gateway.cli", "keys", "create", "Concert Agency", "--file", file]
    done = subprocess.run([*command, "--requests", "600/1m"], capture_output=True, text=True, check=True)
    return next(line.split()[-1] for line in done.stdout.splitlines() if line.strip())


async def accepted(platform: Platform, key: str) -> None:
    """Wait until the gateway knows a key."""
    async with httpx.AsyncClient(headers={"x-api-key": key}) as client:
        for _ in range(300):
            answer = await client.post(f"{platform.url}/graphql", json={"query": "{ __typename }"})
            if not answer.is_error:
                return
            await asyncio.sleep(0.1)
    raise AssertionError(answer.text)


class Program:
    """A program of the page that runs. `written`: what it has printed until now."""

    def __init__(self, name: str, running: asyncio.subprocess.Process) -> None:
        self.name = name
        self.running = running
        self.written = ""

    @classmethod
    async def start(cls, name: str, *command: str, **environment: str) -> "Program":
        """Start a program."""
        pipe = asyncio.subprocess.PIPE
        variables = {**os.environ, **environment}
        both = asyncio.subprocess.STDOUT
        running = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=both, env=variables)
        return cls(name, running)

    async def until(self, text: str, seconds: float = PATIENCE) -> bool:
        """Read what it prints until there is a text; return False if the time is over before that."""
        assert self.running.stdout is not None
        try:
            async with asyncio.timeout(seconds):
                while text not in self.written:
                    line = await self.running.stdout.readline()
                    assert line, f"{self.name} has ended: {self.written}"
                    self.written += line.decode()
        except TimeoutError:
            return False
        return True

    async def end(self) -> None:
        """End the program."""
        if self.running.returncode is None:
            self.running.kill()
        await self.running.wait()
        self.running._transport.close()  # type: ignore[attr-defined]


@only_processes
async def test_each_program_receives_events_and_goes_on(platform: Platform, tmp_path: Path) -> None:
    """All programs print a message; started again with the cursor, they print what was sent
    meanwhile, once.
    """
    key, token = new_key(platform), platform.token("demo_client")
    programs = await programs_of(platform, tmp_path)
    host = Caller(platform, token)
    player = Caller(platform, platform.token("demo_musician"))
    await accepted(platform, key)
    running: list[Program] = []
    try:
        running = [await Program.start(*one, KEY=key, TOKEN=token) for one in programs["first"]]
        for caller in (player, host) * 10:
            await caller.say("Hello, partner")
            if all([await one.until("Hello, partner", 0.5) for one in running]):
                break
        marker, missed, last = (f"{name} {uuid4().hex}" for name in ("A marker", "Missed", "The last"))
        await player.say(marker)
        assert all([await one.until(marker) for one in running]), [one.written for one in running]
        cursor = re.findall(r"^id: (\S+)$", running[0].written, re.MULTILINE)[-1]
        await asyncio.gather(*(one.end() for one in running))
        await player.say(missed)
        running = [
            await Program.start(*one, KEY=key, TOKEN=token, CURSOR=cursor) for one in programs["again"]
        ]
        assert all([await one.until(missed) for one in running]), [one.written for one in running]
        await host.say(last)
        assert all([await one.until(last) for one in running]), [one.written for one in running]
        assert [one.name for one in running if one.written.count(missed) != 1 or marker in one.written] == []
    finally:
        await asyncio.gather(*(one.end() for one in running))


async def programs_of(platform: Platform, folder: Path) -> dict[str, list[tuple[str, ...]]]:
    """Return the commands of the page's programs: those that begin, and those that go on from a cursor.

    The one in JavaScript is left out on a machine without Node.
    """
    begin, again = blocks("sh", platform)
    by_http, by_socket = blocks("python", platform)
    others: list[tuple[str, ...]] = [
        ("httpx", sys.executable, "-c", by_http),
        ("gql", sys.executable, "-c", by_socket),
    ]
    if find_node() is not None:
        node = await asyncio.to_thread(install, NODE_PACKAGES)
        (folder / "program.mjs").write_text(blocks("js", platform)[0])
        (folder / "node_modules").symlink_to(NODE_PACKAGES / "node_modules")
        others.append(("graphql-ws", node, str(folder / "program.mjs")))
    return {
        "first": [("curl", "bash", "-c", begin), *others],
        "again": [("curl", "bash", "-c", again), *others],
    }
