"""Runs npm's http-cache-tests against the proxy of shim.py, and judges the results as the package does."""

import asyncio
import json
import os
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.http_cache.shim import serve
from tests.oracle.programs import install

HERE = Path(__file__).parent
SECONDS = 240.0  # for all tests: most of them pause once or twice for 3 seconds
SERVER = HERE / "node_modules" / "http-cache-tests" / "server" / "server.mjs"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one test.

    `kind`: `required`, `optimal` or `check` (a question, whose answer is no judgement). `needs`: the ids of
    the tests without which the test says nothing. `wrong`: why it did not pass, "" if it passed; it begins
    with `Setup` if the test's preparation failed, so that the behaviour was not tested.
    """

    suite: str
    id: str
    name: str
    kind: str
    needs: tuple[str, ...]
    wrong: str


@dataclass(frozen=True, slots=True)
class Run:
    """All results, by the test's id, and the ids of the tests in which the proxy itself answered 504."""

    outcomes: dict[str, Outcome]
    refusals: frozenset[str]

    def is_meaningful(self, outcome: Outcome) -> bool:
        """Return whether all tests that a test needs have passed, as the package counts."""
        return all(self._passed(one) for one in outcome.needs)

    def _passed(self, name: str) -> bool:
        found = self.outcomes[name]
        return not found.wrong and self.is_meaningful(found)


def _outcome(line: bytes) -> Outcome:
    """Return the outcome in a line of run.mjs."""
    found = json.loads(line)
    result = found["result"]
    stage, wrong = ("", "") if result is True else (result[0], result[1])
    return Outcome(
        found["suite"],
        found["id"],
        found["name"],
        found["kind"],
        tuple(found["needs"]),
        f"{stage}: {wrong}" if stage else "",
    )


@asynccontextmanager
async def _server(node: str) -> AsyncIterator[int]:
    """Run the package's server; yield its port."""
    with tempfile.TemporaryDirectory() as folder:
        own = {"protocol": "http", "port": "0", "pidfile": str(Path(folder) / "pid")}
        environment = os.environ | {f"npm_config_{name}": value for name, value in own.items()}
        command = (node, "--no-warnings", str(SERVER))
        process = await asyncio.create_subprocess_exec(*command, cwd=HERE, env=environment, stdout=PIPE)
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        rest = asyncio.create_task(_drain(process))  # a full pipe would stop the server
        try:
            yield int(line.decode().rstrip("/\n ").rsplit(":", 1)[1])
        finally:
            process.kill()
            await rest
            await process.wait()


async def _drain(process: Process) -> None:
    assert process.stdout is not None
    while await process.stdout.read(65_536):
        pass


async def run_all() -> Run:
    """Run every test once. Installs the package first, which needs a registry only the first time."""
    node = await asyncio.to_thread(install, HERE)
    async with _server(node) as origin, serve(origin) as (shim, port):
        command = (node, "--no-warnings", "run.mjs", f"http://127.0.0.1:{port}")
        process = await asyncio.create_subprocess_exec(*command, cwd=HERE, stdout=PIPE)
        try:
            out, _ = await asyncio.wait_for(process.communicate(), SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, f"run.mjs ended with {process.returncode}"
        outcomes = [_outcome(line) for line in out.splitlines()]
        return Run({one.id: one for one in outcomes}, frozenset(shim.refusals))
