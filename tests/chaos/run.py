"""Subscriptions under chaos: `python -m tests.chaos.run --seconds 600`.

Events are published all the time, while clients, workers, Redis, the subgraph and the whole gateway are
killed and started again. A client with cursors must have each event once, those of a key in order; a client
without must be told of each gap. The last line has the counts.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.chaos.client import Client
from tests.chaos.servers import Servers

KEYS = 8
QUIET = 15.0  # seconds at the end, with everything up, in which a client that has not all gets something
EVERY = (0.5, 2.0)  # seconds between two faults


@dataclass
class Counts:
    """What was done, and what was found."""

    published: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    doubled: int = 0
    disordered: int = 0
    unsaid: int = 0
    seconds: float = 0.0
    """How long after the last fault the clients had everything."""

    @property
    def is_fine(self) -> bool:
        """Return whether nothing was lost, doubled, out of order, or missing without a word."""
        return not (self.lost or self.doubled or self.disordered or self.unsaid)

    def line(self) -> str:
        """Return the counts as one line."""
        faults = ", ".join(f"{name} {number}" for name, number in sorted(self.faults.items()))
        return (
            f"{self.published} events, faults: {faults or 'none'}; lost {self.lost}, doubled {self.doubled},"
            f" out of order {self.disordered}, gaps without a word {self.unsaid};"
            f" all caught up after {self.seconds:.0f} s"
        )


async def publish(servers: Servers, counts: Counts, until: asyncio.Event) -> dict[str, int]:
    """Publish numbered events of each key; repeat one whose success is not known. Return the last numbers."""
    last = dict.fromkeys([str(key) for key in range(KEYS)], 0)
    for step in count():
        if until.is_set():
            return last
        key = str(step % KEYS)
        number = last[key] + 1
        name = f"{key}-{number}"
        entry: dict[Any, Any] = {"event_id": name, "payload": json.dumps({"id": name})}
        while True:
            try:
                async with Redis.from_url(servers.redis.url, socket_timeout=1) as redis:
                    await redis.xadd(f"ticks:{int(key) % 4}", entry)
                break
            except (RedisError, OSError, TimeoutError):
                await asyncio.sleep(0.05)
        last[key] = number
        counts.published += 1
        await asyncio.sleep(0.002)
    return last


async def break_things(
    servers: Servers, clients: list[Client], counts: Counts, r: Random, end: float
) -> None:
    """Cause one fault after the other."""
    kinds = (
        "client",
        "client",
        "client",
        "worker",
        "worker",
        "subgraph",
        "redis",
        "gateway",
        "gateway killed",
    )
    while time.monotonic() < end:
        await asyncio.sleep(r.uniform(*EVERY))
        kind = r.choice(kinds)
        counts.faults[kind] = counts.faults.get(kind, 0) + 1
        if kind == "client":
            r.choice(clients).cut()
        elif kind == "worker":
            servers.kill_worker(r.randrange(100))
        elif kind == "subgraph":
            await asyncio.to_thread(servers.restart_things)
        elif kind == "redis":
            await asyncio.to_thread(servers.restart_redis)
        else:
            sign = signal.SIGKILL if kind == "gateway killed" else signal.SIGTERM
            await asyncio.to_thread(servers.restart_gateway, sign)


def judge(clients: list[Client], last: dict[str, int], counts: Counts) -> None:
    """Compare what the clients have with what was published."""
    for client in clients:
        counts.unsaid += client.unsaid
        for key, number in last.items() if client.resumes else ():
            seen = client.seen[key]
            different = set(seen)
            counts.lost += number - len(different)
            if missing := sorted(set(range(1, number + 1)) - different):
                where = f"key {key}: {len(missing)} of {number} missing, from {missing[0]} to {missing[-1]}"
                print(f"client after {client.connections} connections, {client.gaps} gaps: {where}")
            counts.doubled += len(seen) - len(different)
            counts.disordered += sum(a > b for a, b in pairwise(seen))


async def chaos(folder: Path, seconds: float, number_of_clients: int, workers: int, seed: int) -> Counts:
    """Run everything; return the counts."""
    servers, counts, r = Servers(folder, workers), Counts(), Random(seed)
    clients = [Client(servers.port, resumes=number % 5 > 0) for number in range(number_of_clients)]
    tasks = [asyncio.ensure_future(one.run()) for one in clients]
    try:
        for one in clients:
            await asyncio.wait_for(one.is_subscribed.wait(), 30)
        await asyncio.sleep(1)
        over = asyncio.Event()
        publishing = asyncio.ensure_future(publish(servers, counts, over))
        await first_events(clients)
        await break_things(servers, clients, counts, r, time.monotonic() + seconds)
        over.set()
        last = await publishing
        await asyncio.to_thread(servers.wait)
        begun = time.monotonic()
        await quiet(clients, last)
        counts.seconds = time.monotonic() - begun
        judge(clients, last, counts)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.to_thread(servers.close)
    return counts


async def first_events(clients: list[Client]) -> None:
    """Wait until each client has a cursor: before it, an interruption may cost events."""
    for one in clients:
        await one.has_cursor.wait()


async def quiet(clients: list[Client], last: dict[str, int]) -> None:
    """Wait until all clients have everything: after so many faults in a row they are behind.

    Give up when a client that has not all gets nothing for QUIET seconds.
    """
    resuming = [one for one in clients if one.resumes]
    moved = {id(one): (0, time.monotonic()) for one in resuming}
    behind = resuming
    while behind:
        for one in behind:
            got, since = sum(map(len, one.seen.values())), time.monotonic()
            if got != moved[id(one)][0]:
                moved[id(one)] = got, since
            elif since - moved[id(one)][1] > QUIET:
                return
        behind = [
            one for one in behind if any(one.seen[key][-1:] != [number] for key, number in last.items())
        ]
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)


def main() -> int:
    """Run, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--clients", type=int, default=30)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with TemporaryDirectory(prefix="chaos-") as folder:
        counts = asyncio.run(chaos(Path(folder), given.seconds, given.clients, given.workers, given.seed))
    print(counts.line())
    return 0 if counts.is_fine else 1


if __name__ == "__main__":
    sys.exit(main())
