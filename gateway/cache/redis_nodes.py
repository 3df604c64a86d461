"""Which Redis server a key goes to: one server, the master that sentinels name, or a node of a cluster."""

import asyncio
import math
from binascii import crc_hqx
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from gateway.cache.redis_server import Address, BlockingReader, Node, fixed, parse_url
from gateway.cache.resp import (
    CONNECT_TIMEOUT,
    Command,
    Done,
    Reason,
    RedisError,
    RedisFailure,
    Replies,
    replies_of,
)
from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.core.errors import SettingsError
from gateway.resilience.breaker import Breaker, BreakerLimits
from gateway.settings import RedisSettings

SLOTS = 16_384
MAX_NODES = 1_024  # of a cluster
REFRESH_PAUSE = 1.0  # seconds between the beginnings of two refreshes of a cluster's map


class Nodes(Protocol):
    """The Redis servers of one URL."""

    @property
    def breaker(self) -> Breaker:
        """Return the breaker that says whether Redis is asked; call only its `allows`, and read its state.

        In a cluster it is open while no node returns the map; each node has another breaker.
        """
        ...

    def send(self, routing: bytes, commands: Sequence[Command], done: Done) -> None:
        """Send a pipeline to the server of the key `routing`; all its keys must be in that key's slot.

        `done` is called exactly once, perhaps before `send` returns: with the replies in order, error replies
        as RedisError values, or with a RedisFailure, at the latest after the timeout.
        """
        ...

    async def request(self, routing: bytes, commands: Sequence[Command]) -> Replies:
        """Return the replies to a pipeline, error replies as RedisError values. Raises RedisFailure."""
        ...

    def blocking_reader(self, routing: bytes, block: float) -> BlockingReader:
        """Return a reader of streams in the slot of `routing`, which waits for entries for `block` seconds.

        The caller closes it.
        """
        ...

    async def close(self) -> None:
        """Close the connections; pending pipelines fail, and further ones fail at once."""
        ...


class SingleNode:
    """One server at a fixed address. `timeout`: seconds."""

    def __init__(
        self,
        address: Address,
        timeout: float,
        clock: Clock = SYSTEM_CLOCK,
        limits: BreakerLimits | None = None,
    ) -> None:
        self.address = address
        self.clock = clock
        self.breaker = Breaker(limits, clock)
        self._node = Node(self._resolve, timeout, self.breaker, clock)

    async def _resolve(self) -> Address:
        return self.address

    def send(self, routing: bytes, commands: Sequence[Command], done: Done) -> None:
        self._node.send(commands, done)

    async def request(self, routing: bytes, commands: Sequence[Command]) -> Replies:
        return await replies_of(lambda done: self.send(routing, commands, done))

    def blocking_reader(self, routing: bytes, block: float) -> BlockingReader:
        return BlockingReader(self._resolve, block, self.clock)

    async def close(self) -> None:
        await self._node.close()


