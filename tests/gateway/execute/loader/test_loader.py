"""Batching of entity fetches: what is batched, what never is, and that requests do not affect each other."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest

from gateway.answering import Gateway
from gateway.core.clock import FakeClock
from gateway.core.envelope import encoded_body
from gateway.core.errors import SubgraphError
from gateway.execute.loader.loader import Loader
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import Settings
from gateway.transport.base import Call, Done, Handle, Outcome, Reply, run_in_task
from gateway.transport.headers import NO_HEADERS
from gateway.transport.template import template_of
from tests.gateway.support import gateway_of, until

SDLS = {
    "a": "type Query { one(id: ID!): Thing } type Mutation { change(id: ID!): Thing } "
    'type Thing @key(fields: "id") { id: ID! }',
    "b": 'type Thing @key(fields: "id") { id: ID! color: String! size(unit: String): Int }',
}
KIM, LEE = {"authorization": "kim"}, {"authorization": "lee"}
Color = Callable[[str, str], Any]


def colored(id_: str, user: str) -> Any:
    """Return an entity, as subgraph b returns it to a user."""
    return {"color": f"{id_} for {user}"}


class Subgraphs:
    """Subgraph a has all things; b replies as set.

    `asked`: the ids in each of b's requests. `hold`: delays replies.
    """

    def __init__(self, entity: Color = colored) -> None:
        self.entity = entity
        self.asked: list[list[str]] = []
        self.cancelled = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.hold: asyncio.Event | None = None
        self.whole: Callable[[list[Any]], Any] = lambda found: {"data": {"_entities": found}}

    def post(self, call: Call, done: Done) -> Handle:
        """Reply in a task."""
        return run_in_task(self.answer(call), done)

    async def answer(self, call: Call) -> Reply:
        """One reply, possibly delayed."""
        variables = call.variables
        if call.subgraph == "a":
            field = "change" if "mutation" in call.query else "one"
            return Reply(
                200, orjson.dumps({"data": {field: {"__typename": "Thing", "id": variables["id"]}}}), []
            )
        ids = [one["id"] for one in variables["representations"]]
        self.asked.append(ids)
        try:
            if self.hold is not None:
                await self.hold.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        user = dict(call.headers.pairs).get("authorization", "nobody")
        found = self.whole([self.entity(id_, user) for id_ in ids])
        if isinstance(found, Exception):
            raise found
        return Reply(200, orjson.dumps(found), self.headers)

    async def close(self) -> None:
        """Do nothing."""


def query(id_: str, kind: str = "query", extra: str = "") -> GraphQLRequest:
    """Return a query for one thing's color; `extra` makes different operations with the same request to b."""
    field = "one" if kind == "query" else "change"
    return GraphQLRequest(f"{kind}($id: ID!) {{ {extra} {field}(id: $id) {{ color }} }}", {"id": id_})


async def together(gateway: Gateway, *asks: tuple[GraphQLRequest, dict[str, str]]) -> list[Any]:
    """Return the responses to concurrent requests."""
    answers = await asyncio.gather(*(gateway.answer(ask, headers) for ask, headers in asks))
    return [orjson.loads(encoded_body(one)) for one in answers]


@pytest.fixture(params=[True, False], ids=["compiled", "exact"])
def settings(request: pytest.FixtureRequest) -> Settings:
    """Yield settings for both paths; equal queries are executed separately, so that only the loader can
    share.
    """
    return Settings(compile=request.param, share=False)


def colors(responses: list[Any]) -> list[str]:
    """Return the colors in responses without errors."""
    assert not any("errors" in one for one in responses), responses
    return [one["data"]["one"]["color"] for one in responses]


async def test_what_comes_at_once_goes_together(settings: Settings) -> None:
    """Concurrent fetches are one request with each entity once; every call gets the entities that it
    requested.
    """
    transport = Subgraphs()
    ids = ["1", "2", "1", "3", "2"]
    responses = await together(gateway_of(SDLS, transport, settings), *((query(one), KIM) for one in ids))
    assert colors(responses) == [f"{one} for kim" for one in ids]
    assert sorted(transport.asked[0]) == ["1", "2", "3"]
    assert len(transport.asked) == 1


async def test_users_share_nothing(settings: Settings) -> None:
    """Two users and an anonymous caller that request the same entity cause three requests."""
    transport = Subgraphs()
    gateway = gateway_of(SDLS, transport, settings)
    asks = [(query("1"), KIM), (query("1"), LEE), (query("1"), {}), (query("1"), KIM)]
    assert colors(await together(gateway, *asks)) == ["1 for kim", "1 for lee", "1 for nobody", "1 for kim"]
    assert transport.asked == [["1"], ["1"], ["1"]]


