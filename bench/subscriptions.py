"""Many subscribers of a few subscriptions, and many different subscriptions: `make bench-subscriptions`.

A gateway with several worker processes, whose events come from a Redis stream and whose entities come from a
subgraph; clients over WebSocket in several processes.

- How much memory the gateway's workers have with this many idle subscribers.
- How long after an event all subscribers have it, and what each message costs.
- Whether a reload ends subscriptions that it does not change.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from redis import Redis

from bench.data import WORK
from bench.processes import TICK, free_port, running, wait_for
from bench.report import machine, save_rows, write_section
from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from subgraphs.platform.valkey import start_valkey

PYTHON = sys.executable
PATIENCE = 120  # seconds for a reload
LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])\n'
SDLS = {
    "live": LINK
    + """type Subscription { tick(topic: Int): Thing }
type Thing @key(fields: "id", resolvable: false) { id: ID! }""",
    "things": LINK + 'type Query { x: Int } type Thing @key(fields: "id") { id: ID! name: String! }',
}
CONFIG = """supergraph: {schema}
server: {{port: {port}, workers: {workers}}}
subscriptions:
  websocket: {{ping: 120s, silence: 300s, connections: 19000}}
  redis:
    url: {redis}
    fields:
      tick:
        streams: [ticks]
        value: '{{"__typename": "Thing", "id": "{{payload.id}}"}}'
        {where}
"""
ONE_TOPIC = "where: [{event: [payload.topic], argument: topic}]"
LIBRARIES = (
    ("own asyncio.Protocol of 35 lines", "1.35 kB a connection, 7.3 µs a message"),
    ("websockets' ServerProtocol", "5.9 kB, 10.3 µs"),
    ("uvicorn's websockets-sansio, without compression", "18.4 kB, 12.0 µs"),
    ("picows", "28.0 kB, 8.0 µs"),
)
"""Of 5,000 idle connections and messages of 300 bytes on a similar machine; not measured by this program."""
TEXT = """Printed by `make bench-subscriptions` on {date} ({machine}).
Gateway, subgraph, Valkey and clients are on the same machine. *idle*: the memory of all workers together when
every client has subscribed; *shared pages once* (PSS) counts what the workers share once. *all*: from the
event until the last client has it. *per message*: CPU of all workers, execution of the events included."""


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one run."""

    subscribers: int
    subscriptions: int
    workers: int
    idle_mb: float
    idle_pss_mb: float
    kb_each: float
    p50_s: float
    p99_s: float
    all_s: float
    us_message: float
    delivered: int
    reload: tuple[int, int, float] | None = None
    """After a reload: the subscribers that had the next event, those whose subscription ended, and seconds
    until the new schema was served.
    """


@contextmanager
def gateway(folder: Path, things: int, redis: str, workers: int, where: str) -> Iterator[tuple[int, int]]:
    """Run a gateway; yield the process id of its supervisor, and the port."""
    schema, file, port = folder / "live.graphql", folder / "gateway.yaml", free_port()
    write_schema(schema, things, "x: Int")
    file.write_text(CONFIG.format(schema=schema, port=port, workers=workers, redis=redis, where=where))
    command = [PYTHON, "-m", "gateway.cli", "serve", "--config", str(file)]
    with running("subscriptions", command, gateway=False) as pid:
        wait_for("subscriptions", f"http://127.0.0.1:{port}/graphql")
        time.sleep(2 + workers / 2)  # until all workers have started
        yield pid, port


def write_schema(file: Path, things: int, query: str) -> None:
    """Write the supergraph. `query`: the fields of the query type."""
    sdl = SDLS["things"].replace("x: Int", query)
    sources = [
        SubgraphSource("live", "", SDLS["live"]),
        SubgraphSource("things", f"http://127.0.0.1:{things}/things", sdl),
    ]
    file.write_text(compose(sources).supergraph)


def reload(folder: Path, things: int, pid: int, port: int, workers: int) -> float:
    """Have the gateway load a schema with another query field; return the seconds until all workers do."""
    write_schema(folder / "live.graphql", things, "x: Int later: Int")
    begun = time.time()
    os.kill(pid, signal.SIGHUP)
    in_a_row = 0
    while in_a_row < 5 * workers:  # each answer is from any worker
        body = {"query": '{ __type(name: "Query") { fields { name } } }'}
        answer = httpx.post(f"http://127.0.0.1:{port}/graphql", json=body, timeout=60)
        in_a_row = in_a_row + 1 if "later" in answer.text else 0
        if time.time() - begun > PATIENCE:
            raise TimeoutError("the gateway has not loaded the new schema")
    return time.time() - begun


def workers_of(pid: int) -> list[int]:
    """Return the ids of the processes below a process, without helpers that have no gateway."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        words = Path(f"/proc/{child}/cmdline").read_bytes()
        if b"resource_tracker" not in words:
            found.append(int(child))
    return found or [pid]


def memory(pids: Sequence[int]) -> tuple[float, float]:
    """Return the resident memory of processes in MB: each page counted for each process, and once (PSS)."""
    resident = shared = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            resident += int(value.split()[0]) if name == "Rss" else 0
            shared += int(value.split()[0]) if name == "Pss" else 0
    return resident / 1024, shared / 1024


def cpu(pids: Sequence[int]) -> float:
    """Return the CPU seconds of processes so far."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


