"""Invalid HTTP, and internal errors on the direct path: the server replies and continues."""

import re
from contextlib import suppress
from typing import Any

import pytest

from gateway.answering import Gateway
from gateway.core.envelope import Envelope, encoded_body
from gateway.observe.facts import Fact, InternalFailure
from tests.gateway.http.sockets import (
    GOOD,
    HELLO,
    NOISE,
    Served,
    body_of,
    connected,
    gone,
    post,
    raw,
    read_one,
    talk,
    well,
)

GARBAGE: dict[str, tuple[bytes, tuple[int, ...]]] = {  # what is sent, and the statuses that come back
    "noise": (NOISE, (400,)),
    "noise in a body": (raw(body=NOISE[:1_500]), (400,)),
    "a head that breaks off": (GOOD[:60], ()),
    "a body that breaks off": (GOOD[:-3], ()),
    "noise behind a request": (GOOD + NOISE, (400,)),
    "a zero byte": (post(HELLO, "a", b"x: \x00"), (400,)),
    "no colon": (raw(b"nonsense"), (400,)),
    "a name with a space": (raw(b"a b: c"), (400,)),
    "a negative length": (raw().replace(b"Length: 0", b"Length: -1"), (400,)),
    "two lengths": (post(HELLO, "a", b"content-length: 3"), (400,)),
    "a length and chunks": (post(HELLO, "a", b"transfer-encoding: chunked"), (400,)),
    "a length beyond numbers": (raw().replace(b"Length: 0", b"Length: 1" + b"0" * 40), (400,)),
    "a length beyond the limit": (raw().replace(b"Length: 0", b"Length: 9999999999999999"), (413,)),
    "a length with zeros": (GOOD.replace(b"Length: ", b"Length: 00000000000000"), (200,)),
    "many headers": (post(HELLO, "a", *[b"x-%d: y" % number for number in range(3_000)]), (200,)),
    "another protocol": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (400,)),
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_ends_alike(pair: tuple[Served, Served], name: str) -> None:
    """Both paths refuse the same input, close the connection, and answer the next client."""
    sent, statuses = GARBAGE[name]
    for one in pair:
        got = b""
        async with connected(one) as (reader, writer):
            writer.write(sent)
            for _ in statuses:
                got += await read_one(reader)
            writer.write_eof()
            with suppress(ConnectionResetError):
                got += await reader.read()
        assert tuple(int(status) for status in re.findall(rb"HTTP/1.1 (\d+) ", got)) == statuses
        await gone(one)
        await well(one)


@pytest.mark.parametrize("known", [False, True])
async def test_a_mistake_of_ours_has_an_id(
    served: Served, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """An exception at the start of an execution is a 500 with the id that is in the log; the connection stays
    open.
    """

    def fail(*_: Any) -> Any:
        raise RuntimeError("password=hunter2")

    facts: list[Fact] = []
    stop = served.observer.listen(facts.append)
    request = post(f"{HELLO} # mistake {known}", "a")
    async with connected(served) as (reader, writer):
        if known:
            await talk(served, request)
        monkeypatch.setattr(Gateway, "begin", fail)
        for _ in range(2):
            writer.write(request)
            got = await read_one(reader)
            assert got.startswith(b"HTTP/1.1 500 ")
            assert b"hunter2" not in got
            extensions = body_of(got)["errors"][0]["extensions"]
            assert [fact.id for fact in facts if isinstance(fact, InternalFailure)][-1] == extensions["id"]
        monkeypatch.undo()
        writer.write(request)
        assert body_of(await read_one(reader)) == {"data": {"hello": "a"}}
    stop()


@pytest.mark.parametrize("known", [False, True])
async def test_a_mistake_in_writing_has_an_id(
    served: Served, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """An exception in building the reply, in a callback, is a 500 with an id too; the connection
    stays open.
    """

    def fail(answer: Envelope) -> bytes:
        if b'"broken"' in encoded_body(answer):
            raise RuntimeError("can't be written")
        return encoded_body(answer)

    query = f"{{ broken }} # {known}"
    if known:
        await talk(served, post(query))
    monkeypatch.setattr("gateway.http.respond.encoded_body", fail)
    async with connected(served) as (reader, writer):
        writer.write(post(query))
        got = await read_one(reader)
        assert got.startswith(b"HTTP/1.1 500 ")
        assert body_of(got)["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
        writer.write(GOOD)
        assert body_of(await read_one(reader)) == {"data": {"hello": "a"}}