@pytest.mark.parametrize(
    ("more", "requests"),
    [({"traceparent": "b", "x-request-id": "2"}, 1), ({"x-own": "1"}, 1), ({"accept-language": "de"}, 2)],
)
async def test_what_tells_callers_apart(settings: Settings, more: dict[str, str], requests: int) -> None:
    """Callers with different forwarded headers share nothing, unless these headers only trace the request."""
    transport = Subgraphs()
    await together(gateway_of(SDLS, transport, settings), (query("1"), KIM), (query("2"), {**KIM, **more}))
    assert len(transport.asked) == requests


async def test_another_selection_or_argument_is_another_batch(settings: Settings) -> None:
    """Fetches with another text or other variables are not in one batch."""
    transport = Subgraphs(lambda id_, user: {"color": id_, "size": 1})
    sized = "query($id: ID!, $u: String) { one(id: $id) { size(unit: $u) } }"
    asks = [
        query("1"),
        GraphQLRequest(sized, {"id": "2", "u": "m"}),
        GraphQLRequest(sized, {"id": "3", "u": "m"}),
        GraphQLRequest(sized, {"id": "4"}),
    ]
    await together(gateway_of(SDLS, transport, settings), *((ask, KIM) for ask in asks))
    assert sorted(transport.asked) == [["1"], ["2", "3"], ["4"]]


async def test_mutations_share_nothing(settings: Settings) -> None:
    """Mutations are batched neither with each other nor with queries."""
    transport = Subgraphs()
    asks = [(query("1", "mutation"), KIM), (query("1", "mutation"), KIM), (query("1"), KIM)]
    await together(gateway_of(SDLS, transport, settings), *asks)
    assert transport.asked == [["1"]] * 3


async def test_it_can_be_turned_off(settings: Settings) -> None:
    """With batch=False each request sends its own fetch."""
    transport = Subgraphs()
    off = Settings(compile=settings.compile, share=False, batch=False)
    await together(gateway_of(SDLS, transport, off), *((query("1"), KIM) for _ in range(3)))
    assert transport.asked == [["1"]] * 3


@pytest.mark.parametrize(
    "header",
    [(b"Set-Cookie", b"a=b"), (b"cache-control", b"private, max-age=5"), (b"Cache-Control", b"no-store")],
)
async def test_private_replies_are_not_shared(settings: Settings, header: tuple[bytes, bytes]) -> None:
    """After a private reply to a batch every caller sends its own call; later calls of this fetch are not
    batched.
    """
    transport = Subgraphs()
    transport.headers = [header]
    gateway = gateway_of(SDLS, transport, settings)
    assert colors(await together(gateway, *((query(one), KIM) for one in "12"))) == ["1 for kim", "2 for kim"]
    assert sorted(transport.asked) == [["1"], ["1", "2"], ["2"]]
    await together(gateway, *((query(one), KIM) for one in "34"))
    assert sorted(transport.asked[3:]) == [["3"], ["4"]]


def error(**more: Any) -> dict[str, Any]:
    """Return an error of subgraph b."""
    return {"message": "broken", **more}


def without_two(id_: str, user: str) -> Any:
    """Return a reply without the second entity."""
    return None if id_ == "2" else colored(id_, user)


async def test_an_error_with_a_position_is_for_its_caller_alone(settings: Settings) -> None:
    """An error of one entity is only in the responses with this entity, and no call is repeated."""
    transport = Subgraphs(without_two)
    transport.whole = lambda found: {
        "data": {"_entities": found},
        "errors": [error(path=["_entities", found.index(None), "color"])] if None in found else [],
    }
    responses = await together(gateway_of(SDLS, transport, settings), *((query(one), KIM) for one in "123"))
    assert [one["data"]["one"] for one in responses] == [{"color": "1 for kim"}, None, {"color": "3 for kim"}]
    assert [("errors" in one) for one in responses] == [False, True, False]
    assert responses[1]["errors"][0]["path"] == ["one", "color"]
    assert len(transport.asked) == 1


BAD = [
    lambda found: {"data": {"_entities": found}, "errors": [error()]},
    lambda found: {"data": {"_entities": found}, "errors": [error(path=["_entities"])]},
    lambda found: {"data": {"_entities": found}, "errors": [error(path=["_entities", 99])]},
    lambda found: {"data": {"_entities": found}, "errors": ["?"]},
    lambda found: {"data": None, "errors": [error()]},
    lambda found: {"data": {"_entities": None}, "errors": [error(path=["_entities"])]},
    lambda found: {"data": {"_entities": found[1:]}},
    lambda found: {"nothing": 1},
    lambda found: SubgraphError("can't be reached", "SUBGRAPH_UNREACHABLE", subgraph="b"),
]


@pytest.mark.parametrize("bad", BAD)
async def test_one_bad_representation_fails_nobody_else(
    settings: Settings, bad: Callable[[list[Any]], Any]
) -> None:
    """If a reply can't be split, each caller sends its own call, so that only the caller of the bad entity
    gets an error.
    """
    transport = Subgraphs(without_two)
    transport.whole = lambda found: bad(found) if None in found else {"data": {"_entities": found}}
    responses = await together(gateway_of(SDLS, transport, settings), *((query(one), KIM) for one in "123"))
    assert [one["data"]["one"] for one in responses] == [{"color": "1 for kim"}, None, {"color": "3 for kim"}]
    assert ["errors" in one for one in responses] == [False, True, False]
    assert sorted(transport.asked) == [["1"], ["1", "2", "3"], ["2"], ["3"]]


