"""The cache against its own absence: `python -m tests.gateway.cache.machine --minutes 10`.

Hypothesis plays users, changes, invalidations, failures, clocks and Redis, over two gateways with caches that
share a real Valkey, and one without. Every value in an answer must be current, or one that the cache may
still have: it was replied within its declared lifetime, and no invalidation of it has been applied since.

The last line has the numbers of runs, steps, queries and calls.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, core, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from redis.asyncio import Redis

from subgraphs.platform.valkey import ValkeyServer, start_valkey
from tests.gateway.cache.machine_play import Processes, remember
from tests.gateway.cache.machine_steps import PEOPLE, PRODUCTS, QUERIES, STEP, Asked
from tests.gateway.cache.world import KINDS, MUTATIONS, Control, Key

SEED = "global_force_seed"  # of hypothesis: what its pytest plugin sets for --hypothesis-seed


class CacheMachine(RuleBasedStateMachine):
    """What happens.

    - `counts`: of all runs. `forgotten`: the fence without which the caches work, for tests.
    - `joins`: whether bursts also ask after the invalidation, while the older fetches are in progress.
    """

    loop: ClassVar[asyncio.AbstractEventLoop]
    server: ClassVar[ValkeyServer]
    redis: ClassVar[Redis]
    counts: ClassVar[dict[str, int]] = {"runs": 0, "steps": 0, "queries": 0, "calls": 0, "stale": 0}
    forgotten: ClassVar[str] = ""
    joins: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.counts["runs"] += 1
        self.play = Processes(self.redis, self.server.url, self.counts, self.forgotten)
        self.run(self.play.open())

    def run(self, work: Any) -> Any:
        """Do a step."""
        self.counts["steps"] += 1
        return self.loop.run_until_complete(work)

    @rule(step=STEP)
    def step(self, step: tuple[str, dict[str, Any]]) -> None:
        """Do one step. One rule has all of them, because hypothesis leaves out most rules of a run."""
        name, given = step
        getattr(self, name)(**given)

    def ask(self, number: int, asked: Asked, fresh: int) -> None:
        """One query; sometimes with `no-cache`."""
        self.run(self.play.check(number, asked, fresh == 0))

    def ask_all(self, number: int, several: list[Asked]) -> None:
        """Queries one after the other, through both processes in turn."""

        async def work() -> None:
            for place, asked in enumerate(several):
                await self.play.check((number + place) % 2, asked)

        self.run(work())

    def change(self, key: Key, how: str, by: str, number: int, null: int) -> None:
        """Change a value, and invalidate it."""
        self.play.world.put(key, null == 0)
        self.run(self.play.invalidate(key, how, by, number))
        self.run(self.play.everything(key))

    def change_silently(self, key: Key) -> None:
        """Change a value without an invalidation."""
        self.play.world.put(key)
        self.play.kill((), [key])

    def mutate(self, number: int, name: str, which: int, user: str | None) -> None:
        """A mutation, after which its process shows the change at once."""
        own = PEOPLE if name == "rename" else PRODUCTS
        one = own[which % len(own)]
        key = KINDS[one], one, MUTATIONS[name]

        async def work() -> None:
            text = f'mutation {{ {name}(id: "{one}") {{ __typename id }} }}'
            answer = await self.play.rigs[number].ask(text, user)
            if answer.get("errors"):
                return  # the reply was lost, so what has changed is not known
            self.play.kill((number,), [key])
            for query in QUERIES:
                await self.play.check(number, (query, user, PRODUCTS, PEOPLE))
            await self.play.applied()
            self.play.kill((0, 1), [key])

        self.run(work())

    def burst(self, number: int, several: list[Asked], key: Key, how: str, by: str, other: int) -> None:
        """Concurrent queries whose replies are late; meanwhile a value changes and is invalidated."""

        async def work() -> None:
            await self.play.settled()
            self.play.world.delay, self.play.world.waiting = asyncio.Event(), 0
            asks = [
                asyncio.ensure_future(self.play.check((number + place) % 2, asked))
                for place, asked in enumerate(several)
            ]
            for _ in range(30):
                await asyncio.sleep(0.0005)
            self.play.world.put(key)
            delay, self.play.world.delay = self.play.world.delay, None
            early = asyncio.ensure_future(self.play.invalidate(key, how, by, other, asks=False))
            for _ in range(30):
                await asyncio.sleep(0.0005)
            if self.joins and by != "message":
                asks += [asyncio.ensure_future(self.play.check(other, asked)) for asked in several]
                await asyncio.sleep(0.005)
            delay.set()
            for one in await asyncio.gather(*asks, early, return_exceptions=True):
                if isinstance(one, BaseException):
                    raise one
            await self.play.everything(key)

        self.run(work())

    def control(self, name: str, scope: str, lifetime: int, revalidate: int, error: int) -> None:
        """Change what a subgraph says about its replies."""
        self.play.world.controls[name] = Control(scope, lifetime, revalidate, error)

    def fail(self, name: str, key: Key, asked: Asked, what: str) -> None:
        """A subgraph, or a field, fails for a few queries."""
        (self.play.world.broken.add(name) if what == "subgraph" else self.play.world.faulty.add(key))

        async def work() -> None:
            for number in range(2):
                await self.play.check(number, asked)
            await self.play.settled()

        try:
            self.run(work())
        finally:
            self.play.world.broken.clear()
            self.play.world.faulty.clear()
        self.run(self.play.everything(key))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.play.clock.ahead += seconds

    def set_clock(self, seconds: float) -> None:
        """Set the time of day of the processes, on which no lifetime depends."""
        self.play.clock.wall += seconds

    def flush(self) -> None:
        """Wipe Redis."""
        self.run(self.play.redis.flushall())
        self.run(self.play.connected())

    def pause(self, asked: Asked) -> None:
        """Stop Redis for a moment, in which queries go on."""

        async def work() -> None:
            os.kill(self.server.process.pid, signal.SIGSTOP)
            resumed = asyncio.get_running_loop().call_later(0.2, self.resume)
            for number in range(2):
                await self.play.check(number, asked)
            await asyncio.sleep(max(resumed.when() - asyncio.get_running_loop().time(), 0))

        self.run(work())

    def resume(self) -> None:
        """Let Redis go on."""
        os.kill(self.server.process.pid, signal.SIGCONT)

    def teardown(self) -> None:
        """After a run nothing is pending, the memory's size is right, a gateway without a cache agrees."""
        self.counts["calls"] += self.play.world.calls
        self.loop.run_until_complete(self.play.end())