class Clients:
    """The processes with the clients. `ended`: the subscriptions that have ended."""

    def __init__(self, stack: ExitStack, port: int, count: int, processes: int, topics: int) -> None:
        self.processes = []
        self.ended = 0
        for number in range(processes):
            mine = count // processes + (number < count % processes)
            words = [str(port), str(mine), str(number * (count // processes)), str(topics)]
            process = subprocess.Popen(  # noqa: S603
                [PYTHON, "-m", "bench.subscribers", *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.kill)
            self.processes.append(process)
        self.count = sum(json.loads(self._line(one))["ready"] for one in self.processes)

    @staticmethod
    def _line(process: "subprocess.Popen[str]") -> str:
        if process.stdout is None or not (line := process.stdout.readline()):
            raise RuntimeError(
                "a process with clients has ended; see the gateway's log in bench's work folder"
            )
        return line

    def expect(self, count: int) -> None:
        """Have the clients report when each has had its `count`-th message."""
        for one in self.processes:
            if one.stdin is not None:
                one.stdin.write(f"expect {count}\n")
                one.stdin.flush()

    def times(self) -> list[float]:
        """Return the times of all clients, in ascending order."""
        found = [json.loads(self._line(one)) for one in self.processes]
        self.ended = sum(one["ended"] for one in found)
        return sorted(time_ for one in found for time_ in one["times"])


def measure(subscribers: int, topics: int, workers: int, events: int, *, each: bool) -> Row:
    """Return the figures. `each`: one event for each topic instead of events for all topics."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bench-live-", dir=WORK)))
        redis = start_valkey(folder / "valkey")
        stack.callback(redis.stop)
        things = free_port()
        stack.enter_context(running("things", [PYTHON, "-m", "bench.things", str(things)], gateway=False))
        where = ONE_TOPIC if each else ""
        pid, port = stack.enter_context(gateway(folder, things, redis.url, workers, where))
        clients = Clients(stack, port, subscribers, max(1, -(-subscribers // 15_000)), topics)
        pids = workers_of(pid)
        time.sleep(3)
        resident, shared = memory(pids)
        queue = Redis.from_url(redis.url)
        found: list[float] = []
        before = cpu(pids)
        for number in range(1, events + 1):
            found += publish(queue, clients, number, topics if each else 1)
        found.sort()
        used = cpu(pids) - before
        again = None
        if each:
            seconds = reload(folder, things, pid, port, workers)
            got = publish(queue, clients, events + 1, topics)
            again = len(got), clients.ended, round(seconds, 1)
        return Row(
            clients.count,
            topics,
            len(pids),
            round(resident, 1),
            round(shared, 1),
            round((resident * 1024) / subscribers, 2),
            round(found[len(found) // 2], 3),
            round(found[int(len(found) * 0.99)], 3),
            round(found[-1], 3),
            round(used / max(len(found), 1) * 1e6, 2),
            len(found),
            again,
        )


def publish(queue: "Redis", clients: Clients, number: int, topics: int) -> list[float]:
    """Publish the events with a number; return after how many seconds each client had its own."""
    clients.expect(number)
    time.sleep(0.5)
    begun = time.time()
    for topic in range(topics):
        queue.xadd("ticks", {"payload": json.dumps({"id": f"{number}-{topic}", "topic": topic})})
    return [one - begun for one in clients.times()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=100_000)
    parser.add_argument("--topics", type=int, default=50, help="different subscriptions of the subscribers")
    parser.add_argument("--different", type=int, default=10_000, help="subscriptions that all differ")
    parser.add_argument("--workers", type=int, default=7)
    parser.add_argument("--events", type=int, default=3)
    given = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    rows = lines(measure(given.subscribers, given.topics, given.workers, given.events, each=False))
    if given.different:
        rows += lines(measure(given.different, given.different, given.workers, 1, each=True))
    rows += [(f"elsewhere, for comparison: {what}", value) for what, value in LIBRARIES]
    text = TEXT.format(date=datetime.now(UTC).date(), machine=machine())
    save_rows("subscriptions", "Subscriptions", text, rows)
    write_section("subscriptions")


def lines(row: Row) -> list[tuple[str, str]]:
    """Return the figures of a run as lines of the report."""
    what = f"{row.subscribers:,} subscribers of {row.subscriptions:,} subscriptions"
    found = [
        (f"{what}: idle, {row.workers} workers", f"{row.idle_mb} MB, shared pages once {row.idle_pss_mb} MB"),
        (f"{what}: memory for each, processes included", f"{row.kb_each} kB"),
        (f"{what}: until they have an event (p50, p99, all)", f"{row.p50_s}, {row.p99_s}, {row.all_s} s"),
        (f"{what}: CPU of a message ({row.delivered:,})", f"{row.us_message} µs"),
    ]
    if row.reload is not None:
        got, ended, seconds = row.reload
        words = f"{got:,} have the next event, {ended:,} have ended, {seconds} s until all workers serve it"
        found.append((f"{what}: a new schema that does not change them", words))
    return found


if __name__ == "__main__":
    main()
