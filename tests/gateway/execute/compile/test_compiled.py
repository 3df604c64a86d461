"""Compiled plans give the same responses as the exact path, send no call twice, and leave no memory for old
plans.
"""

import gc
from typing import Any

import orjson
import pytest

from gateway.core.envelope import encoded_body
from gateway.execute.compile.run import MergingRun
from gateway.execution import execute
from gateway.pipeline import check, pick, prepare, run
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import Settings
from gateway.transport.base import Call
from gateway.transport.fake import FakeTransport
from tests.gateway.support import fake_engine, gateway_of, inputs_of

SDLS = {
    "a": """
        type Query { things: [Thing] one: Thing! }
        type Mutation { add(n: Int!): Thing }
        enum Size { SMALL LARGE }
        scalar Any
        type Thing @key(fields: "id") { id: ID! name: String! size: Size any: Any ratio: Float count: Int }
    """,
    "b": 'type Thing @key(fields: "id") { id: ID! color: String price: Int! tags: [String!] }',
}
THING = {"id": "1", "name": "x", "size": "SMALL", "any": {"a": [1]}, "ratio": 1, "count": 3}
ENTITY = {"color": "red", "price": 2, "tags": ["t"]}
QUERY = "{ things { name size any ratio count color price tags } }"


def replying(a: Any, b: Any) -> Any:
    """Return a function for FakeTransport: subgraph a replies with one object, b with one entity, or as
    given.
    """

    def reply(request: Call) -> Any:
        return a if request.subgraph == "a" else b

    return reply


async def both(query: str, a: Any, b: Any) -> tuple[Any, Any, list[str], bool]:
    """Run both paths.

    Return their responses, the subgraphs that the compiled path called, and whether it answered itself.
    """
    engine, transport = fake_engine(SDLS, replying(a, b))
    checked = check(engine, query)
    node = pick(checked, None)
    prepared = prepare(engine, checked, node, {})
    assert prepared.program is not None
    written = (await execute(engine, prepared, inputs_of(engine))).response
    asked = [request.subgraph for request in transport.requests]
    exact = (await run(engine, prepared, inputs_of(engine))).response
    compiled = orjson.loads(written) if isinstance(written, bytes) else written
    return compiled, exact, asked, isinstance(written, bytes)


def data(**changes: Any) -> Any:
    """Return subgraph a's reply, with some values changed."""
    return {"data": {"things": [{**THING, **changes}]}}


def entities(*items: Any) -> Any:
    """Return subgraph b's reply."""
    return {"data": {"_entities": list(items)}}


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (data(), entities(ENTITY)),
        (data(size=None, any=None, ratio=2.5, count=None), entities({**ENTITY, "color": None, "tags": None})),
        ({"data": {"things": None}}, entities()),
        (
            {"data": {"things": [None, THING, THING, {**THING, "id": "2"}]}},
            entities(ENTITY, {**ENTITY, "color": "blue"}),
        ),
    ],
)
async def test_usual_replies(a: Any, b: Any) -> None:
    """Valid replies are answered by the compiled plan, with the response of the exact path."""
    compiled, exact, _, through = await both(QUERY, a, b)
    assert through
    assert compiled == exact
    assert "errors" not in compiled


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (data(count="3"), entities(ENTITY)),
        (data(count=2**40), entities(ENTITY)),
        (data(size="HUGE"), entities(ENTITY)),
        (data(name=None), entities(ENTITY)),
        (data(id=7), entities(ENTITY)),
        ({"data": {"things": [{**THING, "name": 1}]}}, entities(ENTITY)),
        ({"data": {"things": 5}}, entities(ENTITY)),
        (
            {"data": {"things": [THING]}, "errors": [{"message": "no", "path": ["things", 0, "size"]}]},
            entities(ENTITY),
        ),
        ({"data": None, "errors": [{"message": "no"}]}, entities(ENTITY)),
        ({"nothing": 1}, entities(ENTITY)),
        (data(), entities(None)),
        (data(), entities({**ENTITY, "price": None})),
        (data(), entities({"color": "red"})),
        (data(), entities(ENTITY, ENTITY)),
        (data(), {"data": {"_entities": None}, "errors": [{"message": "no", "path": ["_entities"]}]}),
        (data(), [1]),
    ],
)
async def test_unusual_replies(a: Any, b: Any) -> None:
    """Other replies are left to the exact path, with the same response, and no call is sent twice."""
    compiled, exact, asked, _ = await both(QUERY, a, b)
    assert compiled == exact
    assert asked in (["a"], ["a", "b"])