class Sentinel(SingleNode):
    """The master of a name. Each new connection asks the sentinels for its address.

    `address`: how to log in at the master; its host is not used. `sentinels`: their addresses.
    """

    def __init__(
        self,
        sentinels: Sequence[Address],
        master: str,
        address: Address,
        timeout: float,
        clock: Clock = SYSTEM_CLOCK,
        limits: BreakerLimits | None = None,
    ) -> None:
        super().__init__(address, timeout, clock, limits)
        self.sentinels = list(sentinels)
        self.master = master.encode()

    def send(self, routing: bytes, commands: Sequence[Command], done: Done) -> None:
        def received(result: Replies | RedisFailure) -> None:
            if not isinstance(result, RedisFailure) and any(
                type(reply) is RedisError and reply.code == "READONLY" for reply in result
            ):
                self._node.drop()  # a replica by now
            done(result)

        self._node.send(commands, received)

    async def _resolve(self) -> Address:
        """Return the master's address, from the first sentinel that knows it. Raises RedisFailure."""
        command = (b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", self.master)
        for sentinel in tuple(self.sentinels):
            reply = await _ask_once(
                sentinel, command, CONNECT_TIMEOUT / (len(self.sentinels) + 1), self.clock
            )
            try:
                host, port = reply
                address = replace(self.address, host=host.decode(), port=int(port))
            except (TypeError, ValueError, AttributeError):
                continue
            self.sentinels.remove(sentinel)
            self.sentinels.insert(0, sentinel)  # it is asked first next time
            return address
        raise RedisFailure(Reason.CONNECT, "no sentinel names the master")


async def _ask_once(address: Address, command: Command, timeout: float, clock: Clock) -> Any:
    """Return the reply to one command over a connection for it alone; None if there is no reply."""

    node = Node(fixed(address), timeout, Breaker(clock=clock), clock)
    try:
        return (await node.request([command]))[0]
    except RedisFailure:
        return None
    finally:
        await node.close()


def slot_of(key: bytes) -> int:
    """Return the hash slot of a key, from 0 to 16,383: that of the text in its first braces, if any.

    Example: `{accounts}:1` and `{accounts}:2` have the slot of `accounts`.
    """
    begin = key.find(b"{")
    if begin >= 0:
        end = key.find(b"}", begin)
        if end > begin + 1:
            key = key[begin + 1 : end]
    return crc_hqx(key, 0) % SLOTS  # CRC-16/XMODEM


class Cluster:
    """The nodes of a cluster, by hash slots. `seeds`: addresses of some nodes. `timeout`: seconds.

    The map of slots is read in the background when a slot is not known, or when a node fails or replies
    MOVED; a pipeline does not wait for it, but goes where the reply MOVED or ASK says, once.
    """

    def __init__(
        self,
        seeds: Sequence[Address],
        timeout: float,
        clock: Clock = SYSTEM_CLOCK,
        limits: BreakerLimits | None = None,
    ) -> None:
        self.seeds = tuple(seeds)
        self.timeout = timeout
        self.clock = clock
        self.limits = limits
        self.breaker = Breaker(BreakerLimits(window=1, minimum=0), clock)
        self._nodes: dict[tuple[str, int], Node] = {}
        self._slots: list[Node | None] = [None] * SLOTS
        self._refreshing: asyncio.Task[None] | None = None
        self._refresh_after = -math.inf
        self._is_closed = False
        self._node(self.seeds[0].host, self.seeds[0].port)

    def send(self, routing: bytes, commands: Sequence[Command], done: Done) -> None:
        node = self._slots[slot_of(routing)]
        if node is None or not self.breaker.is_closed:
            self._refresh()
        if node is None:
            node = next(iter(self._nodes.values()))
        node.send(commands, _Attempt(self, commands, done).received)

    async def request(self, routing: bytes, commands: Sequence[Command]) -> Replies:
        return await replies_of(lambda done: self.send(routing, commands, done))

    def blocking_reader(self, routing: bytes, block: float) -> BlockingReader:
        async def resolve() -> Address:
            await self._read_map()
            node = self._slots[slot_of(routing)]
            if node is None:
                raise RedisFailure(Reason.CONNECT, "no node of the cluster has the slot")
            return await node.resolve()

        return BlockingReader(resolve, block, self.clock)

    async def close(self) -> None:
        self._is_closed = True
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)
        for node in tuple(self._nodes.values()):
            await node.close()

    def failed(self, failure: RedisFailure) -> None:
        """Read the map again: another node may have the slots by now."""
        if failure.reason is not Reason.FULL:
            self._refresh()

    def redirected(self, error: RedisError) -> Node | None:
        """Return the node of an error reply `MOVED slot host:port` or `ASK ...`; None if it names none."""
        if error.code == "MOVED":
            self._refresh()
        try:
            code, slot, place = str(error).split(" ")
            host, _, port = place.rpartition(":")
            node = self._node(host, int(port)) if host and 0 <= int(slot) < SLOTS else None
        except ValueError:
            return None
        if code == "MOVED" and node is not None:
            self._slots[int(slot)] = node
        return node

    def _node(self, host: str, port: int) -> Node | None:
        """Return the node at an address; None if there are too many."""
        node = self._nodes.get((host, port))
        if node is None and len(self._nodes) < MAX_NODES and not self._is_closed:
            address = replace(self.seeds[0], host=host, port=port)
            node = Node(fixed(address), self.timeout, Breaker(self.limits, self.clock), self.clock)
            self._nodes[host, port] = node
        return node

    def _refresh(self) -> None:
        """Begin to read the map, unless that has just been done or has just failed."""
        is_due = self.clock.time() >= self._refresh_after and not self._is_closed
        if is_due and (self._refreshing is None or self._refreshing.done()) and self.breaker.acquire():
            self._refresh_after = self.clock.time() + REFRESH_PAUSE
            self._refreshing = asyncio.get_running_loop().create_task(self._read_map())

    async def _read_map(self) -> None:
        """Read the map from the first node that returns it."""
        places = dict.fromkeys([*self._nodes, *((seed.host, seed.port) for seed in self.seeds)])
        for host, port in places:
            node = self._node(host, port)
            if node is None:
                continue
            try:
                (rows,) = await node.request([(b"CLUSTER", b"SLOTS")], CONNECT_TIMEOUT)
                await self._use_map(rows, host)
            except (RedisFailure, TypeError, ValueError, AttributeError, IndexError):
                continue  # the reply is an error, or no map
            self.breaker.success()
            return
        self.breaker.failure()

    async def _use_map(self, rows: Any, asked: str) -> None:
        """Use the map in a reply to CLUSTER SLOTS: rows of first slot, last slot, master, replicas.

        A master has a host and a port first; without a host it is the node that was asked.
        """
        slots: list[Node | None] = [None] * SLOTS
        used: set[Node] = set()
        for first, last, (host, port, *_), *_ in rows:
            node = self._node(host.decode() if host else asked, int(port))
            if node is not None and 0 <= first <= last < SLOTS:
                slots[first : last + 1] = [node] * (last + 1 - first)
                used.add(node)
        if not used:
            raise ValueError("the map has no node")
        self._slots = slots
        for place, node in tuple(self._nodes.items()):
            if node not in used:
                del self._nodes[place]
                await node.close()


