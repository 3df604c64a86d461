"""Measures a whole platform: all queries of schema/operations in random order, on 50 connections.

`MIX=1 make bench` runs it, on a platform of its own with the small sample data.
"""

import asyncio
import json
import os
import random
import re
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvloop

from bench.data import ROOT
from bench.processes import CORES, cpu_ms, is_free, listener, running
from bench.report import save_rows, write_page
from bench.systems import PYTHON
from subgraphs.platform.accounts import DEMO_ACCOUNTS, DEMO_PASSWORD

FOLDER = ROOT / "schema" / "operations"
LOGIN = re.compile(r"# Needs a token.*?(demo_\w+)")  # the account for its token, in its first line
WITHOUT_OBJECT = {"saga", "sentMutation"}  # whose example has no object in the sample data
# Seconds of the measured load, of the load before it, and of the load with each operation alone.
CONNECTIONS, SECONDS, WARM, ALONE = 50, 15.0, 3.0, 0.4
TEXT = """All queries of `schema/operations` in random order, a token for those that need one; platform,
sample data and load tool on the same machine. Requests per second per core: for one second of CPU of the
gateway, and of the whole platform with its databases."""


@dataclass(slots=True)
class Mix:
    """The requests as bytes of HTTP, and the latencies of their responses in ms."""

    port: int
    requests: Sequence[bytes]
    latencies: list[float] = field(default_factory=list)

    async def client(self, seed: int, end: float) -> None:
        """Send random requests on one connection, one after the other, until the time `end` (perf_counter).

        `seed` decides on their order. Raises RuntimeError for a response with errors.
        """
        order = random.Random(seed)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while time.perf_counter() < end:
            start = time.perf_counter()
            writer.write(order.choice(self.requests))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            answer = await reader.readexactly(length)
            if not head.startswith(b"HTTP/1.1 200") or b'"errors":[' in answer:
                raise RuntimeError(
                    f"expected a response with status 200 and without errors, got {answer[:300]!r}"
                )
            self.latencies.append((time.perf_counter() - start) * 1000)
        writer.close()

    async def run(self, seconds: float, connections: int = CONNECTIONS) -> None:
        """Send requests on several connections for `seconds`; latencies of earlier runs are discarded."""
        self.latencies.clear()
        end = time.perf_counter() + seconds
        await asyncio.gather(*(self.client(seed, end) for seed in range(connections)))


def slowest(port: int, requests: Mapping[str, bytes]) -> str:
    """Return a text with the three slowest operations, each measured alone, and their median
    latencies in ms.
    """
    medians = {}
    for name, request in requests.items():
        mix = Mix(port, [request])
        uvloop.run(mix.run(ALONE, 1))
        medians[name] = statistics.median(mix.latencies)
    worst = sorted(medians, key=lambda name: -medians[name])[:3]
    middle = statistics.median(medians.values())
    slowest = ", ".join(f"{name} {medians[name]:.0f}" for name in worst)
    return f"{slowest}; half of all operations ≤ {middle:.0f} ms"


@contextmanager
def platform() -> Iterator[tuple[int, int]]:
    """Run a platform with the small sample data in a temporary folder, on all cores.

    Yields the launcher's process id and the gateway's port.
    """
    os.sched_setaffinity(0, CORES)
    port = next(
        p for p in range(6200 + secrets.randbelow(2000), 30_000, 7) if all(is_free(p + n) for n in range(7))
    )
    with tempfile.TemporaryDirectory(prefix="mussikon-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        command = [PYTHON, "-m", "subgraphs.platform.cli", "run", "--size", "small"]
        command += ["--data", f"{folder}/data", "--port", str(port)]
        with running("platform", command, gateway=False) as pid:
            wait_for_sample(port)
            yield pid, port


def wait_for_sample(port: int) -> None:
    """Wait until the platform has loaded its sample data and runs; exit if it does not within two minutes."""
    log = ROOT / ".data" / "bench" / "platform.log"
    for _ in range(600):
        if "MussikOn runs." in log.read_text():
            return
        time.sleep(0.2)
    sys.exit(f"bench: the platform at port {port} did not start within two minutes; see {log}")


def post(port: int, query: str, variables: Any) -> Any:
    """Send one GraphQL request to the gateway at a port, and return the data of the response."""
    body = {"query": query, "variables": variables}
    return httpx.post(f"http://127.0.0.1:{port}/graphql", json=body, timeout=30).json()["data"]


def token(port: int, login: str) -> str:
    """Log in with a demo account and return the token."""
    query = """mutation ($input: LogInInput!) {
      logIn(input: $input) { session { token } userErrors { code message } } }"""
    answer = post(port, query, {"input": {"login": login, "password": DEMO_PASSWORD}})["logIn"]
    if answer["session"] is None:
        sys.exit(f"bench: {login} cannot log in: {answer['userErrors'][0]['message']}")
    found: str = answer["session"]["token"]
    return found


def read_requests(port: int) -> dict[str, bytes]:
    """Return the queries of schema/operations by name, each as the bytes of an HTTP request.

    A query whose file begins with "# Needs a token" gets the token of the demo account that it names.
    """
    tokens = {account.username: token(port, account.username) for account in DEMO_ACCOUNTS}
    found = {}
    for path in sorted(FOLDER.glob("*.graphql")):
        query, beside = path.read_text(), path.with_suffix(".json")
        lines = [line for line in query.splitlines() if line.strip() and not line.startswith("#")]
        if lines[0].startswith("mutation") or path.stem in WITHOUT_OBJECT:
            continue
        variables = json.loads(beside.read_text()) if beside.exists() else {}
        body = json.dumps({"query": query, "variables": variables}).encode()
        head = (
            "POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n"
        )
        if needed := LOGIN.match(query):
            head += f"authorization: Bearer {tokens[needed[1]]}\r\n"
        found[path.stem] = head.encode() + b"\r\n" + body
    return found


def measure(pid: int, port: int) -> list[tuple[str, str]]:
    """Measure a running platform after a warm-up; return the rows of the report.

    `pid` is the launcher's process, `port` the gateway's. The rows have latencies, and requests per second
    per core of the gateway and of the whole platform.
    """
    requests = read_requests(port)
    mix = Mix(port, list(requests.values()))
    gateway = listener(port)
    uvloop.run(mix.run(WARM))
    alone = slowest(port, requests)
    before = cpu_ms(gateway), cpu_ms(pid)
    uvloop.run(mix.run(SECONDS))
    own, all_of_it = cpu_ms(gateway) - before[0], cpu_ms(pid) - before[1]
    sorted_ones = sorted(mix.latencies)
    count = len(sorted_ones)
    p50, p95, p99 = (sorted_ones[int((count - 1) * part)] for part in (0.5, 0.95, 0.99))
    return [
        (f"different operations ({CONNECTIONS} connections, {len(CORES)} cores)", str(len(mix.requests))),
        ("p50 / p95 / p99 (aim: p95 under 200 ms)", f"{p50:.0f} / {p95:.0f} / {p99:.0f} ms"),
        ("one at a time, medians of the slowest", alone),
        ("requests/s", f"{count / SECONDS:.0f}"),
        ("requests/s per core of the gateway", f"{count * 1000 / own:.0f}"),
        ("requests/s per core of the whole platform", f"{count * 1000 / all_of_it:.0f}"),
    ]


def main() -> None:
    """Measure, print and save the results."""
    with platform() as (pid, port):
        save_rows("mix", "MussikOn's mix", TEXT, measure(pid, port))


if __name__ == "__main__":
    main()
    write_page()
