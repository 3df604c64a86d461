"""The RESP client: replies in order, each callback once, and servers that hang, die, are full or lie."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import hiredis
import pytest

from gateway.cache import resp
from gateway.cache.redis_server import Address, Node, fixed, parse_url
from gateway.cache.resp import Command, Reason, RedisConnection, RedisError, RedisFailure, Replies, encode
from gateway.core.clock import SYSTEM_CLOCK
from gateway.resilience.breaker import Breaker, BreakerLimits, State
from gateway.settings import Secret
from subgraphs.platform.valkey import ValkeyServer, start_valkey

PATIENT = 20.0  # seconds: a slow machine must not count as a slow server
SHORT = 0.1  # seconds
NEVER_OPEN = BreakerLimits(window=1_000, minimum=1_000)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True)
async def no_leaked_tasks() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    async with asyncio.timeout(PATIENT):
        while asyncio.all_tasks() - before - {asyncio.current_task()}:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def server(servers_folder: Path) -> Iterator[ValkeyServer]:
    """Start a server for the tests of this module, which stop it at times."""
    server = start_valkey(servers_folder / "resp", durable=False)
    yield server
    server.stop()


@asynccontextmanager
async def node_at(
    address: Address, timeout: float = PATIENT, limits: BreakerLimits = NEVER_OPEN
) -> AsyncIterator[Node]:
    """Yield a node, which is closed at the end."""
    node = Node(fixed(address), timeout, Breaker(limits), SYSTEM_CLOCK)
    yield node
    await node.close()


def address_of(server: ValkeyServer) -> Address:
    return parse_url(Secret(server.url)).addresses[0]


@pytest.fixture
async def node(server: ValkeyServer) -> AsyncIterator[Node]:
    """Yield a node of the server, which is empty."""
    async with node_at(address_of(server)) as node:
        assert await node.request([(b"FLUSHALL",)]) == [b"OK"]
        yield node


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[Address]:
    """Yield the address of a server with this behaviour for each connection."""

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except OSError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(run, "127.0.0.1", 0)
    yield Address(port=listening.sockets[0].getsockname()[1])
    listening.close()


@contextmanager
def paused(server: ValkeyServer) -> Iterator[None]:
    """Stop the server's process for a while: it accepts connections and replies nothing."""
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


class Calls:
    """Counts the calls of each callback."""

    def __init__(self) -> None:
        self.results: list[list[Replies | RedisFailure]] = []

    def expect(self) -> Callable[[Replies | RedisFailure], object]:
        """Return another callback."""
        found: list[Replies | RedisFailure] = []
        self.results.append(found)
        return found.append

    async def once(self) -> list[Any]:
        """Return the results when every callback was called; fail if one is called twice."""
        async with asyncio.timeout(PATIENT):
            while not all(self.results):  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
        assert {len(one) for one in self.results} == {1}
        return [one[0] for one in self.results]

    async def reasons(self) -> set[Reason]:
        """Return why the pipelines failed, all of them, each once."""
        found = await self.once()
        assert all(isinstance(one, RedisFailure) for one in found)
        return {one.reason for one in found}


@pytest.mark.parametrize(
    "commands",
    [
        [(b"GET", b"a")],
        [[b"SET", b"", b"\r\n$1\x00\xff"], (b"PING",)],
        [(b"MGET", *(b"k" * size for size in range(300)))],
        [(b"SET", b"a", b"x" * 4_095), (b"SET", b"a", b"x" * 4_096), (b"SET", b"a", b"x" * 100_000)],
    ],
)
def test_encoding(commands: list[Command]) -> None:
    """Commands are encoded as hiredis does it."""
    pack: Any = hiredis.pack_command
    assert encode(commands) == b"".join(pack(tuple(one)) for one in commands)


async def test_replies(node: Node) -> None:
    """Every kind of reply, in order; errors are values at their place."""
    long = os.urandom(1_000_000)
    commands = [
        (b"SET", b"a", long),
        (b"GET", b"a"),
        (b"INCR", b"a"),
        (b"MGET", b"a", b"none"),
        (b"INCR", b"n"),
        (b"NO-SUCH",),
        (b"GET", b"none"),
    ]
    found = await node.request(commands)
    assert found[:2] == [b"OK", long]
    assert isinstance(found[2], RedisError)
    assert found[2].code == "ERR"
    assert found[3:5] == [[long, None], 1]
    assert isinstance(found[5], RedisError)
    assert found[6:] == [None]
    assert await node.request([]) == []


async def test_many_pipelines(node: Node) -> None:
    """Each of 1,000 pipelines gets its own replies, over one connection."""
    calls = Calls()
    for number in range(1_000):
        text = b"%d" % number
        node.send([(b"SET", text, text), (b"GET", text)], calls.expect())
    assert await calls.once() == [[b"OK", b"%d" % number] for number in range(1_000)]
    (clients,) = await node.request([(b"CLIENT", b"LIST")])
    assert clients.count(b"\n") == 1


