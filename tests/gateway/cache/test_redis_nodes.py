"""Which server a key goes to: one contract for a server, a master behind sentinels and a cluster, all real;
then failover, moved slots, and servers with strange replies.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.cache.redis_nodes import Nodes, make_nodes, slot_of
from gateway.cache.redis_server import Address, Node, fixed
from gateway.cache.resp import Command, Reason, RedisError, RedisFailure, Replies
from gateway.core.clock import SYSTEM_CLOCK
from gateway.resilience.breaker import Breaker, BreakerLimits
from gateway.settings import RedisSettings, Secret
from subgraphs.platform import processes
from subgraphs.platform.processes import free_port
from subgraphs.platform.valkey import _program

PATIENT = 20.0  # seconds: a slow machine must not count as a slow server
SHORT = 0.1  # seconds
PASSWORD = "the-password"
CLUSTER = ("cluster-enabled yes", "cluster-node-timeout 1000", 'save ""')
NEVER_OPEN = BreakerLimits(window=1_000, minimum=1_000)


@pytest.fixture(autouse=True)
async def no_leaked_tasks() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    async with asyncio.timeout(PATIENT):
        while asyncio.all_tasks() - before - {asyncio.current_task()}:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)


@dataclass
class Server:
    """A process of the server's program."""

    port: int
    process: subprocess.Popen[bytes]


