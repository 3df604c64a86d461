"""One Redis server: its URL, the login, TLS, and what a missing package means."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.cache.redis_nodes import Nodes, make_nodes
from gateway.cache.redis_server import Address, Node, fixed, parse_url
from gateway.cache.resp import Reason, RedisFailure
from gateway.core.clock import SYSTEM_CLOCK
from gateway.core.errors import SettingsError
from gateway.resilience.breaker import Breaker
from gateway.settings import RedisSettings, Secret
from tests.gateway.certificates import Authority

PATIENT = 20.0  # seconds: a slow machine must not count as a slow server


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h", Address("h")),
        ("redis://u:p%40%3A@h:1/2", Address("h", 1, None, None, "u", Secret("p@:"), 2)),
        ("REDIS://:p@[::1]:1?db=3", Address("::1", 1, password=Secret("p"), database=3)),
        ("unix:///a/b?db=4", Address(path="/a/b", database=4)),
        ("unix://u:p@/a", Address(path="/a", username="u", password=Secret("p"))),
        ("redis+sentinel://:p@h/name/5?sentinel_password=q", Address(password=Secret("p"), database=5)),
        ("redis+cluster://:p@h:1,i:2", Address("h", 1, password=Secret("p"))),
    ],
)
def test_urls(url: str, expected: Address) -> None:
    found = parse_url(Secret(url))
    assert found.addresses[0] == expected
    if found.kind == "sentinel":
        assert found.sentinels == (Address("h", 26_379, password=Secret("q")),)
        assert found.master == "name"
    assert (len(found.addresses) > 1) is (found.kind == "cluster")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "secret",
            "http://:secret@h",
            "redis:secret",
            "redis://",
            "redis://:secret@",
            "redis://secret@h",
        ),
        *("redis://:secret@h:port", "redis://:secret@h:0", "redis://:secret@h:65536", "redis://:secret@h/x"),
        *(
            "redis://:sec/ret@h",
            "redis://:secret?@h",
            "redis://:secret@h,i",
            "redis://:secret@[::1",
            "unix://",
        ),
        *("redis+sentinel://:secret@h", "redis+sentinel://:secret@/m", "redis+cluster://:secret@h/1"),
        *("redis+cluster://:secret@h,", "redis://:secret@h?secret=1", "rediss://h?ssl_ca_certs=/secret"),
        *("redis://:secret@h:99999999999", "redis://:secret@h/\u0663", "redis://:secret@h:\u0663"),
    ],
)
def test_urls_that_are_not_valid(url: str) -> None:
    """The message has no part of the URL, since a wrong URL may have its password anywhere."""
    with pytest.raises(SettingsError, match="expected redis://user:password@host") as raised:
        make_nodes(RedisSettings(Secret(url)))
    assert raised.value.code == "INVALID_CONFIG"
    assert not any(part in raised.value.message for part in ("secret", "ret@", "sec/"))
    with pytest.raises(SettingsError, match=r"redis\.url"):
        make_nodes(RedisSettings())


@asynccontextmanager
async def nodes_at(url: str) -> AsyncIterator[Nodes]:
    """Yield the server of a URL, which is closed at the end."""
    nodes = make_nodes(RedisSettings(Secret(url), PATIENT))
    yield nodes
    await nodes.close()


async def test_login_and_database(redis_url: str) -> None:
    """The URL's user and database are those of all commands."""
    host = redis_url.partition("@")[2].partition("/")[0]
    async with nodes_at(redis_url) as nodes, nodes_at(redis_url.removesuffix("0") + "3") as third:
        assert await third.request(b"", [(b"SET", b"only-here", b"1")]) == [b"OK"]
        assert await nodes.request(b"", [(b"GET", b"only-here")]) == [None]
        assert await third.request(b"", [(b"DEL", b"only-here")]) == [1]
        await nodes.request(b"", [(b"ACL", b"SETUSER", b"reader", b"on", b">pass@word", b"~*", b"+get")])
        async with nodes_at(f"redis://reader:pass%40word@{host}") as limited:
            found = await limited.request(b"", [(b"GET", b"a"), (b"SET", b"a", b"1")])
        await nodes.request(b"", [(b"ACL", b"DELUSER", b"reader")])
    assert found[0] is None
    assert found[1].code == "NOPERM"


async def test_a_login_that_is_refused(redis_url: str) -> None:
    """Nothing is executed without the login or in another database, and no message has a secret."""
    host = redis_url.partition("@")[2].partition("/")[0]
    wrong = (
        *(f"redis://:wrong-secret@{host}", f"redis://nobody:wrong-secret@{host}/1", f"redis://{host}/1"),
        redis_url.removesuffix("0") + "999",
    )
    for url in wrong:
        async with nodes_at(url) as nodes:
            requests = [nodes.request(b"", [(b"SET", b"bad", b"1")]) for _ in range(3)]
            found = await asyncio.gather(*requests, return_exceptions=True)
        assert [getattr(one, "reason", one) for one in found] == [Reason.AUTHENTICATION] * 3
        assert not any("wrong-secret" in str(one) for one in found)
        assert "wrong-secret" not in repr(parse_url(Secret(url)))
    async with nodes_at(redis_url) as nodes:
        assert await nodes.request(b"", [(b"EXISTS", b"bad")]) == [0]


def test_without_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the optional package is not installed, the message names the extra."""
    monkeypatch.setitem(sys.modules, "hiredis", None)
    with pytest.raises(SettingsError, match=r"mussikon\[redis\]"):
        Node(fixed(Address()), 1.0, Breaker(), SYSTEM_CLOCK)


async def test_tls(tmp_path: Path) -> None:
    """The server's certificate must be of a known authority."""
    authority = Authority(tmp_path)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1_000):
            writer.write(b"+PONG\r\n")
        writer.close()

    issued = authority.issue("server", "localhost").server()
    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=issued)
    port = listening.sockets[0].getsockname()[1]
    async with nodes_at(f"rediss://127.0.0.1:{port}?ssl_ca_certs={authority.ca}") as nodes:
        assert await nodes.request(b"a", [(b"PING",)]) == [b"PONG"]
    async with nodes_at(f"rediss://127.0.0.1:{port}") as nodes:
        with pytest.raises(RedisFailure, match=r"no connection to Redis.*verify failed"):
            await nodes.request(b"a", [(b"PING",)])
    listening.close()
