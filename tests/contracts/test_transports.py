"""The contract of `gateway.transport.base.Transport`, run against every transport and every wrapper of a
transport.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from gateway.core.clock import SYSTEM_CLOCK
from gateway.core.context import RequestContext
from gateway.core.errors import SubgraphError
from gateway.core.jsontext import encode_json, read_json
from gateway.execute.loader.loader import Loader
from gateway.observe.observer import Observer
from gateway.plugins import Hooks
from gateway.saga.definition import Definitions
from gateway.saga.memory import MemoryJournal
from gateway.transport.base import Call, Outcome, Transport, call_for, send, send_and_read
from gateway.transport.fake import FakeTransport
from gateway.transport.headers import Headers
from gateway.transport.http import HttpTransport
from gateway.transport.local import LocalTransport
from gateway.transport.observed import ObservedTransport
from gateway.transport.recorded import RecordingTransport
from gateway.transport.template import template_of
from gateway.triggers import Sagas, Trigger, TriggeringTransport

Execute = Callable[[Mapping[str, Any], Mapping[str, str]], Awaitable[Any]]
Making = Callable[[Execute], AbstractAsyncContextManager[Transport]]


@asynccontextmanager
async def over_http(execute: Execute) -> AsyncIterator[Transport]:
    """A transport to a server."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = [
                    line.partition(b": ")
                    for line in head.decode().lower().encode().split(b"\r\n")[1:]
                    if line
                ]
                headers = {name.decode(): value.decode() for name, _, value in lines}
                asked = read_json(await reader.readexactly(int(headers["content-length"])))
                body = encode_json(await execute(asked, headers))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    transport = HttpTransport({"a": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"})
    try:
        yield transport
    finally:
        await transport.close()
        server.close()


@asynccontextmanager
async def in_process(execute: Execute) -> AsyncIterator[Transport]:
    """A transport to a function."""

    async def run(query: str, variables: Any, operation_name: str | None, headers: Mapping[str, str]) -> Any:
        return await execute(
            {"query": query, "variables": variables, "operationName": operation_name}, headers
        )

    yield LocalTransport({"a": run})


def wrapped(wrap: Callable[[Transport], Transport]) -> Making:
    """A wrapped transport to a function."""

    @asynccontextmanager
    async def make(execute: Execute) -> AsyncIterator[Transport]:
        async with in_process(execute) as inner:
            yield wrap(inner)

    return make


class Passing:
    """A plugin that changes nothing."""

    def on_call(self, context: RequestContext | None, call: Call) -> None:
        """Pass the call on."""

    def on_reply(self, context: RequestContext | None, call: Call, outcome: Outcome) -> None:
        """Pass the reply on."""


def triggering(inner: Transport) -> Transport:
    """A transport that starts sagas, for a mutation that no test sends."""
    return TriggeringTransport(inner, Sagas(MemoryJournal(), Definitions(), [Trigger("begin", "saga")]))


TRANSPORTS: dict[str, Making] = {
    "http": over_http,
    "local": in_process,
    "loader": wrapped(Loader),
    "hooked": wrapped(lambda inner: Hooks([Passing()]).around(inner)),
    "recording": wrapped(lambda inner: RecordingTransport(inner, SYSTEM_CLOCK)),
    "observed": wrapped(lambda inner: ObservedTransport(inner, Observer([], [lambda _: None]))),
    "triggering": wrapped(triggering),
}


@pytest.fixture(params=list(TRANSPORTS.values()), ids=list(TRANSPORTS))
def making(request: pytest.FixtureRequest) -> Making:
    """Each transport."""
    made: Making = request.param
    return made


async def echo(asked: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
    """A subgraph that replies with the request."""
    found = {
        "query": asked["query"],
        "variables": asked.get("variables") or {},
        "user": headers.get("authorization"),
    }
    return {"data": {**found, "name": asked.get("operationName")}}


async def test_the_request_arrives_whole(making: Making) -> None:
    """Text, operation name, variables and headers; the reply comes back as it was."""
    async with making(echo) as transport:
        call = call_for(
            "a",
            "query Q($x: Any) { é }",
            {"x": {"nested": [1, 2.5, None, "é\u2028", 2**60]}},
            operation_name="Q",
            headers=Headers.of([("authorization", "kim")]),
        )
        payload = await send_and_read(transport, call)
    nested = [1, 2.5, None, "é\u2028", 2**60]
    expected = {
        "query": "query Q($x: Any) { é }",
        "variables": {"x": {"nested": nested}},
        "user": "kim",
        "name": "Q",
    }
    assert payload == {"data": expected}


async def test_numbers_arrive_as_they_were_written(making: Making) -> None:
    """In either direction, also those that a float would write otherwise; who only asks gets plain floats."""
    written = '{"n":[1.10,1e-05,123456789012345680.0,1e400,0.1000000000000000055,123456789012345678901]}'

    async def back(asked: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        return {"data": asked["variables"]}

    async with making(back) as transport:
        call = call_for("a", "query($n: Any) { x }", read_json(written))
        assert call.body.endswith(written.encode() + b"}")
        reply = await send(transport, call)
        assert reply.body == b'{"data":%b}' % written.encode()
        payload = await send_and_read(transport, call)
        assert {type(one) for one in payload["data"]["n"][:3]} == {float}


async def test_representations_arrive_in_order(making: Making) -> None:
    """Those of a call that asks for entities alone, which a loader may join with others."""
    template = template_of(
        "query($r:[_Any!]!){_entities(representations:$r){id}}", None, [("r", "_entities")], True
    )
    made = call_for("a", "{x}")
    call = Call(
        "a", 3, template, [], [[b'{"id":"2"}', b'{"id":"1"}']], made.headers, True, made.deadline, 30.0
    )

    async def entities(asked: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        return {"data": {"_entities": asked["variables"]["r"]}}

    async with making(entities) as transport:
        assert await send_and_read(transport, call) == {"data": {"_entities": [{"id": "2"}, {"id": "1"}]}}


async def test_done_is_called_once_and_never_before_post_returns(making: Making) -> None:
    """Also for a subgraph that nobody knows."""
    async with making(echo) as transport:
        for name in ("a", "nobody"):
            got: list[Outcome] = []
            transport.post(call_for(name, "{x}"), got.append)
            assert got == []
            async with asyncio.timeout(5):
                while not got:  # noqa: ASYNC110 - what calls back has no event
                    await asyncio.sleep(0)
            await asyncio.sleep(0.01)
            assert len(got) == 1


async def test_a_subgraph_that_nobody_knows(making: Making) -> None:
    """It can't be reached, and the error names it."""
    async with making(echo) as transport:
        with pytest.raises(SubgraphError) as caught:
            await send(transport, call_for("nobody", "{x}"))
    assert (caught.value.code, caught.value.subgraph) == ("SUBGRAPH_UNREACHABLE", "nobody")


async def test_the_deadline_holds(making: Making) -> None:
    """A reply that does not come in time is an error with its code, and the subgraph's work may end."""

    async def never(asked: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        await asyncio.sleep(60)

    async with making(never) as transport:
        with pytest.raises(SubgraphError) as caught:
            await send(transport, call_for("a", "{x}", timeout=0.05))
    assert caught.value.code == "SUBGRAPH_TIMEOUT"
    assert "0.05 s" in caught.value.message


async def test_nobody_is_called_back_after_cancel(making: Making) -> None:
    """Not even when the reply is on its way; cancelling twice, or after the end, does nothing."""
    go = asyncio.Event()

    async def waiting(asked: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        await go.wait()
        return {"data": {}}

    async with making(waiting) as transport:
        got: list[Outcome] = []
        handle = transport.post(call_for("a", "{x}"), got.append)
        await asyncio.sleep(0.01)
        handle.cancel()
        handle.cancel()
        go.set()
        await asyncio.sleep(0.02)
        assert got == []
        late = transport.post(call_for("a", "{x}"), got.append)
        async with asyncio.timeout(5):
            while not got:  # noqa: ASYNC110 - what calls back has no event
                await asyncio.sleep(0)
        late.cancel()
        assert len(got) == 1


async def test_many_at_once_get_each_their_own(making: Making) -> None:
    """No reply goes to another's call."""
    async with making(echo) as transport:
        calls = [call_for("a", "query($n: Int) { x }", {"n": number}) for number in range(40)]
        payloads = await asyncio.gather(*(send_and_read(transport, call) for call in calls))
    assert [one["data"]["variables"]["n"] for one in payloads] == list(range(40))


async def test_a_fake_is_a_transport_too() -> None:
    """The fake for unit tests replies with a payload, a reply or an error, and keeps its calls."""
    errors = SubgraphError("is down", "SUBGRAPH_UNREACHABLE", subgraph="a")
    transport = FakeTransport(lambda call: {"data": {"x": 1}} if call.query == "{x}" else errors)
    assert await send_and_read(transport, call_for("a", "{x}")) == {"data": {"x": 1}}
    with pytest.raises(SubgraphError):
        await send(transport, call_for("a", "{y}"))
    assert [one.query for one in transport.requests] == ["{x}", "{y}"]
