"""Lists of requests at /graphql: their order, their errors, their limit; and that each operation counts."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from gateway.http.direct import DirectProtocol
from gateway.settings import CorsSettings, Limits, RateRule, RateSettings, Settings
from tests.gateway.http.raw_clients import SSE, raw_stream
from tests.gateway.http.sockets import until
from tests.gateway.http.stream_doors import COUNT, HELD, Doors, doors

LIMIT = 4
Y = {"query": "{ y }"}
Y_DATA = {"data": {"y": 2}}


@pytest.fixture(scope="module", params=[DirectProtocol, "httptools"], ids=["direct", "asgi"])
async def shared(request: pytest.FixtureRequest) -> AsyncIterator[Doors]:
    """Yield a gateway behind each protocol, for all tests of this file."""
    async with doors(Settings(limits=Limits(batch=LIMIT)), http=request.param) as found:
        yield found


@pytest.fixture
async def served(shared: Doors) -> Doors:
    """Return the gateway, with its state reset."""
    shared.subgraphs.__init__()  # type: ignore[misc]
    return shared


async def ask(served: Doors, body: Any, *lines: str, kind: str = "application/json") -> tuple[int, Any, str]:
    """Return the status, the JSON and the head of the response to a body, which may be JSON or bytes."""
    written = body if isinstance(body, bytes) else orjson.dumps(body)
    async with raw_stream(served) as client:
        head = [f"Content-Type: {kind}", f"Content-Length: {len(written)}"]
        await client.send("POST /graphql HTTP/1.1", *head, *lines, body=written)
        return client.status, await client.body(), client.head


async def code_of(served: Doors, body: Any, **how: Any) -> tuple[int, str]:
    """Return the status and the error code of a response that is no list."""
    status, found, _ = await ask(served, body, **how)
    return status, found["errors"][0]["extensions"]["code"]


async def test_responses_are_in_order(served: Doors) -> None:
    """Each operation has its own variables and its own errors, in its place of the list."""
    asked = [
        {"query": "query($id: ID) { product(id: $id) { id } }", "variables": {"id": "1"}},
        {"query": "{ unknown }"},
        {"query": "{ broken }"},
        {"query": "mutation M { reprice } query Q { y }", "operationName": "Q"},
    ]
    status, found, _ = await ask(served, asked)
    assert status == 200
    assert found[0] == {"data": {"product": {"id": "1"}}}
    assert found[1]["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert found[2]["data"] == {"broken": None}
    assert found[3] == Y_DATA


async def test_operations_run_at_the_same_time(served: Doors) -> None:
    """One that waits holds up the response, not the others; a short one may come first in the list."""
    asking = asyncio.create_task(ask(served, [{"query": HELD}, Y, {"query": "mutation { reprice }"}]))
    await until(lambda: len(served.subgraphs.asked) == 3)
    assert not asking.done()
    served.subgraphs.go.set()
    assert (await asking)[1] == [{"data": {"held": 1}}, Y_DATA, {"data": {"reprice": 7}}]


async def test_a_client_that_leaves(served: Doors) -> None:
    """All operations are cancelled when the client disconnects."""
    body = orjson.dumps([{"query": HELD}, {"query": f"{HELD} "}])
    async with raw_stream(served) as client:
        head = "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}"
        client.writer.write(head.encode() + b"\r\n\r\n" + body)
        await until(lambda: len(served.subgraphs.asked) >= 1)
        client.writer.close()
        await until(lambda: served.subgraphs.cancelled >= 1)


WITH_SPACE = b" \t\r\n[" + orjson.dumps(Y) + b" ]\n"


async def test_spaces(served: Doors) -> None:
    assert (await ask(served, WITH_SPACE))[:2] == (200, [Y_DATA])
    assert (await ask(served, b"\n " + orjson.dumps(Y)))[:2] == (200, Y_DATA)


REFUSED: list[tuple[Any, tuple[int, str]]] = [
    ([], (400, "BATCH_LIMIT")),
    ([Y] * (LIMIT + 1), (400, "BATCH_LIMIT")),
    (b"[", (400, "INVALID_JSON")),
    (b"[]]", (400, "INVALID_JSON")),
    (b"[" * 100_000, (400, "INVALID_JSON")),
    (b"[\xff]", (400, "INVALID_JSON")),
]


@pytest.mark.parametrize(("body", "expected"), REFUSED)
async def test_lists_that_are_refused(served: Doors, body: Any, expected: tuple[int, str]) -> None:
    """A list that is empty, too long, or no JSON is refused as a whole; nothing of it runs."""
    assert await code_of(served, body) == expected
    assert served.subgraphs.asked == []


async def test_types_of_content(served: Doors) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"):
        assert await code_of(served, [Y], kind=kind) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "element", [None, 1, "{ y }", [], [Y], {}, {"query": 1}, {"query": "{ y }", "variables": 1}]
)
async def test_elements_that_are_no_requests(served: Doors, element: Any) -> None:
    """An element that is no request has an error in its place; the others run."""
    status, found, _ = await ask(served, [element, Y])
    assert (status, found[1]) == (200, Y_DATA)
    assert found[0]["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_subscriptions_in_a_list(served: Doors) -> None:
    """A subscription needs a request of its own, whatever the client accepts."""
    for accept in (
        "*/*",
        f"{SSE}, application/json",
        "multipart/mixed;subscriptionSpec=1.0, application/json",
    ):
        _, found, head = await ask(served, [{"query": COUNT}, Y], f"Accept: {accept}")
        assert "application/json" in head
        assert found[1] == Y_DATA
        assert found[0]["errors"][0]["extensions"]["code"] == "STREAM_NOT_ACCEPTED"
    assert not served.gateway.hub.all_groups


async def test_lists_are_off_by_default() -> None:
    async with doors() as served:
        assert await code_of(served, [Y]) == (400, "BAD_REQUEST")
        assert await code_of(served, [Y, Y]) == (400, "BAD_REQUEST")
        assert served.subgraphs.asked == []


async def test_each_operation_counts() -> None:
    """Rates count operations, not requests: the operations of a list above the rate are refused."""
    rule = RateRule("all", requests=5, window=60.0)
    settings = Settings(limits=Limits(batch=LIMIT), rates=RateSettings(rules=(rule,)))
    async with doors(settings) as served:
        _, first, _ = await ask(served, [Y] * 4)
        _, second, _ = await ask(served, [Y] * 4)
        assert first == [Y_DATA] * 4
        assert sum(one == Y_DATA for one in second) == 1
        assert sum("RATE_LIMITED" in str(one) for one in second) == 3


async def test_cors_of_a_list() -> None:
    """The response to a list has the headers of any other response."""
    settings = Settings(limits=Limits(batch=LIMIT), cors=CorsSettings(origins=("https://a.example",)))
    async with doors(settings) as served:
        _, _, head = await ask(served, [Y], "Origin: https://a.example")
        assert "\r\naccess-control-allow-origin: https://a.example\r\n" in head
        assert "\r\nx-content-type-options: nosniff\r\n" in head