async def test_extensions_reach_every_caller() -> None:
    """The reply's extensions, as far as they are allowed, are in all responses of the batch."""
    transport = Subgraphs()
    transport.whole = lambda found: {"data": {"_entities": found}, "extensions": {"cost": 3, "secret": 1}}
    gateway = gateway_of(SDLS, transport, Settings(share=False, extensions=frozenset({"cost"})))
    responses = await together(gateway, *((query(one), KIM) for one in "12"))
    assert [one["extensions"] for one in responses] == [{"cost": 3}] * 2
    assert len(transport.asked) == 1


# The loader by itself

TEMPLATE = template_of("query($representations:[_Any!]!){x}", None, [("representations", "_entities")], True)


def load(loader: Loader, ids: Sequence[str], into: list[Outcome], timeout: float = 5.0) -> Handle:
    """Post a call for entities; its outcome is appended to `into`."""
    representations = [[b'{"id":"%b"}' % one.encode() for one in ids]]
    deadline = loader.clock.time() + timeout
    call = Call("b", 1, TEMPLATE, (), representations, NO_HEADERS, True, deadline, timeout)
    return loader.post(call, into.append)


async def settle(turns: int = 6) -> None:
    """Run callbacks without advancing the time."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def test_more_is_gathered_while_a_fetch_is_on_its_way() -> None:
    """The first call is sent after one turn; calls that arrive before its reply are sent together
    after it.
    """
    transport = Subgraphs()
    transport.hold = asyncio.Event()
    loader, got = Loader(transport, wait=60.0), list[Outcome]()
    load(loader, "1", got)
    await settle()
    assert transport.asked == [["1"]]
    for id_ in "234":
        load(loader, id_, got)
        await settle()
    assert transport.asked == [["1"]]
    transport.hold.set()
    await settle(20)
    assert transport.asked == [["1"], ["2", "3", "4"]]
    assert len(got) == 4
    assert not loader.open
    assert not loader.waiting["b"]


async def test_nobody_waits_longer_than_the_window() -> None:
    """A slow call delays other batches for at most `wait` seconds."""
    transport = Subgraphs()
    transport.hold = asyncio.Event()
    clock = FakeClock()
    loader = Loader(transport, wait=0.005, clock=clock)
    load(loader, "1", [])
    await settle()
    load(loader, "2", [])
    await clock.advance(0.004)
    assert len(transport.asked) == 1
    await clock.advance(0.001)
    assert len(transport.asked) == 2
    transport.hold.set()
    await settle(10)


async def test_a_full_batch_goes_at_once() -> None:
    """No request has more representations than the limit, unless a single call has more."""
    transport = Subgraphs()
    loader, got = Loader(transport, size=3), list[Outcome]()
    for id_ in "1234567":
        load(loader, id_, got)
    load(loader, [f"m{number}" for number in range(5)], got)
    await until(lambda: len(got) == 8)
    assert [len(one) for one in transport.asked] == [3, 3, 1, 5]


async def test_leaving_takes_nobody_along() -> None:
    """A cancelled caller is not called back; the request is cancelled with its last caller.

    A call that is cancelled before the request is sent is not in it.
    """
    transport = Subgraphs()
    transport.hold = asyncio.Event()
    loader, got = Loader(transport), list[Outcome]()
    first, second, third = (load(loader, id_, got) for id_ in "123")
    third.cancel()
    await settle()
    assert transport.asked == [["1", "2"]]
    first.cancel()
    await settle()
    assert transport.cancelled == 0
    second.cancel()
    await settle()
    assert transport.cancelled == 1
    assert got == []
    assert loader.under_way["b"] == 0
    load(loader, "4", got).cancel()
    await settle()
    assert len(transport.asked) == 1


async def test_each_caller_keeps_its_own_deadline() -> None:
    """A caller whose deadline passes fails alone; the others get their entities."""
    transport = Subgraphs()
    transport.hold = asyncio.Event()
    clock = FakeClock()
    loader, hasty, patient = Loader(transport, clock=clock), list[Outcome](), list[Outcome]()
    load(loader, "1", hasty, 10.0)
    load(loader, "2", patient, 30.0)
    await clock.advance(9.9)
    assert hasty == []
    await clock.advance(0.2)
    assert isinstance(hasty[0], SubgraphError)
    assert (hasty[0].code, patient, transport.cancelled) == ("SUBGRAPH_TIMEOUT", [], 0)
    transport.hold.set()
    await settle(10)
    assert isinstance(patient[0], Reply)
    assert orjson.loads(patient[0].body) == {"data": {"_entities": [{"color": "2 for nobody"}]}}
    assert len(hasty) == 1
