"""Two gateways with caches over one Redis, a third without, and what each of them may still show."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from redis.asyncio import Redis

from gateway.cache.fence import Fence, Positions
from gateway.cache.redis_nodes import make_nodes
from gateway.cache.shared import SharedEntries
from gateway.settings import RedisSettings, Secret
from tests.gateway.cache.machine_steps import PEOPLE, PRODUCTS, QUERIES, STALENESS, Asked
from tests.gateway.cache.rig import Rig, caching_of
from tests.gateway.cache.world import FIELDS, LINKS, SDLS, JumpingClock, Key, World
from tests.gateway.support import until


class Stale(AssertionError):
    """An answer has a value that the cache must not have any more, or not for this user."""


class JumpingShared(SharedEntries):
    """Entries in a Redis whose clock jumps together with that of the processes."""

    @property
    def offset(self) -> float:
        """Return the time of Redis less the monotonic time."""
        return self._offset

    @offset.setter
    def offset(self, given: float) -> None:
        assert isinstance(self.clock, JumpingClock)
        self._offset = given + self.clock.ahead


class Processes:
    """The gateways over one world.

    - `redis`, `url`: of the server. `forgotten`: the fence (`local`, `shared`) that finds everything valid.
    - `counts`: of queries and of the stale values that were allowed. `name`: of this run.
    - `dead`: by process, the values of each key that it must not show any more.
    """

    def __init__(self, redis: Redis, url: str, counts: dict[str, int], forgotten: str = "") -> None:
        self.redis = redis
        self.url = url
        self.counts = counts
        self.forgotten = forgotten
        self.clock = JumpingClock()
        self.world = World(self.clock)
        self.dead: list[dict[Key, set[Any]]] = [{}, {}]
        self.prefix = f"run{counts['runs']}:"
        self.rigs: list[Rig] = []
        self.marks = 0

    async def open(self) -> None:
        """Start the processes."""
        caching = caching_of(*SDLS, staleness=STALENESS, client_directives="all")
        redis = RedisSettings(url=Secret(self.url), timeout=0.5)
        for _ in range(2):
            nodes = make_nodes(redis, self.clock)
            rig = Rig(SDLS, self.world.reply, caching, clock=self.clock, nodes=nodes, prefix=self.prefix)
            self.rigs.append(rig)
            assert rig.cache.shared is not None
            rig.cache.shared.__class__ = JumpingShared
            rig.cache.start()
        self.plain = Rig(SDLS, self.world.reply, caching, clock=self.clock, cached=False)
        if self.forgotten:
            _forget(self)
        await self.connected()

    async def connected(self) -> None:
        """Wait until both processes know the epoch of Redis."""
        stored = f"{self.prefix}{{cache}}:epoch"

        def know(epoch: Any) -> bool:
            return epoch is not None and all(
                one.cache.shared is not None and one.cache.shared.epoch == epoch for one in self.rigs
            )

        async with asyncio.timeout(20):
            while not know(await self.redis.get(stored)):  # noqa: ASYNC110 - nobody tells when
                await asyncio.sleep(0.005)

    async def check(self, number: int, asked: Asked, fresh: bool = False) -> None:
        """Ask one process, and compare its answer. `fresh`: with `no-cache`."""
        world, began, change = self.world, self.clock.time(), self.world.change
        dead = {key: frozenset(values) for key, values in self.dead[number].items()}
        query, user, products, people = asked
        variables = {"ids": products, "people": people}
        variables = {name: one for name, one in variables.items() if f"${name}" in query}
        headers = {"cache-control": "no-cache"} if fresh else None
        self.counts["queries"] += 1
        answer = await self.rigs[number].ask(query, user, headers, **variables)
        trouble = bool(world.broken or world.faulty)
        if answer.get("errors") and not trouble:
            raise Stale(f"an error was stored: {answer}")
        for key, value in _values(answer.get("data")):
            shown, mine = self.shown(key, value, user)
            current = world.values_since(key, change)
            if mine in current or (shown is None and trouble):
                continue
            known = world.until.get(key, {}).get(mine, 0.0) + world.slack
            if fresh or mine in dead.get(key, ()) or known < began:
                raise Stale(
                    f"process {number}: {key} is {value!r}, expected {current}; until {known - began:.1f}"
                )
            self.counts["stale"] += 1

    def shown(self, key: Key, value: Any, user: str | None) -> tuple[Any, Any]:
        """Return a value as it was shown, and as the world has it. Raises Stale for another user's."""
        if key[2] != "note" or value is None:
            return value, value
        owner, _, mine = value.partition(":")
        if owner != (user or "nobody"):
            raise Stale(f"{user} sees {value!r}")
        return value, None if mine == "None" else mine

    def kill(self, numbers: tuple[int, ...], keys: list[Key]) -> None:
        """Note that an invalidation of keys was applied: older values must not be shown any more.

        A link may get an earlier value again: it is no longer dead then.
        """
        for number in numbers:
            for key in keys:
                older = {value for _, value in self.world.history[key]} - {self.world.current(key)}
                self.dead[number][key] = older
        for key in keys:
            for dead in self.dead:
                dead.get(key, set()).discard(self.world.current(key))

    async def invalidate(self, key: Key, how: str, by: str, number: int, asks: bool = True) -> None:
        """Invalidate a key in one of the ways, and wait until both processes have applied it.

        `asks`: whether to ask the process at once that invalidates it.
        """
        kind, one, name = key
        subgraph = FIELDS[kind][name]
        tags = {
            "key": [f'entity:{kind}:{{"id":"{one}"}}'],
            "type": [f"type:{subgraph}:{kind}", f"type:{subgraph}:Product"],
            "subgraph": [f"subgraph:{subgraph}"],
            "tag": [f"tag:all-{subgraph}"],
        }[how]
        cache = self.rigs[number].cache
        if by == "everywhere":
            with contextlib.suppress(Exception):  # Redis is away: it is published later
                await cache.invalidate_everywhere(tags)
        elif by == "invalidate":
            cache.invalidate(tags)
        else:
            await self.announce(tags)
        if by != "message":
            self.kill((number,), [key])
            if asks:
                await self.everything(key, (number,))
        await self.applied()
        self.kill((0, 1), [key])

    async def announce(self, tags: list[str]) -> None:
        """Publish tags as a service does."""
        text = "[" + ",".join(_quoted(one) for one in tags) + "]"
        await self.redis.xadd(f"{self.prefix}{{cache}}:invalidations", {"tags": text})

    async def applied(self) -> None:
        """Wait until both processes have published their invalidations, and applied all of them."""
        for rig in self.rigs:
            fence = rig.cache.fence
            backplane = rig.cache.backplane
            assert backplane is not None
            await until(lambda b=backplane: not b.unsent)  # type: ignore[misc]
            await until(lambda f=fence: not f.unpublished)  # type: ignore[misc]
        self.marks += 1
        mark = f"tag:mark-{self.marks}"
        await self.announce([mark])
        await until(lambda: all(mark in rig.cache.fence.shared.last for rig in self.rigs))

    async def settled(self) -> None:
        """Let refreshes in the background end."""
        await until(lambda: not any(rig.pending for rig in self.rigs))

    async def everything(self, key: Key, numbers: tuple[int, ...] = (0, 1)) -> None:
        """Ask processes for a key."""
        for number in numbers:
            for query in QUERIES:
                if key[2] in query:
                    await self.check(number, (query, "kim", PRODUCTS, PEOPLE))

    async def end(self) -> None:
        """Compare with the gateway without a cache, and close."""
        try:
            await self.settled()
            for query in QUERIES:
                given: dict[str, Any] = {"ids": PRODUCTS} if "$ids" in query else {}
                given |= {"people": PEOPLE} if "$people" in query else {}
                expected = await self.plain.ask(query, "kim", **given)
                fresh = {"cache-control": "no-cache"}
                assert await self.rigs[0].ask(query, "kim", fresh, **given) == expected
            for rig in self.rigs:
                memory = rig.cache.memory
                assert memory.size == sum(one.size for _, _, one in memory.all())
                assert memory.count == len(list(memory.all()))
        finally:
            for rig in self.rigs:
                await rig.close()


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


