"""The second level of the cache: entries in Redis, which all processes share.

Lookups of one turn of the event loop become one MGET per subgraph, and stores one pipeline of SETs, after the
replies of the turn were passed on. All keys of a subgraph have the same hash tag, so that in a cluster each
pipeline concerns one node.

An entry has the epoch of the Redis database and the position of the fence before its fetch (see `fence`). An
entry of another epoch is ignored: the invalidations of its time may be lost with the data.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from gateway.cache.fence import Fence
from gateway.cache.keys import entry_digest
from gateway.cache.memory import Entry, Space
from gateway.cache.packing import PLAIN, best_packing, unpacked
from gateway.cache.redis_nodes import Nodes
from gateway.cache.resp import Command, RedisFailure
from gateway.core.clock import Clock

VERSION = 2
POSITION = 20  # bytes of a position: two numbers of 64 bits, and some room
LEASE = b"1000"
"""Milliseconds in which one process alone fetches a value for which several ask at once."""
Found = Callable[[Sequence[Entry | None] | None], object]
"""Receives an entry or None for each value; None instead of all of them if Redis has failed."""
Wanted = Sequence[tuple[Space, bytes]]


class _Stored(msgspec.Struct, array_like=True):
    """An entry as Redis has it; times are seconds since 1970 by the clock of Redis, `cost` the seconds that
    its fetch took.
    """

    version: int
    epoch: bytes
    position: bytes
    fetched: float
    fresh_until: float
    stale_until: float
    error_until: float
    cost: float
    private: bool
    tags: list[str]
    encoding: int
    value: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Stored).decode


class SharedEntries:
    """The entries in Redis.

    - `epoch`: identifies the data of Redis; None while it is not known, and then nothing is read or stored.
    - `offset`: the time of Redis less the monotonic time here, so that all processes mean the same by a time,
      whatever their own clocks say.
    - `early`: returns when an entry is fetched again (`Cache.early`).
    - `errors`: how many pipelines failed. `refused`: how many values Redis did not store.
    """

    def __init__(
        self,
        nodes: Nodes,
        fence: Fence,
        prefix: bytes,
        early: Callable[[float, float, float], float],
        clock: Clock,
        compress: int,
    ) -> None:
        self.nodes = nodes
        self.fence = fence
        self.prefix = prefix
        self.early = early
        self.clock = clock
        self.compress = compress
        self.packing = best_packing()
        self.epoch: bytes | None = None
        self.offset = clock.now() - clock.time()
        self.errors = self.refused = 0
        self._reads: dict[str, list[tuple[Wanted, Found]]] = {}
        self._writes: dict[str, list[Command]] = {}

    def is_usable(self) -> bool:
        """Return whether Redis is asked: its epoch is known and it has not just failed."""
        return self.epoch is not None and self.nodes.breaker.allows()

    def key(self, subgraph: str, space: Space, key: bytes) -> bytes:
        """Return the key of an entry in Redis."""
        return b"%b{%b}:%b" % (self.prefix, subgraph.encode(), entry_digest(space.digest, key).hex().encode())

    def get(self, subgraph: str, wanted: Wanted, done: Found) -> None:
        """Look entries up; `done` is called once."""
        waiting = self._reads.get(subgraph)
        if waiting is None:
            waiting = self._reads[subgraph] = []
            self.clock.call_soon(self._send_reads, subgraph)
        waiting.append((wanted, done))

    def _send_reads(self, subgraph: str) -> None:
        waiting = self._reads.pop(subgraph)
        try:
            keys = [self.key(subgraph, space, key) for wanted, _ in waiting for space, key in wanted]
        except (TypeError, ValueError, RecursionError):  # a representation that JSON can't represent
            self._found(waiting, RedisFailure)
            return
        self.nodes.send(keys[0], [(b"MGET", *keys)], lambda replies: self._found(waiting, replies))

    def _found(self, waiting: Sequence[tuple[Wanted, Found]], replies: Any) -> None:
        """Pass what Redis has to each lookup; nothing if it has failed."""
        values = replies[0] if isinstance(replies, list) else None
        if not isinstance(values, list):
            self.errors += 1
            for _, done in waiting:
                done(None)
            return
        start = 0
        for wanted, done in waiting:
            mine = values[start : start + len(wanted)]
            start += len(wanted)
            done([self._entry(space, one) for (space, _), one in zip(wanted, mine, strict=True)])

    def _entry(self, space: Space, stored: Any) -> Entry | None:
        """Return an entry of Redis; None if it is not valid, or no entry at all."""
        if not isinstance(stored, bytes):
            return None
        try:
            found = _decode(stored)
            value = unpacked(found.value, found.encoding)
        except (ValueError, RecursionError):
            return None
        position, known = int.from_bytes(found.position, "big"), self.fence
        is_known = found.version == VERSION and found.epoch == self.epoch
        if not (is_known and known.is_valid_in_redis(position, (*space.tags, *found.tags))):
            return None
        now, lifetime = self.clock.time(), found.fresh_until - found.fetched
        age = max(now + self.offset - found.fetched, 0.0)
        until = now + lifetime - age
        return Entry(
            value,
            tuple(found.tags),
            self.fence.local.position,
            now,
            until,
            early=self.early(until, lifetime, found.cost),
            stale_until=until + found.stale_until - found.fresh_until,
            error_until=until + found.error_until - found.fresh_until,
            private=found.private,
        )

    def put(self, subgraph: str, space: Space, key: bytes, entry: Entry, position: int) -> None:
        """Store an entry soon. `position`: of the shared fence before its fetch."""
        epoch, now, offset = self.epoch, self.clock.time(), self.offset
        milliseconds = int((entry.last_use - now) * 1_000)
        if epoch is None or milliseconds <= 0 or not self.nodes.breaker.allows():
            return
        value, encoding = entry.value, PLAIN
        if len(value) >= self.compress:
            value, encoding = self.packing.compress(value), self.packing.encoding
        stored = _encode(
            _Stored(
                VERSION,
                epoch,
                position.to_bytes(POSITION, "big"),
                now + offset,
                entry.fresh_until + offset,
                entry.stale_until + offset,
                entry.error_until + offset,
                now - entry.born,
                entry.private,
                list(entry.tags),
                encoding,
                value,
            )
        )
        waiting = self._writes.get(subgraph)
        if waiting is None:
            waiting = self._writes[subgraph] = []
            self.clock.call_soon(self._send_writes, subgraph)
        waiting.append((b"SET", self.key(subgraph, space, key), stored, b"PX", b"%d" % milliseconds))

    def lease(self, subgraph: str, wanted: Wanted, done: Callable[[Sequence[bool]], object]) -> None:
        """Ask for the right to fetch values; `done` is called with whether each was granted.

        Only one process gets it, for LEASE seconds. If Redis fails, it is granted.
        """
        keys = [self.key(subgraph, space, key) + b":lease" for space, key in wanted]

        def replied(replies: Any) -> None:
            if isinstance(replies, list):
                done([one is not None for one in replies])
            else:
                done([True] * len(keys))

        self.nodes.send(keys[0], [(b"SET", key, b"1", b"NX", b"PX", LEASE) for key in keys], replied)

    def _send_writes(self, subgraph: str) -> None:
        commands = self._writes.pop(subgraph)
        self.nodes.send(commands[0][1], commands, self._written)

    def _written(self, replies: Any) -> None:
        if isinstance(replies, list):
            self.refused += sum(isinstance(one, Exception) for one in replies)
        else:
            self.errors += 1