class _Attempt:
    """A pipeline on its way to a node of a cluster, and once more to the node that the reply names."""

    __slots__ = ("cluster", "commands", "deadline", "done", "redirects", "replies")

    def __init__(self, cluster: Cluster, commands: Sequence[Command], done: Done) -> None:
        self.cluster, self.commands, self.done = cluster, commands, done
        self.deadline = cluster.clock.time() + cluster.timeout
        self.replies: Replies = []
        self.redirects: list[int] = []  # the indexes of the commands that are sent again

    def received(self, result: Replies | RedisFailure) -> None:
        """Called with the replies of the first node."""
        if isinstance(result, RedisFailure):
            self.cluster.failed(result)
            self.done(result)
            return
        errors = [reply for reply in result if type(reply) is RedisError and reply.code in ("MOVED", "ASK")]
        node = self.cluster.redirected(errors[0]) if errors else None
        left = self.deadline - self.cluster.clock.time() if node else 0.0
        if node is None or left <= 0:
            self.done(result)
            return
        same, is_ask = str(errors[0]), errors[0].code == "ASK"
        self.replies = result
        self.redirects = [
            index for index, reply in enumerate(result) if type(reply) is RedisError and str(reply) == same
        ]
        again: list[Command] = []
        for index in self.redirects:
            again += ((b"ASKING",), self.commands[index]) if is_ask else (self.commands[index],)
        node.send(again, self.received_asked if is_ask else self.received_again, left)

    def received_asked(self, result: Replies | RedisFailure) -> None:
        """Called with the replies of the second node, of which every other belongs to ASKING."""
        self.received_again(result if isinstance(result, RedisFailure) else result[1::2])

    def received_again(self, result: Replies | RedisFailure) -> None:
        """Called with the replies of the second node."""
        if isinstance(result, RedisFailure):
            self.cluster.failed(result)
            self.done(result)
            return
        for index, reply in zip(self.redirects, result, strict=True):
            self.replies[index] = reply
        self.done(self.replies)


def make_nodes(
    settings: RedisSettings, clock: Clock = SYSTEM_CLOCK, limits: BreakerLimits | None = None
) -> Nodes:
    """Return the servers of `settings.url`; nothing connects before the first pipeline.

    `limits`: those of the servers' breakers. Raises SettingsError INVALID_CONFIG if the URL is missing or not
    valid, BAD_OPTION if the package hiredis is missing.
    """
    if settings.url is None:
        raise SettingsError("expected redis.url, the URL of the Redis server, got none", "INVALID_CONFIG")
    found = parse_url(settings.url)
    if found.kind == "cluster":
        return Cluster(found.addresses, settings.timeout, clock, limits)
    if found.kind == "sentinel":
        master = found.addresses[0]
        return Sentinel(found.sentinels, found.master, master, settings.timeout, clock, limits)
    return SingleNode(found.addresses[0], settings.timeout, clock, limits)
