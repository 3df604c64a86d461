"""A service's own cache of what it reads: memory, then Redis, then the source, which loads what is missing.

It is the gateway's cache (`gateway/cache`) beside the database of a service: the same memory, the same
entries in Redis, and the same stream of invalidations. The relay publishes the tags of an event
(`kit/cache_tags`), and every process drops what has them. A value that was being loaded meanwhile is not
stored. While Redis is away, a process uses its own entries for STALENESS seconds, then the source.

If the source does not answer, an older value stands in, unless an event has invalidated it; then the function
`stand_in`, which asks another store, such as the read side. What it returns is not stored.

Example:

    profiles = CachedKind(
        "musician_profile", Profile, 3600, tags=partial(object_tags, "Musician"), load=profiles_by_ids
    )
    profile = await cached.get(profiles, musician_id, force=force_refresh)
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec
import structlog

from gateway.cache.cache import Cache
from gateway.cache.keys import digest, subgraph_tag
from gateway.cache.memory import Entry, Space
from gateway.cache.redis_nodes import make_nodes
from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.settings import CacheSettings, RedisSettings, Secret
from subgraphs.kit.outages import does_not_answer
from subgraphs.kit.revocation import PREFIX

log = structlog.get_logger("subgraphs.cached")

STALENESS: Final = 2.0
MEMORY: Final = 32_000_000  # bytes in each process
SOURCE_SECONDS: Final = 3.0
"""How long the source may take before it counts as one that does not answer."""

Id = TypeVar("Id", bound=Hashable)
Value = TypeVar("Value")
Load = Callable[[Sequence[Id]], Awaitable[Mapping[Id, Value]]]


@dataclass(frozen=True, slots=True)
class CachedKind(Generic[Id, Value]):
    """One kind of cached values, each under the key `<name>:<id>`.

    `value`: their type, which msgspec encodes. `lifetime`: seconds. `tags`: those of one value. `load`
    returns the values of the source that exist, `stand_in` those of another store, while the source does not
    answer.
    """

    name: str
    value: type[Value]
    lifetime: float
    tags: Callable[[Id], Sequence[str]]
    load: Load[Id, Value]
    stand_in: Load[Id, Value] | None = None

    @property
    def version(self) -> bytes:
        """Return what changes with the fields of the values, so that no program reads another's entries."""
        return msgspec.json.encode(msgspec.json.schema(self.value))


@dataclass(frozen=True, slots=True)
class _Pending:
    """A value that is being read: its future, and the fence's position before the read."""

    future: "asyncio.Future[Any]"
    position: int


@dataclass(slots=True)
class Levels:
    """How many values were found in each level: in memory, in Redis, in the source; and how many stood in."""

    memory: int = 0
    redis: int = 0
    source: int = 0
    stale: int = 0
    stand_in: int = 0


