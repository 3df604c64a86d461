"""The plan in a response: what it shows of the calls, and that a request for the plan alone calls nothing."""

from typing import Any

import httpx
import orjson
import pytest

from gateway.answering import Gateway
from gateway.app import create_app
from gateway.core.clock import FakeClock
from gateway.core.errors import RequestError, SubgraphError
from gateway.core.jsontext import encode_json
from gateway.engine import make_engine
from gateway.request.graphql_request import GraphQLRequest, PlanWish
from gateway.settings import Settings
from gateway.supergraph.load import load_supergraph
from gateway.transport.base import Call, Done, Handle, Reply, run_in_task
from gateway.transport.fake import FakeTransport, Replying
from tests.gateway.support import supergraph_of

SDLS = {
    "a": """type Query { things: [Thing] } type Mutation { add: Int }
        type Thing @key(fields: "id") { id: ID! }""",
    "b": 'type Thing @key(fields: "id") { id: ID! name: String }',
}
QUERY = "{ things { name } }"
THINGS = {"data": {"things": [{"__typename": "Thing", "id": one} for one in ("1", "2", "2")]}}
NAMES = {"data": {"_entities": [{"name": "x"}, {"name": "y"}]}}


class SlowTransport(FakeTransport):
    """Each reply takes a second of the fake clock."""

    def __init__(self, replying: Replying, clock: FakeClock) -> None:
        super().__init__(replying)
        self.clock = clock

    def post(self, call: Call, done: Done) -> Handle:
        """Send a call."""

        async def reply() -> Reply:
            await self.clock.advance(1.0)
            return await self._reply(call)

        return run_in_task(reply(), done)


class Slow:
    """Slow subgraphs; `b` replies with `second`."""

    def __init__(self, second: Any = NAMES) -> None:
        self.clock = FakeClock()
        self.second = second
        self.transport = SlowTransport(self.reply, self.clock)

    def reply(self, call: Call) -> Any:
        """Reply to a call."""
        return THINGS if call.subgraph == "a" else self.second

    async def response(
        self, query: str = QUERY, plan: PlanWish = True, settings: Settings | None = None
    ) -> Any:
        """Return the response to a request, and set `gateway`."""
        engine = make_engine(
            load_supergraph(supergraph_of(SDLS)), self.transport, settings or Settings(), clock=self.clock
        )
        self.gateway = Gateway(engine)
        envelope = await self.gateway.answer(GraphQLRequest(query, plan=plan), {})
        return orjson.loads(encode_json(envelope.response))


async def test_the_calls_of_this_response() -> None:
    """Each call has its start, its duration, its sizes and the number of distinct representations."""
    slow = Slow()
    response = await slow.response()
    assert [thing["name"] for thing in response["data"]["things"]] == ["x", "y", "y"]
    first, second = response["extensions"]["plan"]["calls"]
    sent = slow.transport.requests
    assert first == {
        "fetch": 0,
        "subgraph": "a",
        "startMs": 0.0,
        "durationMs": 1000.0,
        "requestBytes": len(sent[0].body),
        "responseBytes": len(encode_json(THINGS)),
        "representations": 0,
        "status": 200,
        "error": None,
        "errors": 0,
        "operation": "{\n  things {\n    id\n  }\n}",
    }
    assert (second["startMs"], second["durationMs"], second["representations"]) == (1000.0, 1000.0, 2)
    assert second["requestBytes"] == len(sent[1].body)


SECRET = "password=hunter2"


@pytest.mark.parametrize(
    ("reply", "error", "errors", "status"),
    [
        (SubgraphError(SECRET, "SUBGRAPH_TIMEOUT", subgraph="b"), "SUBGRAPH_TIMEOUT", 0, None),
        (Reply(503, SECRET.encode()), "SUBGRAPH_HTTP_ERROR", 0, 503),
        (Reply(200, b"<html>"), "SUBGRAPH_BAD_RESPONSE", 0, 200),
        (Reply(200, b"[]"), None, 0, 200),
        (Reply(200, b'{"errors": 7}'), None, 0, 200),
        (Reply(302, b"", [(b"location", SECRET.encode())]), "SUBGRAPH_HTTP_ERROR", 0, 302),
        ({"errors": [{"message": SECRET}, {"message": "no"}], "data": None}, None, 2, 200),
    ],
)
async def test_failed_calls(reply: Any, error: str | None, errors: int, status: int | None) -> None:
    """A call without a usable reply has a code, GraphQL errors are counted; no text of an error is shown."""
    response = await Slow(reply).response()
    call = response["extensions"]["plan"]["calls"][1]
    assert (call["error"], call["errors"], call["status"]) == (error, errors, status)
    assert call["responseBytes"] == (None if status is None else call["responseBytes"])
    assert SECRET not in str(response["extensions"])


async def test_a_plan_run_again_shows_all_calls() -> None:
    """Requests that are equal share nothing when their plans are wanted: each sends its own calls."""
    slow = Slow()
    for _ in range(2):
        response = await slow.response()
        assert [call["subgraph"] for call in response["extensions"]["plan"]["calls"]] == ["a", "b"]
    assert len(slow.transport.requests) == 4


async def test_requests_are_formatted() -> None:
    """The plan's requests have a line for each field, in the text and in the JSON."""
    plan = (await Slow().response())["extensions"]["plan"]
    fetch = plan["json"]["stages"][0][1]
    assert "\n    ... on Thing {\n      name\n    }\n" in fetch["operation"]
    assert "        ... on Thing {\n          name\n" in plan["text"]


@pytest.mark.parametrize("query", [QUERY, "mutation { add }"])
async def test_the_plan_alone(query: str) -> None:
    """`only` returns the plan, also of a mutation; no subgraph is called."""
    slow = Slow()
    response = await slow.response(query, "only")
    assert response["data"] is None
    assert response["extensions"]["plan"].keys() == {"text", "json"}
    assert response["extensions"]["plan"]["json"]["kind"] == query.split(" ")[0].replace("{", "query")
    assert slow.transport.requests == []


async def test_where_plans_are_not_shown() -> None:
    """Without `plan_header`, `1` changes nothing, and `only` is refused: nothing is executed."""
    settings = Settings(plan_header=False)
    slow = Slow()
    assert "extensions" not in await slow.response(settings=settings)
    assert len(slow.transport.requests) == 2
    refused = await slow.response("mutation { add }", "only", settings)
    assert refused["errors"][0]["extensions"]["code"] == "PLAN_HEADER_DISABLED"
    assert "data" not in refused
    assert len(slow.transport.requests) == 2
    with pytest.raises(RequestError):
        slow.gateway.begin(GraphQLRequest(QUERY, plan="only"), slow.gateway.context({}), lambda _: None)


@pytest.mark.parametrize(
    ("value", "found"),
    [("", None), ("0", None), ("false", None), ("1", 1), ("yes", 1), ("only", 0), (" ONLY ", 0), ("on", 1)],
)
async def test_the_header(value: str, found: int | None) -> None:
    """The header's values: nothing, the plan with its calls, or the plan alone (here 0 calls)."""

    async def subgraph(query: str, variables: Any, operation_name: str | None, headers: Any) -> Any:
        return {"data": {"things": []}}

    app = create_app(supergraph_of(SDLS), Settings(), {"a": subgraph, "b": subgraph})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        for response in (
            await client.post("/graphql", json={"query": QUERY}, headers={"x-gateway-plan": value}),
            await client.get("/graphql", params={"query": QUERY}, headers={"x-gateway-plan": value}),
        ):
            plan = response.json().get("extensions", {}).get("plan")
            assert (None if plan is None else len(plan.get("calls", ()))) == found