async def test_a_mutation_is_sent_once() -> None:
    """A mutation is sent once, also if its reply is left to the exact path."""
    engine, transport = fake_engine(
        SDLS, replying({"data": {"add": {**THING, "name": None}}}, entities(ENTITY))
    )
    query = "mutation { add(n: 1) { name color } }"
    checked = check(engine, query)
    node = pick(checked, None)
    written = await execute(engine, prepare(engine, checked, node, {}), inputs_of(engine))
    assert isinstance(written.response, dict)
    assert written.response["data"] == {"add": None}
    assert [request.subgraph for request in transport.requests].count("a") == 1


async def test_a_mistake_in_a_callback_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in a callback does not lose the request: it is answered on the exact path."""

    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(MergingRun, "accept_reply", broken)
    compiled, exact, asked, _ = await both(QUERY, data(), entities(ENTITY))
    assert compiled == exact
    assert asked == ["a", "b"]


async def test_one_reply_is_passed_on_untouched() -> None:
    """If one subgraph answers everything, its body is the response, byte by byte.

    Fields that were not requested are removed.
    """
    engine, _ = fake_engine(SDLS, replying(data(), None))
    checked = check(engine, "{ things { name any } }")
    prepared = prepare(engine, checked, pick(checked, None), {})
    more = (await execute(engine, prepared, inputs_of(engine))).response
    assert more == {"data": {"things": [{"name": "x", "any": {"a": [1]}}]}}
    exactly = {"data": {"things": [{"name": "x", "any": {"a": [1]}}]}}
    engine, _ = fake_engine(SDLS, replying(exactly, None))
    prepared = prepare(engine, checked, pick(checked, None), {})
    assert (await execute(engine, prepared, inputs_of(engine))).response == orjson.dumps(exactly)


async def test_a_known_operation_touches_neither_parser_nor_planner() -> None:
    """For a repeated operation neither parser nor planner runs, whatever the variables are."""
    gateway = gateway_of(SDLS, FakeTransport(replying({"data": {"add": None}}, None)), Settings())
    for number in range(5):
        ask = GraphQLRequest("mutation($n: Int!) { add(n: $n) { name } }", {"n": number})
        assert orjson.loads(encoded_body(await gateway.answer(ask, {}))) == {"data": {"add": None}}
    assert (
        gateway.prepared.documents.misses,
        gateway.prepared.plans.misses,
        gateway.prepared.operations.misses,
    ) == (1, 1, 1)


async def test_a_new_supergraph_knows_what_was_asked_last() -> None:
    """After a reload the recent operations are already planned; those that are no longer valid are
    skipped.
    """
    before = gateway_of(SDLS, FakeTransport(replying(data(), entities(ENTITY))), Settings())
    for ask in (
        GraphQLRequest(QUERY),
        GraphQLRequest("query A { things { size } } query B { one { name } }", {}, "A"),
    ):
        await before.answer(ask, {})
    smaller = {**SDLS, "a": SDLS["a"].replace("size: Size", "")}
    after = gateway_of(smaller, FakeTransport(replying(data(), entities(ENTITY))), Settings())
    await before.answer(GraphQLRequest("{ things { name color } }"), {})
    after.prepared.warm(before.prepared)
    known = (after.prepared.documents.misses, after.prepared.plans.misses, after.prepared.operations.misses)
    assert orjson.loads(encoded_body(await after.answer(GraphQLRequest("{ things { name color } }"), {})))[
        "data"
    ]
    assert (
        after.prepared.documents.misses,
        after.prepared.plans.misses,
        after.prepared.operations.misses,
    ) == known
    assert list(after.prepared.operations.values) == [("{ things { name color } }", None)]


async def test_what_was_compiled_for_evicted_plans_is_collected() -> None:
    """The struct types of plans that were evicted from the cache are garbage-collected."""
    gateway = gateway_of(SDLS, FakeTransport(replying(data(), entities(ENTITY))), Settings(plan_cache=5))
    live = []
    for number in range(90):
        await gateway.answer(GraphQLRequest(f"{{ a{number}: things {{ name color }} }}"), {})
        if number % 30 == 29:
            live.append(_live_types())
    assert live[0] > 0
    assert live[1] == live[2], "with the caches full, what comes in and what goes are as many"


def _live_types() -> int:
    gc.collect()
    return sum(
        isinstance(one, type) and one.__module__ == "gateway.execute.compile.structs"
        for one in gc.get_objects()
    )


@pytest.mark.parametrize("query", [QUERY, "{ things { name any } }"])
@pytest.mark.parametrize("settings", [Settings(), Settings(share=False), Settings(share=False, batch=False)])
async def test_requests_leave_nothing_for_the_garbage_collector(query: str, settings: Settings) -> None:
    """A request's objects form no reference cycle."""
    gateway = gateway_of(SDLS, FakeTransport(replying(data(), entities(ENTITY))), settings)
    for _ in range(3):
        await gateway.answer(GraphQLRequest(query), {})
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            await gateway.answer(GraphQLRequest(query), {})
        ours = gc.collect()
    finally:
        gc.enable()
    assert ours < 5, "objects per request"