def _values(found: Any) -> Iterator[tuple[Key, Any]]:
    """Yield the values in an answer, with their keys."""
    if isinstance(found, list):
        for one in found:
            yield from _values(one)
    elif isinstance(found, dict) and "id" not in found:
        for one in found.values():
            yield from _values(one)
    elif isinstance(found, dict):
        for name, value in found.items():
            if name in LINKS:
                yield (found["__typename"], found["id"], name), value["id"] if value else None
                yield from _values(value)
            elif name not in ("id", "__typename"):
                yield (found["__typename"], found["id"], name), value


_local, _shared = Positions.is_valid, Fence.is_valid_in_redis


def _forget(processes: Processes) -> None:
    """Let one of the fences, `local` or `shared`, find everything valid; `remember` ends it."""

    def replaced(self: Positions, position: int, tags: Any) -> bool:
        is_local = any(self is rig.cache.fence.local for rig in processes.rigs)
        return is_local or _local(self, position, tags)

    if processes.forgotten == "local":
        Positions.is_valid = replaced  # type: ignore[method-assign]
    else:
        Fence.is_valid_in_redis = lambda *_: True  # type: ignore[method-assign]


def remember() -> None:
    """Use the fences again."""
    Positions.is_valid, Fence.is_valid_in_redis = _local, _shared  # type: ignore[method-assign]
