"""Masked errors: no text of a subgraph's error reaches a client, and none is lost."""

import asyncio
import io
import json
from pathlib import Path
from random import Random
from typing import Any

import httpx
import orjson
import pytest

from gateway.config.load import settings_from
from gateway.core.envelope import encoded_body
from gateway.core.errors import SubgraphError
from gateway.engine import Engine
from gateway.execution import execute
from gateway.observe.facts import ErrorMasked
from gateway.observe.log import Log
from gateway.observe.observer import Observer
from gateway.pipeline import check, pick, prepare
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import ErrorSettings, Settings, SubgraphSettings
from gateway.transport.base import Call, Reply
from gateway.transport.fake import FakeTransport
from tests.gateway.execute.random_replies import RandomReplies
from tests.gateway.execute.test_both_paths import QUERIES, SDLS
from tests.gateway.real import Answer, Received, door, upstream
from tests.gateway.support import engine_of, gateway_of, inputs_of, supergraph_of

MASKED = ErrorSettings("masked")
SECRET = "hunter2"
SUPERGRAPH = supergraph_of(SDLS)
PATHS: tuple[Any, ...] = (
    None, [], ["_entities", 0, "cost"], ["_entities", 9], ["things", 0, "free"], ["one"],
    ["no", f"{SECRET}!"], [f"{SECRET} 7"], "one", {"a": 1}, [None],
)  # fmt: skip
CODES: tuple[Any, ...] = ("DATABASE", f"{SECRET} in a code", None, {"a": SECRET}, 7, "x" * 5_000)


class Failing:
    """Random replies, most with errors that have a secret in every place where a subgraph can write."""

    def __init__(self, seed: int) -> None:
        self.replies = RandomReplies(SDLS, seed, 0.05)
        self.random = Random(seed)
        self.start, self.number = f"{SECRET} number {seed}", 0

    def __call__(self, call: Call) -> Any:
        """Reply to a call."""
        found = self.replies(call)
        kind = self.random.randrange(6)
        if kind == 0:
            return SubgraphError(self.text(), "SUBGRAPH_UNREACHABLE", subgraph=call.subgraph)
        if kind == 1:
            return Reply(500, self.text().encode())
        if kind == 2:
            return {"data": None, "errors": [self.error()]}
        if isinstance(found, dict):
            found["errors"] = [*found.get("errors", ()), *(self.error() for _ in range(kind - 3))] or None
        return found

    def text(self) -> str:
        """Return a new text with the secret."""
        self.number += 1
        return f"{self.start}.{self.number}"

    def error(self) -> dict[str, Any]:
        """Return a new error."""
        extensions = {
            "code": self.random.choice(CODES),
            "details": {"sql": self.text()},
            "service": self.text(),
        }
        return {"message": self.text(), "path": self.random.choice(PATHS), "extensions": extensions}


async def answers(engine: Engine, query: str, seeds: range) -> list[dict[str, Any]]:
    """Return the responses to a query over failing subgraphs."""
    checked = check(engine, query)
    prepared = prepare(engine, checked, pick(checked, None), {})
    transport = engine.transport
    assert isinstance(transport, FakeTransport)
    found = []
    for seed in seeds:
        transport.replying = Failing(seed)
        found.append(orjson.loads(encoded_body(await execute(engine, prepared, inputs_of(engine)))))
    return found


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("query", QUERIES)
def test_no_text_of_a_subgraph_is_in_a_masked_response(query: str, compiled: bool) -> None:
    """On both paths, whatever the errors are like; and each text that full errors have is reported."""
    facts: list[Any] = []
    observer = Observer([facts.append])

    def engine_with(errors: ErrorSettings) -> Engine:
        settings = Settings(errors=errors, compile=compiled, batch=False)
        made = engine_of(SUPERGRAPH, FakeTransport(lambda _: None), settings)
        return Engine(**{name: getattr(made, name) for name in made.__slots__} | {"observer": observer})

    async def every() -> None:
        seeds = range(40)
        full = await answers(engine_with(ErrorSettings()), query, seeds)
        facts.clear()
        masked = await answers(engine_with(MASKED), query, seeds)
        texts = {one.message for one in facts if isinstance(one, ErrorMasked)}
        assert texts == {e["message"] for one in full for e in one.get("errors", []) if is_of_subgraph(e)}
        assert sum(SECRET in text for text in texts) > 20
        for one, other in zip(masked, full, strict=True):
            assert SECRET not in json.dumps(one)
            assert one.get("data") == other.get("data")
            assert len(one.get("errors", [])) == len(other.get("errors", []))
            for error in one.get("errors", []):
                assert error["extensions"].keys() <= {"code", "id"}

    asyncio.run(every())


def is_of_subgraph(error: dict[str, Any]) -> bool:
    """Return whether an error of a full response is one that masking hides."""
    extensions = error["extensions"]
    return "service" in extensions or str(extensions["code"]).startswith("SUBGRAPH_")


