"""Invalidations that all processes learn of: a Redis stream, whose ids are the fence's shared positions.

Services and gateways append messages with the field `tags`, a JSON list of tags. Each process reads the
stream over a connection of its own, within milliseconds of each message, and on from where it stopped after a
failure. While it receives nothing, not even the regular empty reply, `Cache.confirmed` stays behind, so that
its own entries are used no longer than `staleness` allows.

The epoch is a random text beside the stream. A process that finds another epoch knows that the data of Redis
was lost, and with it perhaps invalidations: it drops its own entries.

Example: `XADD gateway:{cache}:invalidations MAXLEN ~ 100000 * tags '["tag:city-Bern"]'`.
"""

import asyncio
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from gateway.cache.fence import Fence, Positions
from gateway.cache.keys import LONGEST_TAG
from gateway.cache.redis_nodes import Nodes
from gateway.cache.resp import Reason, RedisError, RedisFailure
from gateway.cache.shared import SharedEntries
from gateway.core.clock import Clock
from gateway.observe.facts import RedisFailed, RedisReturned
from gateway.observe.observer import Observer

MESSAGES = b"100000"
"""About how many messages the stream retains; entries that are older than the first of them are invalid."""
PAGE = 128  # messages that are read at once; fewer after a reply that was too large
PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0)  # seconds before each further attempt to reach Redis
UNSENT = 100_000  # the number of tags that wait for Redis to return
TAGS_AT_ONCE = 1_000  # of one message
SEQUENCE_BITS = 64

_read_tags = msgspec.json.Decoder(list[str]).decode


class Levels(Protocol):
    """What the backplane needs of the cache."""

    fence: Fence
    confirmed: float


def number_of(message: bytes) -> int:
    """Return the id of a message (`1700000000000-3`) as one integer. Raises ValueError."""
    milliseconds, _, sequence = message.partition(b"-")
    number: int = int(milliseconds) << SEQUENCE_BITS
    return number | int(sequence or b"0")