class Cached:
    """The cache of one service process, as one of the service's parts.

    `levels`: the numbers so far.
    """

    def __init__(self, redis_url: str, service: str, clock: Clock = SYSTEM_CLOCK) -> None:
        nodes = make_nodes(RedisSettings(url=Secret(redis_url)), clock)
        settings = CacheSettings(enabled=True, redis=True, memory=MEMORY, staleness=STALENESS)
        self.cache = Cache(settings, clock, alone=False, nodes=nodes, prefix=PREFIX)
        self.service = service
        self.levels = Levels()
        self._clock = clock
        self._spaces: dict[str, Space] = {}
        self._pending: dict[tuple[str, Hashable], _Pending] = {}
        self._loads: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start to receive invalidations."""
        self.cache.start()

    async def stop(self) -> None:
        """End the running loads and close the connections to Redis."""
        for task in self._loads:
            task.cancel()
        await asyncio.gather(*self._loads, return_exceptions=True)
        await self.cache.close()

    def invalidate(self, tags: Sequence[str]) -> None:
        """Drop the values with these tags: here at once, also those in Redis, and elsewhere soon.

        The relay publishes the tags of an event in any case; this process must not serve an older value to
        a caller who has learned of the event before.
        """
        self.cache.invalidate(tags)

    async def get(self, kind: CachedKind[Id, Value], key: Id, *, force: bool = False) -> Value | None:
        """Return one value, None if there is none; `force` and errors: see `get_all`."""
        return (await self.get_all(kind, [key], force=force)).get(key)

    async def get_all(
        self, kind: CachedKind[Id, Value], keys: Sequence[Id], *, force: bool = False
    ) -> dict[Id, Value]:
        """Return the values that exist, by key. `force`: load them from the source, and store them.

        A value is loaded once for all who wait for it. Raises the errors of the source.
        """
        found: dict[Id, Value] = {}
        missing = [key for key in keys if force or not self._in_memory(kind, key, found)]
        waiting = {} if force else self._joined(kind, missing)
        own = [key for key in missing if key not in waiting]
        if own:
            waiting |= self._begin(kind, own, force)
        for key, future in waiting.items():
            value = await asyncio.shield(future)
            if value is not None:
                found[key] = value
        return found

    def _joined(
        self, kind: CachedKind[Id, Value], keys: Sequence[Id]
    ) -> dict[Id, "asyncio.Future[Value | None]"]:
        """Return the reads that others have begun, unless the value was invalidated since."""
        local, found = self.cache.fence.local, {}
        for key in keys:
            pending = self._pending.get((kind.name, key))
            tags = (*self._space(kind).tags, *kind.tags(key))
            if pending is not None and local.is_valid(pending.position, tags):
                found[key] = pending.future
        return found

    def _begin(
        self, kind: CachedKind[Id, Value], keys: Sequence[Id], force: bool
    ) -> dict[Id, "asyncio.Future[Value | None]"]:
        """Start to read values in a task, so that a caller who gives up takes nothing from others."""
        loop = asyncio.get_running_loop()
        waiting: dict[Id, asyncio.Future[Value | None]] = {key: loop.create_future() for key in keys}
        position = self.cache.fence.local.position
        self._pending.update(
            {(kind.name, key): _Pending(future, position) for key, future in waiting.items()}
        )
        task = loop.create_task(self._read(kind, waiting, force), name=f"cached {kind.name}")
        self._loads.add(task)
        task.add_done_callback(self._loads.discard)
        return waiting

    async def _read(
        self, kind: CachedKind[Id, Value], waiting: "dict[Id, asyncio.Future[Value | None]]", force: bool
    ) -> None:
        """Read values from Redis, then from the source, and pass them on."""
        try:
            left = list(waiting)
            if not force:
                left = await self._from_redis(kind, waiting)
            values = await self._from_source(kind, left) if left else {}
            for key in left:
                _settle(waiting[key], values.get(key))
        except Exception as error:
            for future in waiting.values():
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # a caller that has gone away need not retrieve it
        finally:
            for key, future in waiting.items():
                future.cancel()  # only if the read was cancelled it is not done
                pending = self._pending.get((kind.name, key))
                if pending is not None and pending.future is future:
                    del self._pending[kind.name, key]

    def _space(self, kind: CachedKind[Any, Any]) -> Space:
        """Return the space of a kind's entries."""
        found = self._spaces.get(kind.name)
        if found is None:
            name = digest(b"aside", self.service.encode(), kind.name.encode(), kind.version)
            found = self._spaces[kind.name] = Space(name, (subgraph_tag(self.service),))
        return self.cache.memory.spaces.get(found.digest, found)

    def _in_memory(self, kind: CachedKind[Id, Value], key: Id, found: dict[Id, Value]) -> bool:
        """Add a value of this process's memory to `found`; return whether it is there, valid and fresh."""
        entry, now = self._known(kind, key), self._clock.time()
        if entry is None or entry.fresh_until <= now or entry.born < self.cache.horizon(now):
            return False
        entry.used = True
        self.levels.memory += 1
        found[key] = msgspec.json.decode(entry.value, type=kind.value)
        return True

    def _known(self, kind: CachedKind[Id, Value], key: Id) -> Entry | None:
        """Return the valid entry of a value in memory, also a stale one."""
        space = self._space(kind)
        entry = space.entries.get(_name(kind, key))
        return entry if entry is not None and self.cache.memory.is_valid(entry, space) else None

    async def _from_redis(
        self, kind: CachedKind[Id, Value], waiting: "dict[Id, asyncio.Future[Value | None]]"
    ) -> list[Id]:
        """Pass on the values that Redis has, and return the other keys."""
        shared = self.cache.shared
        if shared is None or not shared.is_usable():
            return list(waiting)
        looked_up: asyncio.Future[Sequence[Entry | None] | None] = asyncio.get_running_loop().create_future()
        space, left = self._space(kind), []
        wanted = [(space, _name(kind, key)) for key in waiting]
        shared.get(self.service, wanted, lambda entries: _settle(looked_up, entries))
        entries = await looked_up
        if entries is None:  # Redis has failed
            return list(waiting)
        for key, entry in zip(waiting, entries, strict=True):
            if entry is None or entry.fresh_until <= self._clock.time():
                left.append(key)
                continue
            self.cache.memory.put(space, _name(kind, key), entry)
            self.levels.redis += 1
            _settle(waiting[key], msgspec.json.decode(entry.value, type=kind.value))
        return left

    async def _from_source(self, kind: CachedKind[Id, Value], keys: Sequence[Id]) -> Mapping[Id, Value]:
        """Load values and store them; while the source does not answer, return what stands in."""
        fence, born = self.cache.fence, self._clock.time()
        position, shared_position = fence.local.position, fence.shared.position
        try:
            async with asyncio.timeout(SOURCE_SECONDS):
                values = await kind.load(keys)
        except Exception as error:
            if not (does_not_answer(error) or isinstance(error, TimeoutError)):
                raise
            return await self._standing_in(kind, keys, error)
        self.levels.source += len(keys)
        until = self._clock.time() + kind.lifetime
        for key, value in values.items():
            tags, encoded = tuple(kind.tags(key)), msgspec.json.encode(value)
            entry = Entry(encoded, tags, position, born, until, error_until=until + kind.lifetime)
            self.cache.memory.put(self._space(kind), _name(kind, key), entry)
            if self.cache.shared is not None:
                self.cache.shared.put(
                    self.service, self._space(kind), _name(kind, key), entry, shared_position
                )
        return values

    async def _standing_in(
        self, kind: CachedKind[Id, Value], keys: Sequence[Id], error: Exception
    ) -> Mapping[Id, Value]:
        """Return older values, and for the rest those of another store. Raises `error` if one is missing."""
        log.warning("the source does not answer", kind=kind.name, reason=type(error).__name__)
        entries = {key: entry for key in keys if (entry := self._known(kind, key)) is not None}
        found = {key: msgspec.json.decode(one.value, type=kind.value) for key, one in entries.items()}
        self.levels.stale += len(found)
        left = [key for key in keys if key not in found]
        if left and kind.stand_in is not None:
            try:
                others = await kind.stand_in(left)
            except Exception as failure:  # the caller's problem is the source
                raise error from failure
            self.levels.stand_in += len(others)
            found |= others
        if len(found) < len(keys):
            raise error
        return found


def _name(kind: CachedKind[Any, Any], key: object) -> bytes:
    return f"{kind.name}:{key}".encode()


def _settle(future: "asyncio.Future[Any]", value: Any) -> None:
    if not future.done():
        future.set_result(value)