@contextlib.contextmanager
def machine_on(folder: Path, forgotten: str = "") -> Iterator[type[CacheMachine]]:
    """Return the machine with a server of its own. `forgotten`: a fence to take out."""
    loop, server = asyncio.new_event_loop(), start_valkey(folder, durable=False)
    CacheMachine.loop, CacheMachine.server, CacheMachine.forgotten = loop, server, forgotten
    CacheMachine.redis = Redis.from_url(server.url)
    try:
        yield CacheMachine
    finally:
        remember()
        setattr(core, SEED, None)
        loop.run_until_complete(CacheMachine.redis.aclose())
        loop.close()
        server.stop()


def play(folder: Path, runs: int, steps: int, forgotten: str = "", seed: int | None = None) -> dict[str, int]:
    """Play random runs, and return the numbers of what happened. Raises Stale."""
    chosen = settings(
        max_examples=runs,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=seed is None,
        phases=(Phase.generate,),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    setattr(core, SEED, seed)
    with machine_on(folder, forgotten) as machine:
        machine.counts.update(dict.fromkeys(machine.counts, 0))
        run_state_machine_as_test(machine, settings=chosen)
        return dict(machine.counts)


def main() -> None:
    """Play for a number of minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    ends, number = time.monotonic() + given.minutes * 60, given.seed - 1
    while time.monotonic() < ends:
        number += 1
        with tempfile.TemporaryDirectory() as folder:
            found = play(Path(folder) / "valkey", 50, given.steps, seed=number)
        sys.stdout.write(f"seed {number}: {found}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