async def test_a_callback_sends_again_and_another_fails(node: Node) -> None:
    """The error of a callback reaches the event loop's handler, and no other callback."""
    contexts: list[dict[str, Any]] = []
    loop, calls = asyncio.get_running_loop(), Calls()
    loop.set_exception_handler(lambda _, context: contexts.append(context))
    again = calls.expect()
    node.send([(b"PING",)], lambda _: 1 / 0)
    node.send([(b"PING",)], lambda _: node.send([(b"ECHO", b"x")], again))
    node.send([(b"PING",)], calls.expect())
    assert await calls.once() == [[b"x"], [b"PONG"]]
    loop.set_exception_handler(None)
    assert [type(one["exception"]) for one in contexts] == [ZeroDivisionError]


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Never reply."""
    await reader.read(-1)


def replying(data: bytes, pause: float = 0.0, close: bool = False) -> Serve:
    """Reply with these bytes; one by one if there is a pause between them, in seconds."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        for part in [data] if not pause else [data[index : index + 1] for index in range(len(data))]:
            writer.write(part)
            await asyncio.sleep(pause)
        if not close:
            await reader.read(-1)

    return serve


HOSTILE = {
    "silent": (silent, Reason.TIMEOUT),
    "truncated": (replying(b"$10\r\nabc"), Reason.TIMEOUT),
    "truncated, closed": (replying(b"$10\r\nabc", close=True), Reason.CLOSED),
    "closed": (replying(b"", close=True), Reason.CLOSED),
    "closed between replies": (replying(b"+OK\r\n", close=True), Reason.CLOSED),
    "HTTP": (replying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Reason.PROTOCOL),
    "garbage": (replying(bytes(range(255, -1, -1))), Reason.PROTOCOL),
    "a bulk of 90 TB": (replying(b"$99999999999999\r\nabc"), Reason.TIMEOUT),
    "a bulk without length": (replying(b"$99999999999999999999999\r\nabc"), Reason.PROTOCOL),
    "an array of a billion": (replying(b"*1000000000\r\n"), Reason.PROTOCOL),
    "an array of a billion, slowly": (replying(b"*1000000000\r\n", 0.001), Reason.PROTOCOL),
    "an array with a long head": (replying(b"*" + b"9" * 100), Reason.PROTOCOL),
    "deep arrays": (replying(b"*1\r\n" * 100_000), Reason.PROTOCOL),
    "byte by byte, too slow": (replying(b"$1000\r\n" + b"x" * 100, 0.01), Reason.TIMEOUT),
    "too much": (replying(b"$3000000\r\n" + b"x" * 2_500_000), Reason.PROTOCOL),
}


