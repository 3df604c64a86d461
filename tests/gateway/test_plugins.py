"""Plugins: the effect of each hook over both protocols and on both paths; without hooks nothing is
wrapped.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.app import create_app, create_gateway
from gateway.core.context import Identity, RequestContext
from gateway.core.envelope import BY_CODE, Envelope
from gateway.core.errors import RequestError, SettingsError, SubgraphError
from gateway.plugins import HOOKS, Hooks
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import Settings
from gateway.transport.base import Call, Outcome, Reply
from tests.gateway.http.sockets import body_of, connected, payload, raw, read_one, serving
from tests.gateway.support import supergraph_of

SDLS = {
    "a": 'type Query { thing: Thing other: String } type Thing @key(fields: "id") { id: ID! }',
    "b": 'type Thing @key(fields: "id") { id: ID! name: String }',
}
QUERY = "query Q { thing { name } }"


async def subgraph_a(query: str, variables: Any, operation_name: str | None, headers: Any) -> dict[str, Any]:
    """Reply with the thing."""
    return {"data": {"thing": {"__typename": "Thing", "id": "1"}}}


async def subgraph_b(query: str, variables: Any, operation_name: str | None, headers: Any) -> dict[str, Any]:
    """Reply with a name, which is that of the caller."""
    return {"data": {"_entities": [{"name": headers.get("x-user", "nobody")}]}}


@asynccontextmanager
async def client(*plugins: object, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of an application with plugins."""
    local = {"a": subgraph_a, "b": subgraph_b}
    app = create_app(supergraph_of(SDLS), Settings(**settings), local, plugins=plugins)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as http:
        yield http


async def ask(http: httpx.AsyncClient, query: str = QUERY, **headers: str) -> Any:
    """Return one response."""
    return (await http.post("/graphql", json={"query": query}, headers=headers)).json()


class Noting:
    """Has every hook, and records the order of the calls."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def on_request(self, context: RequestContext, ask: GraphQLRequest) -> None:
        """Record the request."""
        self.seen.append(f"request {context.headers['x-tag']} {ask.query}")

    def on_document(self, context: RequestContext, document: Any, operation: Any) -> None:
        """Record the document."""
        self.seen.append(f"document {operation.name.value}")

    def on_plan(self, context: RequestContext, plan: Any) -> None:
        """Record the plan."""
        self.seen.append(f"plan {len(plan.fetches)}")

    def on_call(self, context: RequestContext | None, call: Call) -> None:
        """Record a call."""
        self.seen.append(f"call {call.subgraph}")

    def on_reply(self, context: RequestContext | None, call: Call, outcome: Outcome) -> None:
        """Record a reply."""
        self.seen.append(f"reply {call.subgraph} {isinstance(outcome, Reply)}")

    def on_response(self, context: RequestContext, envelope: Envelope) -> None:
        """Record the response."""
        self.seen.append(f"response {envelope.refused}")


@pytest.mark.parametrize("compile", [True, False])
async def test_every_hook_is_called_in_its_order(compile: bool) -> None:
    """Hooks are called for every request, also for a cached operation; a refused request has no plan and no
    calls.
    """
    plugin = Noting()
    calls = ["call a", "reply a True", "call b", "reply b True"]
    whole = [f"request t {QUERY}", "document Q", "plan 2", *calls, "response None"]
    async with client(plugin, compile=compile) as http:
        for _ in range(2):
            assert (await ask(http, **{"x-tag": "t"}))["data"] == {"thing": {"name": "nobody"}}
        assert plugin.seen == whole * 2
        await ask(http, "{ wrong }", **{"x-tag": "t"})
    assert plugin.seen[len(whole) * 2 :] == ["request t { wrong }", f"response {BY_CODE}"]


async def test_both_doors_call_them() -> None:
    """Both doors call the hooks; the headers that a plugin adds are on the reply."""

    class Tagging:
        def on_response(self, context: RequestContext, envelope: Envelope) -> Envelope:
            return envelope.with_headers((b"x-tag", b"1"))

    async with serving(plugins=[Tagging()]) as served, connected(served) as (reader, writer):
        direct = raw(body=payload("{ hello }", None))
        for request in (direct, direct, direct.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nExpect: x\r\n", 1)):
            writer.write(request)
            reply = await read_one(reader)
            assert b"x-tag: 1\r\n" in reply
            assert body_of(reply) == {"data": {"hello": None}}


class Answering:
    """Answers some requests itself, refuses others, and raises an exception for the rest."""

    def on_request(self, context: RequestContext, ask: GraphQLRequest) -> Envelope | None:
        """Act as the query says."""
        if "other" not in ask.query:
            return Envelope({"data": {"thing": "from the plugin"}})
        if "refuse" in ask.query:
            raise RequestError("not today", "BAD_REQUEST", status=403)
        raise RuntimeError("hunter2")


async def test_a_plugin_answers_refuses_and_fails() -> None:
    """An envelope is sent unchanged, a RequestError has its status and code, and an exception is a 500
    without details.
    """
    async with client(Answering()) as http:
        assert await ask(http) == {"data": {"thing": "from the plugin"}}
        refused = await http.post("/graphql", json={"query": "{ refuse: other }"})
        assert (refused.status_code, refused.json()["errors"][0]["message"]) == (403, "not today")
        failed = await http.post("/graphql", json={"query": "{ other }"})
        assert (failed.status_code, "hunter2" in failed.text) == (500, False)


class Identifying:
    """Identifies the caller by a header that is not forwarded, and sends the identity to subgraphs in another
    header.
    """

    def on_request(self, context: RequestContext, ask: GraphQLRequest) -> None:
        """Set the identity."""
        user = context.headers.get("x-login")
        context.identity = Identity(user, key=user)

    def on_call(self, context: RequestContext | None, call: Call) -> Call | None:
        """Send the identity in a header."""
        user = context.identity.subject if context else None
        return call.replaced(headers=call.headers.adding((("x-user", user),))) if user else None


@pytest.mark.parametrize("compile", [True, False])
async def test_identities_share_nothing(compile: bool) -> None:
    """Requests with different identities share neither an execution nor an entity fetch."""
    async with client(Identifying(), compile=compile) as http:
        names = ["kim", "lee", "kim", "lee"]
        answers = await asyncio.gather(*(ask(http, **{"x-login": name}) for name in names))
    assert [one["data"]["thing"]["name"] for one in answers] == names


class Sparing:
    """Replies in place of subgraph b, and turns its failures into empty replies."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome

    def on_call(self, context: RequestContext | None, call: Call) -> Reply | None:
        """Reply in place of the subgraph."""
        if call.subgraph != "b":
            return None
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return Reply(200, b'{"data":{"_entities":[{"name":"spared"}]}}')

    def on_reply(self, context: RequestContext | None, call: Call, outcome: Outcome) -> Outcome | None:
        """Change the reply once more."""
        if isinstance(outcome, Reply) and b"spared" in outcome.body:
            return Reply(200, outcome.body.replace(b"spared", b"changed"))
        return None


