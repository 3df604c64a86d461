"""Facts: who receives which, which stages a request reports, and that errors are logged without `gateway
serve`.
"""

import io
import json
from typing import Any

import httpx
import pytest

from gateway.app import create_app
from gateway.core.errors import SubgraphError
from gateway.observe.facts import Fact, InternalFailure, Reloaded, StageEnded, StageStarted, SubgraphFailed
from gateway.observe.log import Log
from gateway.observe.observer import Observer
from gateway.settings import Settings
from tests.gateway.support import supergraph_of

SDLS = {"a": 'type Query { hello: String thing: Thing } type Thing @key(fields: "id") { id: ID! }'}
SDLS["b"] = 'type Thing @key(fields: "id") { id: ID! name: String }'


async def subgraph_a(query: str, variables: Any, operation_name: str | None, headers: Any) -> dict[str, Any]:
    """Reply, or fail if `hello` is selected."""
    if "hello" in query:
        raise SubgraphError("is down", "SUBGRAPH_UNREACHABLE", subgraph="a")
    return {"data": {"thing": {"__typename": "Thing", "id": "1"}}}


async def subgraph_b(query: str, variables: Any, operation_name: str | None, headers: Any) -> dict[str, Any]:
    """Reply to every request."""
    return {"data": {"_entities": [{"name": "x"}]}}


def client(observer: Observer | None = None, **settings: Any) -> httpx.AsyncClient:
    """Return a client of an application with an observer."""
    local = {"a": subgraph_a, "b": subgraph_b}
    app = create_app(supergraph_of(SDLS), Settings(**settings), local, observer=observer)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway")


@pytest.mark.parametrize("compile", [True, False])
async def test_every_stage_starts_and_ends(compile: bool) -> None:
    """Each stage is reported with the request's id and its duration; a cached operation has no stage
    PREPARE.
    """
    facts: list[Fact] = []
    async with client(Observer([], [facts.append]), compile=compile) as http:
        for number in "12":
            await http.post(
                "/graphql", json={"query": "{ thing { name } }"}, headers={"x-request-id": number}
            )
    started = [
        (fact.stage, fact.detail) for fact in facts if isinstance(fact, StageStarted) and fact.request == "1"
    ]
    again = [fact.stage for fact in facts if isinstance(fact, StageStarted) and fact.request == "2"]
    assert started == [("request", ""), ("prepare", ""), ("execute", ""), ("call", "a"), ("call", "b")]
    assert again == ["request", "execute", "call", "call"]
    ended = [fact for fact in facts if isinstance(fact, StageEnded)]
    assert len(ended) == len(started) + len(again)
    assert all(fact.seconds >= 0 and fact.error is None for fact in ended)


async def test_a_stage_that_fails_says_so() -> None:
    """A failed stage has the error code; the failed call is also a fact with the request's id."""
    facts: list[Fact] = []
    async with client(Observer([facts.append], [facts.append])) as http:
        await http.post("/graphql", json={"query": "{ hello }"}, headers={"x-request-id": "r1"})
        await http.post(
            "/graphql", json={"query": "{ nothing"}, headers={"accept": "application/graphql-response+json"}
        )
    errors = {(fact.stage, fact.error) for fact in facts if isinstance(fact, StageEnded)}
    assert errors >= {("call", "SUBGRAPH_BAD_RESPONSE"), ("execute", None), ("request", "400")}
    assert ("prepare", "GRAPHQL_PARSE_FAILED") in errors
    (failed,) = [fact for fact in facts if isinstance(fact, SubgraphFailed)]
    assert (failed.subgraph, failed.code, failed.request) == ("a", "SUBGRAPH_BAD_RESPONSE", "r1")


async def test_listeners_of_facts_hear_no_stages() -> None:
    """Listeners of facts receive no stages, and nothing after they were removed."""
    facts: list[Fact] = []
    observer = Observer()
    stop = observer.listen(facts.append)
    async with client(observer) as http:
        await http.post("/graphql", json={"query": "{ hello }"})
        stop()
        await http.post("/graphql", json={"query": "{ hello }"})
    assert [type(fact) for fact in facts] == [SubgraphFailed]


async def test_an_application_logs_by_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 500 of an application from `create_app` has a log line with the id that the client received."""

    def fail(*_: Any) -> Any:
        raise RuntimeError("hunter2")

    async with client() as http:
        monkeypatch.setattr("gateway.prepared_operations.PreparedOperations.find", fail)
        response = await http.post("/graphql", json={"query": "{ thing { name } }"})
    number = response.json()["errors"][0]["extensions"]["id"]
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "internal failure" in line]
    assert json.loads(line)["id"] == number
    assert "RuntimeError: hunter2" in json.loads(line)["exception"]
    assert "hunter2" not in response.text


def test_lines_are_json_or_for_people() -> None:
    """Every fact can be logged in both forms."""
    facts: list[Fact] = [
        Reloaded(("a",)),
        SubgraphFailed("a", "SUBGRAPH_TIMEOUT", "gave no answer", "r"),
        InternalFailure("r", ValueError("x")),
        StageStarted("call", "r", 1.0, "a"),
        StageEnded("call", "r", 2.0, 1.0, "a"),
    ]
    for as_json in (True, False):
        stream = io.StringIO()
        for fact in facts:
            Log(as_json, stream)(fact)
        assert stream.getvalue().count("\n") >= len(facts)
        if as_json:
            events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
            assert (events[0], len(events)) == ("reloaded", len(facts))