@pytest.mark.parametrize(("serve", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_servers(serve: Serve, reason: Reason, monkeypatch: pytest.MonkeyPatch) -> None:
    """All pipelines fail, each once, not later than the timeout; the next one connects again."""
    monkeypatch.setattr(resp, "MAX_REPLY", 2_000_000)
    async with serving(serve) as address, node_at(address, 0.3) as node:
        for _ in range(2):
            calls, begin = Calls(), time.monotonic()
            for _ in range(5):
                node.send([(b"GET", b"a"), (b"GET", b"b")], calls.expect())
            assert await calls.reasons() == {reason}
            assert time.monotonic() - begin < 1.5
    assert node.breaker.failures == 10


async def test_an_error_that_repeats_the_password() -> None:
    serve = replying(b"-ERR unknown command 'AUTH' with args 'wrong-secret'\r\n")
    async with serving(serve) as address, node_at(replace(address, password=Secret("wrong-secret"))) as node:
        with pytest.raises(RedisFailure, match=r"database: ERR$"):
            await node.request([(b"PING",)])


class Sink(asyncio.Transport):
    """A transport that sends nothing."""

    def write(self, data: Any) -> None: ...

    def abort(self) -> None: ...


@pytest.mark.parametrize("largest", [1, 2, 5, 50])
async def test_replies_in_pieces(largest: int) -> None:
    """However the bytes are divided, the replies are the same, also if a value looks like a reply."""
    trap, choose, calls = b"*9999999999999999\r\n*1\r\n", random.Random(largest), Calls()
    bulk = b"$%d\r\n%b\r\n" % (len(trap), trap)
    for _ in range(50):
        connection = RedisConnection(Breaker(), SYSTEM_CLOCK, lambda _: None)
        connection.connection_made(Sink())
        connection.send([(b"MGET",)] * 3, calls.expect(), PATIENT)
        left = b"*3\r\n%b$-1\r\n*2\r\n:1\r\n%b-ERR x y\r\n%b" % (bulk, bulk, bulk)
        while left:
            size = choose.randint(1, largest)
            connection.data_received(left[:size])
            left = left[size:]
        connection.close()
    for found in await calls.once():
        assert [found[0], str(found[1]), found[2]] == [[trap, None, [1, trap]], "ERR x y", trap]


async def test_a_reply_without_a_command() -> None:
    """It must not become the reply to the next command."""
    async with serving(replying(b"+OK\r\n+stray\r\n")) as address, node_at(address) as node:
        assert await node.request([(b"PING",)]) == [b"OK"]
        assert await node.request([(b"PING",)]) == [b"OK"]


async def test_a_server_that_is_stopped_for_a_while(server: ValkeyServer, node: Node) -> None:
    """All fail after the timeout; then the breaker answers at once, until a probe succeeds."""
    limits = BreakerLimits(window=10, minimum=2, pause=0.2)
    async with node_at(address_of(server), SHORT, limits) as other:
        assert await other.request([(b"SET", b"a", b"1")]) == [b"OK"]
        with paused(server):
            calls, begin = Calls(), time.monotonic()
            for _ in range(20):
                other.send([(b"GET", b"a")], calls.expect())
            assert await calls.reasons() == {Reason.TIMEOUT}
            assert SHORT <= time.monotonic() - begin < 10 * SHORT
            assert other.breaker.state is State.OPEN
            other.send([(b"GET", b"a")], (refused := Calls()).expect())
            assert refused.results[0][0].reason is Reason.REFUSED  # type: ignore[union-attr]
            await asyncio.sleep(0.25)
            with pytest.raises(RedisFailure):
                await other.request([(b"GET", b"a")])  # a probe
            assert other.breaker.state is State.OPEN
        await asyncio.sleep(0.45)
        assert other.breaker.allows()  # as often as one likes: only the request takes the probe
        assert other.breaker.allows()
        assert await other.request([(b"GET", b"a")], PATIENT) == [b"1"]
        assert other.breaker.is_closed


async def test_a_busy_event_loop(node: Node) -> None:
    """Replies that have arrived count, although the event loop sees them after the deadline."""
    calls = Calls()
    await node.request([(b"PING",)])
    node.send([(b"PING",)], calls.expect(), SHORT)
    await asyncio.sleep(0)
    time.sleep(2 * SHORT)  # noqa: ASYNC251 - that is the case
    assert await calls.once() == [[b"PONG"]]


async def test_a_server_that_dies_and_returns(servers_folder: Path) -> None:
    folder = servers_folder / "resp-again"
    server = start_valkey(folder, durable=False)
    async with node_at(address_of(server)) as node:
        assert await node.request([(b"PING",)]) == [b"PONG"]
        calls = Calls()
        with paused(server):
            for _ in range(10):
                node.send([(b"BLPOP", b"none", b"0")], calls.expect())
            await asyncio.sleep(0.02)
            server.process.kill()
        assert await calls.reasons() == {Reason.CLOSED}
        server.process.wait()
        with pytest.raises(RedisFailure, match="no connection to Redis"):
            await node.request([(b"PING",)])
        server = start_valkey(folder, durable=False)
        assert await node.request([(b"PING",)]) == [b"PONG"]
    server.stop()


async def test_a_full_server(server: ValkeyServer, node: Node) -> None:
    """Writes are refused at their place, reads go on, and the breaker stays closed."""
    await node.request([(b"SET", b"a", b"1"), (b"CONFIG", b"SET", b"maxmemory", b"1")])
    try:
        for _ in range(30):
            found = await node.request([(b"SET", b"b", b"2"), (b"GET", b"a")])
            assert found[0].code == "OOM"
            assert found[1] == b"1"
    finally:
        await node.request([(b"CONFIG", b"SET", b"maxmemory", b"0")])
    assert node.breaker.failures == 0


async def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """More pipelines or bytes than allowed fail at once; that is no failure of the server."""
    monkeypatch.setattr(resp, "MAX_PIPELINES", 3)
    monkeypatch.setattr(resp, "MAX_PENDING", 500)
    async with serving(silent) as address, node_at(address, SHORT) as node:
        for count, size in ((3, 1), (1, 300)):
            accepted, refused = Calls(), Calls()
            for _ in range(count):
                node.send([(b"SET", b"a", b"x" * size)], accepted.expect())
            for _ in range(5):
                node.send([(b"SET", b"a", b"x" * size)], refused.expect())
            assert {one[0].reason for one in refused.results} == {Reason.FULL}  # type: ignore[union-attr]
            assert await accepted.reasons() == {Reason.TIMEOUT}
    assert node.breaker.failures == 4


async def test_closing(server: ValkeyServer) -> None:
    """Pending pipelines fail, also those that wait for a connection; later ones fail at once."""
    async with serving(silent) as address:
        for first in (address, address_of(server)):
            async with node_at(first) as node:
                calls = Calls()
                node.send([(b"BLPOP", b"none", b"0")], calls.expect())
                if first is address:
                    await asyncio.sleep(0.02)
            node.send([(b"PING",)], calls.expect())
            assert await calls.reasons() == {Reason.CLOSED}
            assert node.breaker.failures == 0


async def test_a_cancelled_request(node: Node) -> None:
    """Its reply is not another's."""
    task = asyncio.ensure_future(node.request([(b"ECHO", b"first")]))
    await asyncio.sleep(0)
    task.cancel()
    assert await node.request([(b"ECHO", b"second")]) == [b"second"]