@pytest.mark.parametrize("compile", [True, False])
async def test_a_plugin_replies_in_place_of_a_subgraph(compile: bool) -> None:
    """A plugin's reply, change or exception counts as if it came from the subgraph."""
    async with client(Sparing(None), compile=compile) as http:
        assert await ask(http) == {"data": {"thing": {"name": "changed"}}}
    refused = SubgraphError("is closed", "SUBGRAPH_UNREACHABLE", subgraph="b")
    async with client(Sparing(refused), compile=compile) as http:
        answer = await ask(http)
    assert answer["data"] == {"thing": {"name": None}}
    assert answer["errors"][0]["extensions"]["code"] == "SUBGRAPH_UNREACHABLE"
    async with client(Sparing(ZeroDivisionError()), compile=compile) as http:
        assert (await ask(http))["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"


def test_what_is_no_plugin_is_refused() -> None:
    """An object without hooks, a misspelt hook, and a wrong async hook are refused; the message lists the
    hooks.
    """

    class Nothing:
        pass

    class Misspelt:
        def on_respond(self) -> None:
            pass

    class Waiting:
        async def on_plan(self, context: Any, plan: Any) -> None:
            pass

    for plugin, words in ((Nothing(), "has no hook"), (Misspelt(), "on_respond"), (Waiting(), "async")):
        with pytest.raises(SettingsError, match=words):
            Hooks([plugin])
    assert len(HOOKS) == 8


def test_without_plugins_nothing_is_wrapped() -> None:
    """The transport is not wrapped, and requests do not pass through hooks."""
    gateway = create_gateway(supergraph_of(SDLS), Settings(), {"a": subgraph_a, "b": subgraph_b})
    assert type(gateway.engine.transport).__name__ == "LocalTransport"
    assert not gateway.hooked


DOCS = Path(__file__).parents[2] / "docs" / "contributing.md"


def examples() -> list[str]:
    """Return the plugins in the documentation, as code."""
    return [
        code for code in re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL) if "plugins=" in code
    ]


async def test_the_documented_plugins_work() -> None:
    """Both examples of the documentation run, and do what their text says."""
    limit, timing = examples()
    made: dict[str, Any] = {"supergraph": supergraph_of(SDLS), "local": {"a": subgraph_a, "b": subgraph_b}}
    exec(limit, made)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(made["app"]), base_url="http://gateway"
    ) as http:
        assert (await ask(http))["data"] == {"thing": {"name": "nobody"}}
        refused = await ask(http, "{ thing { name } }")
        assert refused["errors"][0]["message"] == "give the operation a name"
    exec(timing, made)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(made["app"]), base_url="http://gateway"
    ) as http:
        response = await http.post("/graphql", json={"query": QUERY})
    assert re.fullmatch(r"a;dur=[\d.]+, b;dur=[\d.]+", response.headers["server-timing"])
