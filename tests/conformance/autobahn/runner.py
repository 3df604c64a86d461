"""Runs cases of Autobahn's test suite against the echo server."""

import asyncio
import json
import tempfile
from asyncio.subprocess import DEVNULL
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.autobahn.echo import Mode, serve
from tests.conformance.autobahn.environment import install

PASSED = frozenset({"OK", "NON-STRICT", "INFORMATIONAL"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one case, such as 7.1.5.

    `behavior`: OK, NON-STRICT (right, but a violation was found late), INFORMATIONAL (the standard says
    nothing), UNIMPLEMENTED (compression was declined) or FAILED; `close`: the same about the end of the
    connection, or what was wrong with it.
    """

    case: str
    behavior: str
    close: str

    @property
    def section(self) -> int:
        """Return the number of the section."""
        return int(self.case.partition(".")[0])

    @property
    def passed(self) -> bool:
        """Return whether nothing has failed."""
        return {self.behavior, self.close} <= PASSED


async def run_cases(cases: Sequence[str], mode: Mode, seconds: float) -> list[Outcome]:
    """Run cases one after another. `cases`: such as 1.1.1 or 2.*; `seconds`: for all of them."""
    wstest = await asyncio.to_thread(install)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with serve(mode) as port:
            spec = {
                "outdir": str(folder / "reports"),
                "servers": [{"agent": "echo", "url": f"ws://127.0.0.1:{port}"}],
                "cases": [*cases],
                "exclude-cases": [],
                "exclude-agent-cases": {},
            }
            (folder / "spec.json").write_text(json.dumps(spec))
            command = (str(wstest), "-m", "fuzzingclient", "-s", str(folder / "spec.json"))
            process = await asyncio.create_subprocess_exec(
                *command, cwd=folder, stdout=DEVNULL, stderr=DEVNULL
            )
            try:
                await asyncio.wait_for(process.wait(), seconds)
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        found = json.loads((folder / "reports" / "index.json").read_text())["echo"]
    return [Outcome(case, one["behavior"], one["behaviorClose"]) for case, one in found.items()]


async def run_twice(cases: Sequence[str], mode: Mode, seconds: float) -> list[Outcome]:
    """Run cases, and those again that fail or are NON-STRICT.

    The suite waits for one second in each, which a busy machine can miss.
    """
    first = await run_cases(cases, mode, seconds)
    doubtful = [one.case for one in first if not one.passed or one.behavior == "NON-STRICT"]
    again = await run_cases(doubtful, mode, seconds) if doubtful else []
    second = {one.case: one for one in again}
    return [second.get(one.case, one) for one in first]