def start(folder: Path, *lines: str, password: str = PASSWORD, arguments: Sequence[str] = ()) -> Server:
    """Start a server in this folder. `lines`: of its configuration file, `PORT` is its port."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    login = (f"requirepass {password}", f"masterauth {password}") if password else ()
    common = ("bind 127.0.0.1", f"port {port}", f"dir {folder}", "repl-diskless-sync-delay 0", *login)
    settings = folder / "server.conf"
    settings.write_text("\n".join((*common, *lines)) + "\n")
    command = [str(_program()), str(settings), *arguments]
    return Server(port, processes.spawn(command, folder, folder / "log", signal.SIGTERM))


async def ask(port: int, *commands: Command, password: str = PASSWORD) -> Replies:
    """Return the replies of one server; wait until it listens."""
    address = Address(port=port, password=Secret(password) if password else None)
    node = Node(fixed(address), PATIENT, Breaker(NEVER_OPEN), SYSTEM_CLOCK)
    try:
        async with asyncio.timeout(PATIENT):
            while True:
                try:
                    return await node.request(commands)
                except RedisFailure:
                    await asyncio.sleep(0.01)
    finally:
        await node.close()


async def until(condition: Callable[[], Any]) -> None:
    """Return when a condition, which may be a coroutine, holds."""
    async with asyncio.timeout(PATIENT):
        while not await condition():  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.02)


@asynccontextmanager
async def nodes_at(url: str, timeout: float = PATIENT) -> AsyncIterator[Nodes]:
    """Yield the servers of a URL, which are closed at the end."""
    nodes = make_nodes(RedisSettings(Secret(url), timeout), limits=NEVER_OPEN)
    yield nodes
    await nodes.close()


@dataclass
class Place:
    """Servers, and the URL by which to find them."""

    url: str
    servers: list[Server]
    bus: int = 0  # the port by which the first node of a cluster meets others


@contextmanager
def running(servers: list[Server]) -> Iterator[list[Server]]:
    try:
        yield servers
    finally:
        for server in servers:
            processes.stop(server.process, (signal.SIGKILL,))


@asynccontextmanager
async def single(folder: Path) -> AsyncIterator[Place]:
    with running([start(folder)]) as servers:
        await ask(servers[0].port, (b"PING",))
        yield Place(f"redis://:{PASSWORD}@127.0.0.1:{servers[0].port}/0", servers)


@asynccontextmanager
async def unix(folder: Path) -> AsyncIterator[Place]:
    with running([start(folder, f"unixsocket {folder}/socket")]) as servers:
        await ask(servers[0].port, (b"PING",))
        yield Place(f"unix://:{PASSWORD}@{folder}/socket?db=2", servers)


@asynccontextmanager
async def sentinels(folder: Path) -> AsyncIterator[Place]:
    """A master, its replica, and one sentinel that watches both; another sentinel is away."""
    with running([start(folder / "master")]) as servers:
        master = servers[0].port
        servers.append(start(folder / "replica", f"replicaof 127.0.0.1 {master}"))
        await until(lambda: holds(servers[1].port, b"INFO", b"replication", b"master_link_status:up"))
        watch = (
            f"sentinel monitor here 127.0.0.1 {master} 1",
            f"sentinel auth-pass here {PASSWORD}",
            "sentinel down-after-milliseconds here 300",
            "sentinel failover-timeout here 3000",
        )
        servers.append(start(folder / "sentinel", *watch, password="", arguments=["--sentinel"]))
        port = servers[2].port
        await until(lambda: holds(port, b"SENTINEL", b"MASTER", b"here", b"num-slaves\n1", password=""))
        yield Place(f"redis+sentinel://:{PASSWORD}@127.0.0.1:1,127.0.0.1:{port}/here", servers)


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[Place]:
    """Three masters; the first two have 5,000 slots each."""
    names = ("first", "second", "third")
    bus = [free_port() for _ in names]
    started = [
        start(folder / name, *CLUSTER, f"cluster-port {port}") for name, port in zip(names, bus, strict=True)
    ]
    with running(started) as servers:
        ranges = ((0, 4_999), (5_000, 9_999), (10_000, 16_383))
        for server, (begin, end) in zip(servers, ranges, strict=True):
            meet = (b"CLUSTER", b"MEET", b"127.0.0.1", b"%d" % servers[0].port, b"%d" % bus[0])
            await ask(server.port, (b"CLUSTER", b"ADDSLOTSRANGE", b"%d" % begin, b"%d" % end), meet)
        for server in servers:
            await until(partial(holds, server.port, b"CLUSTER", b"INFO", b"cluster_state:ok"))
        yield Place(f"redis+cluster://:{PASSWORD}@127.0.0.1:{servers[0].port},127.0.0.1:1", servers, bus[0])


async def holds(port: int, *words: bytes, password: str = PASSWORD) -> bool:
    """Return whether the reply to a command has a text, the last word."""
    (reply,) = await ask(port, words[:-1], password=password)
    return words[-1] in (b"\n".join(reply) if isinstance(reply, list) else str(reply).encode())


KINDS = {"single": single, "unix": unix, "sentinel": sentinels, "cluster": cluster}


@pytest.fixture(scope="module", params=KINDS)
async def place(request: pytest.FixtureRequest, servers_folder: Path) -> AsyncIterator[Place]:
    async with KINDS[request.param](servers_folder / f"nodes-{request.param}") as place:
        yield place


# the contract


async def test_keys_are_found_again(place: Place) -> None:
    """Pipelines of many slots, sent at once by new connections and by known ones."""
    for _ in range(2):
        async with nodes_at(place.url) as nodes:
            for _ in range(2):
                names = [b"{tag%d}:x" % number for number in range(60)]
                commands = [[(b"SET", name, b"1"), (b"GET", name), (b"MGET", name, name)] for name in names]
                requests = (nodes.request(*both) for both in zip(names, commands, strict=True))
                assert await asyncio.gather(*requests) == [[b"OK", b"1", [b"1", b"1"]]] * 60
            found = await nodes.request(b"a", [(b"SET", b"a", b"x"), (b"INCR", b"a"), (b"GET", b"a")])
            assert [type(one) for one in found] == [bytes, RedisError, bytes]
            assert nodes.breaker.is_closed


async def test_blocking_reads(place: Place) -> None:
    """Entries arrive at once; without entries a read ends; a cancelled read is no obstacle."""
    async with nodes_at(place.url) as nodes:
        await nodes.request(b"{s}", [(b"DEL", b"{s}")])
        short, reader = (nodes.blocking_reader(b"{s}", block) for block in (0.05, 10.0))
        assert await short.read({b"{s}": b"$"}) == {}
        for number in range(3):
            task = asyncio.ensure_future(reader.read({b"{s}": b"%d-0" % number, b"t{s}": b"$"}))
            await asyncio.sleep(0.02)
            entry = b"%d-0" % (number + 1)
            await nodes.request(b"{s}", [(b"XADD", b"{s}", entry, b"field", b"value")])
            assert await task == {b"{s}": [(entry, [b"field", b"value"])]}
        task = asyncio.ensure_future(reader.read({b"{s}": b"$"}))
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert len((await reader.read({b"{s}": b"0"}, count=2))[b"{s}"]) == 2
        await nodes.request(b"{s}", [(b"SET", b"text{s}", b"1")])
        with pytest.raises(RedisError, match="WRONGTYPE"):
            await reader.read({b"text{s}": b"$"})
        await asyncio.gather(short.close(), reader.close())
        with pytest.raises(RedisFailure):
            await reader.read({b"{s}": b"0"})


async def test_servers_that_hang(place: Place) -> None:
    """Every callback is called once, not later than the timeout; afterwards all is well."""
    async with nodes_at(place.url, SHORT) as nodes:
        names = [b"%d" % number for number in range(30)]
        await until(lambda: works(nodes, names))
        results: list[list[Any]] = [[] for _ in names]
        for server in place.servers:
            os.kill(server.process.pid, signal.SIGSTOP)
        begin = time.monotonic()
        for name, found in zip(names, results, strict=True):
            nodes.send(name, [(b"GET", name)], found.append)
        try:
            while not all(results):  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.01)
            assert time.monotonic() - begin < 10 * SHORT
        finally:
            for server in place.servers:
                os.kill(server.process.pid, signal.SIGCONT)
        await until(lambda: works(nodes, names))
        assert [[one.reason for one in found] for found in results] == [[Reason.TIMEOUT]] * 30


def key_of(slot: int) -> bytes:
    """Return a key in a slot."""
    return next(name for name in map(b"%d".__mod__, range(200_000)) if slot_of(name) == slot)


async def works(nodes: Nodes, names: Sequence[bytes]) -> bool:
    """Return whether all of these keys can be written."""
    requests = (nodes.request(name, [(b"SET", name, name)]) for name in names)
    return await asyncio.gather(*requests, return_exceptions=True) == [[b"OK"]] * len(names)


async def test_closing(place: Place) -> None:
    """Pending pipelines fail, later ones at once, each once; nothing is left."""
    for wait in (0.0, 0.05):
        results: list[Any] = []
        async with nodes_at(place.url) as nodes:
            nodes.send(b"a", [(b"BLPOP", b"none{a}", b"0")], results.append)
            await asyncio.sleep(wait)
        nodes.send(b"a", [(b"PING",)], results.append)
        await asyncio.sleep(0.02)
        assert [one.reason for one in results] == [Reason.CLOSED] * 2
        assert nodes.breaker.failures == 0


@pytest.mark.parametrize("form", ["redis://H", "redis+sentinel://H,H/m", "redis+cluster://H,H"])
async def test_servers_that_are_away(form: str) -> None:
    """Without any server, pipelines fail at once, and soon the servers are not asked."""
    settings = RedisSettings(Secret(form.replace("H", "127.0.0.1:1")), PATIENT)
    nodes = make_nodes(settings, limits=BreakerLimits(window=4, minimum=1))
    reasons = []
    for _ in range(4):
        with pytest.raises(RedisFailure) as raised:
            await nodes.request(b"a", [(b"GET", b"a")])
        reasons.append(raised.value.reason)
    assert (reasons[0], reasons[-1]) == (Reason.CONNECT, Reason.REFUSED)
    async with asyncio.timeout(PATIENT):
        while nodes.breaker.allows():  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)
    await nodes.close()


# failover


async def test_a_master_that_dies(servers_folder: Path) -> None:
    """The sentinels name the former replica; it is used without a new gateway."""
    async with sentinels(servers_folder / "failover") as place, nodes_at(place.url, 1.0) as nodes:
        assert await nodes.request(b"a", [(b"SET", b"a", b"1"), (b"WAIT", b"1", b"5000")]) == [b"OK", 1]
        place.servers[0].process.kill()
        await until(lambda: works(nodes, [b"b"]))
        assert await nodes.request(b"a", [(b"GET", b"a")]) == [b"1"]


async def test_a_master_that_became_a_replica(servers_folder: Path) -> None:
    """READONLY makes the client ask the sentinels again, although the connection is open."""
    async with sentinels(servers_folder / "demoted") as place, nodes_at(place.url, 1.0) as nodes:
        assert await works(nodes, [b"a"])
        master, replica, sentinel = (server.port for server in place.servers)
        await ask(replica, (b"REPLICAOF", b"NO", b"ONE"))
        commands = ((b"SENTINEL", b"REMOVE", b"here"), (b"SENTINEL", b"MONITOR", b"here", b"127.0.0.1"))
        await ask(sentinel, commands[0], (*commands[1], b"%d" % replica, b"1"), password="")
        await ask(master, (b"REPLICAOF", b"127.0.0.1", b"%d" % replica))
        await until(lambda: works(nodes, [b"b"]))
        assert await ask(replica, (b"GET", b"b")) == [b"b"]


async def test_a_master_of_a_cluster_that_dies(servers_folder: Path) -> None:
    """Its replica takes over; the other masters are used meanwhile."""
    async with cluster(servers_folder / "dying") as place, nodes_at(place.url, SHORT) as nodes:
        dying = place.servers[0]
        await until(lambda: works(nodes, [key_of(0), key_of(9_000), key_of(16_000)]))
        folder = servers_folder / "dying" / "replica"
        replica = start(folder, *CLUSTER, f"cluster-port {free_port()}", "cluster-replica-validity-factor 0")
        with running([replica]):
            (master,) = await ask(dying.port, (b"CLUSTER", b"MYID"))
            meet = (b"CLUSTER", b"MEET", b"127.0.0.1", b"%d" % dying.port, b"%d" % place.bus)
            await ask(replica.port, meet)
            await until(lambda: holds(replica.port, b"CLUSTER", b"REPLICATE", master, b"OK"))
            await until(lambda: holds(replica.port, b"INFO", b"replication", b"master_link_status:up"))
            dying.process.kill()
            await until(lambda: works(nodes, [key_of(0)]))
            assert await works(nodes, [key_of(9_000), key_of(16_000)])


async def test_slots_that_move(servers_folder: Path) -> None:
    """While a slot moves, and after it has moved, its keys are found, without a failed pipeline."""
    async with cluster(servers_folder / "moving") as place, nodes_at(place.url) as nodes:
        key, slot = b"a{x}", b"%d" % slot_of(b"x")
        await until(lambda: works(nodes, [key]))
        source, target = place.servers[-1].port, place.servers[0].port
        (here,), (there,) = [await ask(port, (b"CLUSTER", b"MYID")) for port in (source, target)]
        await ask(target, (b"CLUSTER", b"SETSLOT", slot, b"IMPORTING", here))
        await ask(source, (b"CLUSTER", b"SETSLOT", slot, b"MIGRATING", there))
        new = b"new{x}"
        commands = [(b"SET", new, b"1"), (b"GET", key), (b"GET", new)]
        assert await nodes.request(key, commands) == [b"OK", key, b"1"]  # ASK for the new key alone
        move = (b"MIGRATE", b"127.0.0.1", b"%d" % target, key, b"0", b"5000", b"AUTH", PASSWORD.encode())
        assert await ask(source, move) == [b"OK"]
        for port in (target, source):
            await ask(port, (b"CLUSTER", b"SETSLOT", slot, b"NODE", there))
        assert await nodes.request(key, [(b"GET", key), (b"GET", new)]) == [key, b"1"]  # MOVED


# without servers


@pytest.mark.parametrize(
    "reply",
    [
        b"-MOVED 1 127.0.0.1:PORT\r\n",
        *(
            b"-MOVED 1 :PORT\r\n",
            b"-MOVED\r\n",
            b"-MOVED x y\r\n",
            b"-MOVED 99999 h:1\r\n",
            b"-ASK 1 h:x\r\n",
        ),
        b"-ASK 1 127.0.0.1:PORT\r\n-ASK 1 127.0.0.1:PORT\r\n",
        b"*1\r\n*3\r\n:0\r\n:99999\r\n*2\r\n$1\r\nh\r\n:1\r\n",
        b"*1\r\n*3\r\n$1\r\na\r\n:5\r\n*2\r\n$-1\r\n$1\r\nx\r\n",
        *(
            b"*0\r\n",
            b"*-1\r\n",
            b"*1\r\n*0\r\n",
            b"$-1\r\n",
            b":1\r\n",
            b"-ERR This instance has no cluster\r\n",
        ),
    ],
)
@pytest.mark.parametrize("form", ["redis+cluster://127.0.0.1:PORT", "redis+sentinel://127.0.0.1:PORT/m"])
async def test_servers_with_strange_replies(reply: bytes, form: str) -> None:
    """Whatever the map or a redirection says, each callback is called once, in time, and nothing is left."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1_000):
            writer.write(reply.replace(b"PORT", port))
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = b"%d" % listening.sockets[0].getsockname()[1]
    results: list[list[Any]] = [[] for _ in range(5)]
    async with nodes_at(form.replace("PORT", port.decode()), 0.2) as nodes:
        for found in results:
            nodes.send(b"a", [(b"GET", b"a")], found.append)
            await asyncio.sleep(0.02)
        async with asyncio.timeout(1.0):
            while not all(results):  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.01)
    assert {len(found) for found in results} == {1}
    listening.close()


def test_slots() -> None:
    """The examples of the specification of clusters; empty braces and open ones are a part of the key."""
    assert slot_of(b"123456789") == 0x31C3
    assert {slot_of(key) for key in (b"foo", b"{foo}bar", b"a{foo}{bar}", b"{foo}{")} == {12_182}
    assert {slot_of(key) for key in (b"{}foo", b"{foo", b"}foo{", b"{}{foo}")} & {12_182, 0} == set()
