"""Mutations that start sagas: once for each key and caller; the response has the client's selection of the
saga.
"""

import asyncio
from typing import Any
from uuid import UUID

import orjson
import pytest

from gateway.answering import Gateway
from gateway.app import create_gateway
from gateway.core.envelope import encoded_body
from gateway.core.errors import SagaError, SettingsError
from gateway.core.jsontext import read_json
from gateway.request.graphql_request import GraphQLRequest
from gateway.saga.definition import Definitions, Saga, Step, StepCall
from gateway.saga.memory import MemoryJournal
from gateway.saga.runner import Runner, RunnerSettings
from gateway.settings import Settings
from gateway.transport.fake import FakeTransport
from gateway.triggers import Sagas, Trigger, TriggeringTransport
from tests.gateway.support import supergraph_of

SDLS = {
    "a": """
        type Query { x: Int }
        type Mutation { book(room: ID!, nights: Int, key: String, wait: Boolean): Saga other(n: Int): Int }
        type Saga @key(fields: "id") { id: ID! status: String steps(first: Int): [String!] }
    """,
    "b": 'type Saga @key(fields: "id") { id: ID! note: String }',
}
TRIGGER = Trigger("book", "booking", {"room": "room", "nights": "nights"}, "key", "idempotency-key", "wait")
KIM, LEE = {"authorization": "kim"}, {"authorization": "lee"}


async def rest(call: StepCall) -> Any:
    """Do nothing: the action of a step."""
    return {"room": call.data["room"]}


class Hotel:
    """Two subgraphs, and a gateway whose mutation `book` starts a saga. `asked`: subgraph a's mutations."""

    def __init__(self, **settings: Any) -> None:
        self.journal = MemoryJournal()
        self.definitions = Definitions.of([Saga("booking", (Step("one", rest), Step("two", rest)))])
        self.asked: list[str] = []
        sagas = self.sagas = Sagas(self.journal, self.definitions, [TRIGGER])
        local = {"a": self.a, "b": self.b}
        self.gateway: Gateway = create_gateway(supergraph_of(SDLS), Settings(**settings), local, sagas)

    async def a(self, query: str, variables: Any, operation_name: Any, headers: Any) -> Any:
        """Reply as subgraph a: it reads sagas from the journal, and has no resolver for `book`."""
        if query.startswith("mutation"):
            self.asked.append(query)
            return {"data": {"other": 7}}
        saga_id = UUID(variables["representations"][0]["id"])
        view = await self.journal.view(saga_id)
        assert view is not None
        steps = [step.name for step in view.steps][: variables.get("n") or 9]
        found = {"__typename": "Saga", "id": str(saga_id), "status": view.status, "s": steps, "steps": steps}
        return {"data": {"_entities": [{key: value for key, value in found.items() if key in query}]}}

    async def b(self, query: str, variables: Any, operation_name: Any, headers: Any) -> Any:
        """Reply as subgraph b."""
        return {
            "data": {"_entities": [{"note": f"note of {one['id']}"} for one in variables["representations"]]}
        }

    async def ask(self, query: str, headers: dict[str, str] | None = None, **variables: Any) -> Any:
        """Return the response to an operation."""
        return orjson.loads(
            encoded_body(
                await self.gateway.answer(
                    GraphQLRequest(query, variables), KIM if headers is None else headers
                )
            )
        )


@pytest.fixture(params=[True, False], ids=["compiled", "exact"])
def hotel(request: pytest.FixtureRequest) -> Hotel:
    """Return a hotel."""
    return Hotel(compile=request.param)


BOOK = """mutation($r: ID!, $k: String, $n: Int) {
    book(room: $r, nights: 2, key: $k) { id status note s: steps(first: $n) } }"""


async def test_a_mutation_starts_a_saga(hotel: Hotel) -> None:
    """The arguments are the saga's input; the response has the client's selection, from every subgraph with
    the entity.
    """
    for _ in range(2):  # as a new operation, and as a known one
        answer = await hotel.ask(BOOK, r="12", k="k1", n=1)
        (saga_id,) = hotel.journal.rows
        wanted = {"id": str(saga_id), "status": "started", "note": f"note of {saga_id}", "s": ["one"]}
        assert answer == {"data": {"book": wanted}}
    view = await hotel.journal.view(saga_id)
    assert view is not None
    assert view.data == {"room": "12", "nights": 2}
    assert hotel.asked == []