DENIED = {
    "message": "not yours",
    "path": ["x"],
    "extensions": {"code": "DENIED", "retryAfter": 3, "sql": "q"},
}
BROKEN = {"message": "no table", "path": ["x"], "extensions": {"code": "DB", "sql": "q"}}


async def errors_of(settings: Settings, *errors: Any) -> list[Any]:
    """Return the errors of a response whose subgraph reports some, for the request `r1`."""
    transport = FakeTransport(lambda _: {"data": {"x": None}, "errors": list(errors)})
    gateway = gateway_of({"a": "type Query { x: Int }"}, transport, settings)
    envelope = await gateway.answer(GraphQLRequest("{ x }"), {"x-request-id": "r1"})
    return list(orjson.loads(encoded_body(envelope))["errors"])


async def test_full_by_default() -> None:
    """Without the setting, clients get message, extensions and the subgraph's name."""
    (error,) = await errors_of(Settings(), BROKEN)
    assert error == {**BROKEN, "extensions": {"code": "DB", "sql": "q", "service": "a"}}


async def test_masked() -> None:
    """A masked error has a fixed message, its path, its code, and the request's id."""
    (error,) = await errors_of(Settings(errors=MASKED), BROKEN)
    assert error == {"message": MASKED.message, "path": ["x"], "extensions": {"code": "DB", "id": "r1"}}


async def test_codes_and_extensions_that_are_shown() -> None:
    """Errors with listed codes keep their message; all keep the listed extensions."""
    errors = ErrorSettings("masked", "sorry", frozenset({"DENIED"}), frozenset({"retryAfter"}))
    shown, hidden = await errors_of(Settings(errors=errors), DENIED, BROKEN)
    assert shown["message"] == "not yours"
    assert shown["extensions"] == {"code": "DENIED", "retryAfter": 3, "id": "r1"}
    assert (hidden["message"], hidden["extensions"]) == ("sorry", {"code": "DB", "id": "r1"})


@pytest.mark.parametrize(
    ("common", "own", "message"),
    [("masked", "full", "no table"), ("full", "masked", MASKED.message), ("masked", None, MASKED.message)],
)
async def test_one_subgraph_can_differ(common: Any, own: Any, message: str) -> None:
    """The setting of a subgraph goes before the common one."""
    settings = Settings(errors=ErrorSettings(common), subgraphs={"a": SubgraphSettings(errors=own)})
    assert [one["message"] for one in await errors_of(settings, BROKEN)] == [message]


async def test_errors_of_the_gateway_stay() -> None:
    """Errors about the request itself are not masked."""
    gateway = gateway_of({"a": "type Query { x: Int }"}, FakeTransport(lambda _: {}), Settings(errors=MASKED))
    envelope = await gateway.answer(GraphQLRequest("{ y }"), {})
    assert "Cannot query field 'y'" in orjson.loads(encoded_body(envelope))["errors"][0]["message"]


async def test_a_null_that_is_not_allowed_names_only_the_schema() -> None:
    """An error that names a field of the clients' schema stays; one that quotes a value does not."""
    transport = FakeTransport(lambda _: {"data": {"t": {"x": None}, "y": SECRET}})
    settings = Settings(errors=MASKED)
    gateway = gateway_of({"a": "type Query { t: T y: Int } type T { x: Int! }"}, transport, settings)
    envelope = await gateway.answer(GraphQLRequest("{ t { x } y }"), {})
    found = {
        one["extensions"]["code"]: one["message"] for one in orjson.loads(encoded_body(envelope))["errors"]
    }
    assert found["SUBGRAPH_WRONG_VALUE"] == MASKED.message
    assert found["NULL_IN_NON_NULL"].startswith("T.x: expected a non-null value")


async def test_over_the_wire_the_log_has_what_the_client_lacks() -> None:
    """The id in the response finds the log's entry with the full text; for a subgraph that is down, too."""

    def answer(_: Received) -> Answer:
        return Answer({"data": {"x": None}, "errors": [BROKEN, BROKEN]})

    sdls = {"a": "type Query { x: Int }", "b": "type Query { z: Int }"}
    settings = settings_from("errors: {mode: masked}", {}, Path("gateway.yaml"))
    async with upstream(answer) as a, upstream(answer) as b, door(sdls, {"a": a, "b": b}, settings) as served:
        b.close_next = 1
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.port}") as client:
            reply = (await client.post("/graphql", json={"query": "{ x z }"})).json()
    (request,) = {one["extensions"]["id"] for one in reply["errors"]}
    assert len(reply["errors"]) == 3
    assert {one["message"] for one in reply["errors"]} == {MASKED.message}
    facts = served.of(ErrorMasked)
    assert {(one.subgraph, one.code, one.request) for one in facts} == {
        ("a", "DB", request),
        ("b", "SUBGRAPH_UNREACHABLE", request),
    }
    stream = io.StringIO()
    Log(json=True, stream=stream)(next(one for one in facts if one.subgraph == "a"))
    entry = orjson.loads(stream.getvalue())
    assert (entry["message"], entry["request"], entry["extensions"]["sql"]) == ("no table", request, "q")
