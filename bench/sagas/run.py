"""`make bench-sagas`: measures the sagas per second of our engine and of DBOS, with two workers each.

Both use the same services and the same PostgreSQL, one after the other.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg

from bench.data import ROOT
from bench.processes import free_port, running, wait_for
from bench.report import save_rows, write_page
from bench.sagas.appends import appends_per_second
from bench.sagas.lag import RATE, projection_lag
from gateway.saga.definition import Definitions
from gateway.saga.journal import SagaRequest
from gateway.saga.postgres import PostgresJournal
from subgraphs.kit.client import authorization
from subgraphs.orchestration.app import SELF
from subgraphs.orchestration.sagas import ASSIGNMENT
from tests.crash.run import Ground, ground
from tests.crash.services import SCENARIOS

PYTHON = sys.executable
FOLDER = Path(__file__).parent
WORKERS = 2
TEXT = """Booking a musician: five mutations of five services over HTTP, each with its idempotency check
and its own commit. PostgreSQL with durable settings, for the services and for both engines' journals; two
workers, 32 sagas at once in each; all on this machine. Meanwhile our workers also run the saga that
follows from each booking (it notifies the musician, in two steps); it is not counted, and DBOS has none."""


def dbos_python() -> Path:
    """Return the Python program of an environment with DBOS, which is created at the first use."""
    folder = ROOT / ".data" / "bench" / "dbos"
    python = folder / "bin" / "python"
    if not (folder / ".installed").exists():
        print("installing DBOS into an environment of its own ...", flush=True)
        subprocess.run([PYTHON, "-m", "venv", str(folder)], check=True)
        install = [
            str(python),
            "-m",
            "pip",
            "install",
            "-q",
            "--require-hashes",
            "-r",
            str(FOLDER / "dbos.lock"),
        ]
        subprocess.run(install, check=True, timeout=300)
        (folder / ".installed").touch()
    return python


async def cases(place: Ground, count: int) -> list[dict[str, Any]]:
    """Create `count` booking requests, each with a musician's application, to be assigned by a saga.

    `place`: the PostgreSQL server with the databases of journal and services. Returns for each request the
    input of its saga and a new saga id.
    """
    town = place.where.town()
    made = [await town.case(SCENARIOS[0]) for _ in range(count)]
    await town.close()
    return [{"id": str(uuid4()), **case.data(ASSIGNMENT, None)} for case in made]


async def start_ours(place: Ground, made: Sequence[dict[str, Any]]) -> None:
    """Write the start of a saga for each input into the journal, from which the workers read them."""
    town = place.where.town()
    saga = Definitions.of(town.sagas).newest(ASSIGNMENT)
    async with asyncpg.create_pool(place.where.journal, min_size=4, max_size=8) as pool:
        journal = PostgresJournal(pool)
        await asyncio.gather(*(journal.start(SagaRequest(saga, one["id"], one)) for one in made))
    await town.close()


async def wait_until_completed(place: Ground, count: int) -> None:
    """Wait until `count` assignments are completed, without the sagas that follow from them.

    Raises RuntimeError if an assignment ends in another status.
    """
    connection = await asyncpg.connect(place.where.journal)
    query = "SELECT status, count(*) AS sagas FROM sagas WHERE saga_type = $1 GROUP BY status"
    while True:
        rows = await connection.fetch(query, ASSIGNMENT)
        found = {row["status"]: row["sagas"] for row in rows}
        if set(found) & {"failed", "compensated", "compensation_failed", "cancelled"}:
            raise RuntimeError(f"expected {count} completed sagas, got the statuses {found}")
        if found.get("completed") == count:
            break
        await asyncio.sleep(0.02)
    await connection.close()


def worker_environment(place: Ground, port: int, file: Path) -> dict[str, str]:
    """Return the environment variables of a worker process.

    `port`: that of the services; `file`: the file with the inputs of DBOS's workflows.
    """
    keys = place.where.keys
    about: dict[str, Any] = {
        "port": port,
        "services": dict(place.where.services),
        "journal": place.where.journal,
        "dbos": place.server.url.replace("/postgres?", "/dbos?"),
        "private": str(keys.private),
        "service": str(keys.service),
        "public": str(keys.public),
        "authorization": authorization(keys.service, SELF)(),
        "cases": str(file),
    }
    return {"SAGA_BENCH": json.dumps(about), "PYTHONPATH": str(ROOT)}


@contextmanager
def workers(
    commands: Sequence[Sequence[str]], environment: dict[str, str]
) -> Iterator[list["subprocess.Popen[str]"]]:
    """Run worker processes while the `with` block runs, after waiting until each has printed "ready"."""
    started = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    try:
        for one in started:
            line = one.stdout.readline() if one.stdout else ""
            if line.strip() != "ready":
                raise RuntimeError(f"the worker {one.args!r} must print 'ready', got {line!r}")
        yield started
    finally:
        for one in started:
            one.kill()
            one.communicate()


def ours(place: Ground, environment: dict[str, str], count: int) -> float:
    """Return how many sagas per second our engine starts and completes, measured with `count` sagas."""
    made = asyncio.run(cases(place, count))
    with workers([[PYTHON, "-m", "bench.sagas.ours"]] * WORKERS, environment):
        begun = time.perf_counter()
        asyncio.run(start_and_wait(place, made))
        return count / (time.perf_counter() - begun)


async def start_and_wait(place: Ground, made: Sequence[dict[str, str]]) -> None:
    """Start a saga for each input in `made`, and wait until all are completed."""
    await asyncio.gather(start_ours(place, made), wait_until_completed(place, len(made)))


def dbos(place: Ground, environment: dict[str, str], file: Path, count: int) -> float:
    """Return how many workflows per second DBOS starts and completes, measured with `count` workflows.

    `file`: where their inputs are written for the workers.
    """
    file.write_text(json.dumps(asyncio.run(cases(place, count))))
    program = [str(dbos_python()), str(FOLDER / "dbos_worker.py")]
    with workers(
        [[*program, str(number), str(WORKERS)] for number in range(WORKERS)], environment
    ) as started:
        begun = time.perf_counter()
        for one in started:
            if one.stdin is not None:
                one.stdin.write("go\n")
                one.stdin.flush()
        answers = [one.stdout.readline() if one.stdout else "" for one in started]
        seconds = time.perf_counter() - begun
    done = sum(json.loads(answer)["sagas"] for answer in answers)
    if done != count:
        raise RuntimeError(f"DBOS: expected {count} completed workflows, got {done}")
    return count / seconds


def main() -> None:
    """Measure both engines, the event store and the projection lag; print and save the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sagas", type=int, default=400)
    options = parser.parse_args()
    port = free_port()
    with ground() as place, ExitStack() as stack:
        file = place.folder / "cases.json"
        environment = worker_environment(place, port, file)
        command = [PYTHON, "-m", "bench.sagas.services"]
        stack.enter_context(running("services", command, environment, gateway=False))
        wait_for("services", f"http://127.0.0.1:{port}/requests")
        asyncio.run(_create(place))
        appends = asyncio.run(appends_per_second(place.where.services["requests"]))
        mine = ours(place, environment, options.sagas)
        theirs = dbos(place, environment, file, options.sagas)
        lag = projection_lag(place.folder, place.server.url, place.where.keys)
    rows = [
        ("sagas per second, ours", f"{mine:.0f}"),
        ("workflows per second, DBOS", f"{theirs:.0f}"),
        ("ratio", f"{mine / theirs:.2f}"),
        ("appends to the event store per second, 8 writers", f"{appends:.0f}"),
        (
            f"projection lag at {RATE} changes a second, p50 / p95 / p99, ms",
            " / ".join(f"{lag[name]:.0f}" for name in ("p50Ms", "p95Ms", "p99Ms")),
        ),
    ]
    save_rows("sagas", "Sagas", TEXT, rows)
    write_page()


async def _create(place: Ground) -> None:
    connection = await asyncpg.connect(place.server.url)
    await connection.execute("CREATE DATABASE dbos")
    await connection.close()


if __name__ == "__main__":
    main()