@pytest.mark.parametrize(
    ("text", "kept"),
    [("12.50", 12.5), ("7", 7), ("0.1000000000000000055", 0.1), ("1e400", None), ("1" * 30, None)],
)
async def test_a_number_of_the_input(text: str, kept: float | None) -> None:
    """A number in the input can be stored in the journal; if it can't, the mutation is refused and nothing
    starts.
    """
    hotel = Hotel()
    transport = TriggeringTransport(FakeTransport(lambda _: {}), hotel.sagas)
    arguments = {"room": {"price": [read_json(text)]}, "key": "k"}
    if kept is None:
        with pytest.raises(SagaError) as caught:
            await transport.begin(TRIGGER, arguments, {})
        assert caught.value.code == "PAYLOAD_INVALID"
        assert not hotel.journal.rows
    else:
        view = await hotel.journal.view(await transport.begin(TRIGGER, arguments, {}))
        assert view is not None
        assert view.data["room"] == {"price": [kept]}


async def test_keys_are_each_callers_own(hotel: Hotel) -> None:
    """The same key of another caller starts another saga; another key does, too."""
    for headers, key in ((KIM, "k1"), (LEE, "k1"), (KIM, "k2"), ({}, "k1")):
        assert "errors" not in await hotel.ask(BOOK, headers, r="12", k=key)
    assert len(hotel.journal.rows) == 4


async def test_the_key_may_be_a_header(hotel: Hotel) -> None:
    """The argument takes precedence over the header; one of them is required."""
    query = "mutation { book(room: 1) { id } }"
    first = await hotel.ask(query, {**KIM, "idempotency-key": "h"})
    assert await hotel.ask(query, {**KIM, "idempotency-key": "h"}) == first
    missing = await hotel.ask(query)
    assert missing["data"] == {"book": None}
    assert missing["errors"][0]["path"] == ["book"]
    assert missing["errors"][0]["extensions"]["code"] == "INVALID_KEY"
    assert "the argument key or the header idempotency-key" in missing["errors"][0]["message"]
    assert len(hotel.journal.rows) == 1


async def test_another_input_under_the_same_key(hotel: Hotel) -> None:
    """Another input under a used key is an error, and starts nothing."""
    await hotel.ask(BOOK, r="12", k="k1")
    answer = await hotel.ask(BOOK, r="13", k="k1")
    assert answer["errors"][0]["extensions"]["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert len(hotel.journal.rows) == 1


async def test_beside_other_mutations(hotel: Hotel) -> None:
    """In one operation the fields run in order; other mutations run in their subgraph with their own
    variables.
    """
    query = """mutation($k: String, $n: Int, $r: ID!) {
        first: other(n: $n) one: book(room: $r, key: $k) { status }
        two: book(room: "2", key: "k2") { id note } }"""
    answer = await hotel.ask(query, k="k1", n=3, r="1")
    assert answer["data"]["one"] == {"status": "started"}
    assert answer["data"]["two"]["note"].startswith("note of ")
    assert len(hotel.asked) == 1
    assert "book" not in hotel.asked[0]
    assert "$r" not in hotel.asked[0]


async def test_waiting_for_the_end(hotel: Hotel) -> None:
    """With `wait` the response is sent when the saga has ended."""
    runner = Runner(hotel.journal, hotel.definitions, RunnerSettings(poll=0.01))
    await runner.start()
    query = 'mutation { book(room: 1, key: "k", wait: true) { status } }'
    async with asyncio.timeout(10):
        assert await hotel.ask(query) == {"data": {"book": {"status": "completed"}}}
    await runner.stop()


def test_triggers_are_checked_at_the_start() -> None:
    """A trigger with an unknown mutation, argument, type or saga is refused at the start."""
    journal, definitions = MemoryJournal(), Definitions.of([Saga("booking", (Step("one", rest),))])
    wrong = [
        Trigger("nothing", "booking"),
        Trigger("book", "booking", {"room": "rom"}),
        Trigger("book", "booking", key_argument="id"),
        Trigger("other", "booking"),
    ]
    for trigger in wrong:
        with pytest.raises(SettingsError):
            create_gateway(supergraph_of(SDLS), Settings(), {}, Sagas(journal, definitions, [trigger]))
    with pytest.raises(SagaError):
        create_gateway(
            supergraph_of(SDLS), Settings(), {}, Sagas(journal, definitions, [Trigger("book", "other")])
        )