class Backplane:
    """Reads and publishes invalidations.

    `block`: the seconds that Redis waits for a message before it replies that there is none.
    `read`, `ignored`: the number of messages so far, and of those that could not be understood. `last`: the
    id of the last message. `name`: distinguishes this process's messages.
    """

    def __init__(
        self,
        nodes: Nodes,
        levels: Levels,
        shared: SharedEntries,
        prefix: bytes,
        observer: Observer,
        clock: Clock,
        block: float,
    ) -> None:
        self.nodes = nodes
        self.levels = levels
        self.shared = shared
        self.stream = prefix + b"{cache}:invalidations"
        self.epoch_key = prefix + b"{cache}:epoch"
        self.observer = observer
        self.block = block
        self.clock = clock
        self.name = secrets.token_hex(8).encode()
        self.last = b"0-0"
        self.read = self.ignored = 0
        self.epoch: bytes | None = None
        self.unsent: dict[str, None] = {}
        self.overflowed = False
        self.page = PAGE
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to read, in a task."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())

    async def close(self) -> None:
        """Stop to read, and close all connections."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self.nodes.close()

    async def _run(self) -> None:
        """Read for ever; after a failure connect again."""
        attempt = 0
        while True:
            reader = self.nodes.blocking_reader(self.stream, self.block)
            try:
                await self._connect()
                if attempt:
                    self.observer.emit(RedisReturned())
                attempt, check_at = 0, self.clock.time()
                while True:
                    found = await reader.read({self.stream: self.last}, self.page)
                    self._receive(found.get(self.stream, ()))
                    if not found or self.clock.time() >= check_at:
                        await self._check_epoch()
                        check_at = self.clock.time() + self.block
                    self._publish_unsent()
                    if self.overflowed:
                        raise ValueError("too many invalidations have waited for Redis")
            except (RedisFailure, RedisError, ValueError, TypeError) as error:
                self.shared.epoch = None
                if isinstance(error, RedisFailure) and error.reason is Reason.PROTOCOL:
                    self.overflowed = self.overflowed or self.page == 1  # a message alone is too large
                    self.page = max(self.page // 8, 1)
                if not attempt:
                    self.observer.emit(RedisFailed(f"{type(error).__name__}: {error}"))
            finally:
                await reader.close()
            await self.clock.sleep(PAUSES[min(attempt, len(PAUSES) - 1)])
            attempt += 1

    async def _connect(self) -> None:
        """Find the epoch, and read what the stream has. Raises RedisFailure or RedisError."""
        once: tuple[bytes, ...] = (b"NX",)
        if self.overflowed:  # a new epoch makes everything invalid, everywhere, so no message is needed
            once = ()
            await self._ask((b"XTRIM", self.stream, b"MAXLEN", b"0"))
        _, epoch, message = await self._ask(
            (b"SET", self.epoch_key, secrets.token_hex(8).encode(), *once),
            (b"GET", self.epoch_key),
            (b"XADD", self.stream, b"MAXLEN", b"~", MESSAGES, b"*", b"tags", b"[]", b"from", self.name),
        )
        self.shared.offset = int(message.partition(b"-")[0]) / 1_000 - self.clock.time()
        floor = await self._first_retained()
        is_known = epoch == self.epoch and number_of(self.last) >= number_of(floor)
        if not is_known:
            if self.epoch is not None:
                self.levels.fence.invalidate_all()
            self.levels.fence.shared = Positions()
            self.levels.fence.shared.floor = number_of(floor)
            self.last = b"0-0"
        if self.overflowed:  # what was in the stream concerns the epoch before
            self.last, self.page = message, PAGE
            self.levels.fence.shared.floor = number_of(message)
            self.levels.fence.unpublished.clear()
        self.epoch, self.overflowed = epoch, False
        await self._catch_up()
        self.shared.epoch = epoch

    async def _first_retained(self) -> bytes:
        """Return the id of the stream's first message if there were others before it; else the least id."""
        info = _pairs((await self._ask((b"XINFO", b"STREAM", self.stream)))[0])
        first = info.get(b"first-entry")
        is_cut = isinstance(first, list) and info.get(b"entries-added") != info.get(b"length")
        return first[0] if isinstance(first, list) and is_cut else b"0-0"

    async def _catch_up(self) -> None:
        """Read all messages after the last one."""
        while True:
            command = (b"XRANGE", self.stream, b"(" + self.last, b"+", b"COUNT", b"%d" % self.page)
            rows = (await self._ask(command))[0]
            self._receive([(row[0], row[1]) for row in rows])
            if len(rows) < self.page:
                return

    async def _check_epoch(self) -> None:
        """Raise RedisFailure if the data of Redis was lost, so that the reader connects again."""
        if (await self._ask((b"GET", self.epoch_key)))[0] != self.epoch:
            raise ValueError("the data of Redis was lost")

    async def _ask(self, *commands: Sequence[bytes]) -> list[Any]:
        """Return the replies to commands. Raises RedisFailure, or RedisError for an error reply."""
        replies = await self.nodes.request(self.stream, commands)
        for one in replies:
            if isinstance(one, RedisError):
                raise one
        return replies

    def _receive(self, messages: Iterable[tuple[bytes, Sequence[bytes]]]) -> None:
        """Apply messages: invalidate their tags, except in memory if this process has sent them."""
        fence = self.levels.fence
        for number, fields in messages:
            self.last = number
            self.read += 1
            given = _pairs(fields)
            try:
                tags = _read_tags(given.get(b"tags", b""))
            except msgspec.DecodeError:
                self.ignored += 1
                continue
            tags = [one for one in tags if len(one) <= LONGEST_TAG]  # no entry has a longer one
            if given.get(b"from") == self.name:
                fence.published(tags, number_of(number))
            else:
                fence.invalidate(tags, number_of(number))
        self.levels.confirmed = self.clock.time()

    def publish(self, tags: Iterable[str]) -> None:
        """Publish an invalidation that was already applied here; while Redis is away, later."""
        if not self.unsent:
            self.clock.call_soon(self._publish_unsent)
        self.unsent.update(dict.fromkeys(tags))
        if len(self.unsent) > UNSENT:
            self.unsent.clear()
            self.levels.fence.unpublished.clear()  # the new epoch will make all entries of Redis invalid
            self.overflowed = True

    def _publish_unsent(self) -> None:
        """Send the invalidations that wait, as one message; keep them if Redis does not accept it."""
        tags, until = list(self.unsent)[:TAGS_AT_ONCE], self.levels.fence.local.position
        if not tags:
            return
        for one in tags:
            del self.unsent[one]

        def replied(replies: Any) -> None:
            if isinstance(replies, list) and isinstance(replies[0], bytes):
                self.levels.fence.published(tags, number_of(replies[0]), until)
            else:
                self.unsent.update(dict.fromkeys(tags))

        self.nodes.send(self.stream, [self._message(tags)], replied)

    async def invalidate(self, tags: Sequence[str]) -> None:
        """Publish an invalidation, and return when Redis has it.

        Raises RedisFailure or RedisError; then it is published when Redis returns.
        """
        for start in range(0, len(tags), TAGS_AT_ONCE):
            part, until = tags[start : start + TAGS_AT_ONCE], self.levels.fence.local.position
            try:
                (number,) = await self._ask(self._message(part))
            except (RedisFailure, RedisError):
                self.publish(tags[start:])
                raise
            self.levels.fence.published(part, number_of(number), until)

    def _message(self, tags: Sequence[str]) -> Sequence[bytes]:
        text = msgspec.json.encode(list(tags))
        return (
            *(b"XADD", self.stream, b"MAXLEN", b"~", MESSAGES, b"*"),
            *(b"tags", text, b"from", self.name),
        )


def _pairs(flat: Any) -> Mapping[bytes, Any]:
    """Return a flat list of names and values as a mapping; {} for anything else."""
    if not isinstance(flat, list) or len(flat) % 2:
        return {}
    return dict(zip(flat[::2], flat[1::2], strict=True))
