"""The exact path continues after the compiled one: no call is sent twice, whatever the values and times of
replies.
"""

import asyncio
from functools import partial
from typing import Any

import orjson
import pytest

from gateway.execution import execute
from gateway.pipeline import check, pick, prepare, run
from gateway.settings import Settings
from gateway.transport.base import Call, Done, Handle, Reply, run_in_task
from gateway.transport.fake import FakeTransport
from tests.gateway.support import engine_of, inputs_of, supergraph_of

SDLS = {
    "a": """
        scalar Any
        type Query { things: [Thing] other: Other slow: Int }
        type Mutation { make: Thing }
        type Thing @key(fields: "key") @key(fields: "number") { key: Any number: Float name: String }
        type Other { name: String! }
    """,
    "b": """
        scalar Any
        type Thing @key(fields: "key") { key: Any color: String! }
    """,
    "c": 'type Query { late: Int } type Thing @key(fields: "number") { number: Float size: Int! }',
}


def body(call: Call, things: bytes) -> bytes:
    """Return subgraph a's things as JSON; b and c omit a non-null value of the first entity."""
    if call.subgraph == "a":
        return b'{"data":{"things":[%b]}}' % things
    count = len(call.variables["representations"])
    found = [{"color": None, "size": None}, *[{"color": "red", "size": 1}] * (count - 1)]
    return orjson.dumps({"data": {"_entities": found}})


async def both(query: str, things: bytes) -> tuple[Any, Any, list[str], list[str]]:
    """Return the responses of both paths, and the requests of each."""
    transport = FakeTransport(lambda call: Reply(200, body(call, things)))
    engine = engine_of(supergraph_of(SDLS), transport, Settings(batch=False))
    checked = check(engine, query)
    prepared = prepare(engine, checked, pick(checked, None), {})
    assert prepared.program is not None
    first = (await execute(engine, prepared, inputs_of(engine))).response
    sent = [call.subgraph for call in transport.requests]
    transport.requests.clear()
    exact = (await run(engine, prepared, inputs_of(engine))).response
    return first, exact, sent, [call.subgraph for call in transport.requests]


NUMBERS = [
    b"1e16",
    b"10000000000000000.0",
    b"1E+16",
    b"1.0",
    b"1",
    b"-0.0",
    b"5e-324",
    b"1.7976931348623157e308",
    b"0.1",
]


@pytest.mark.parametrize("number", NUMBERS)
async def test_a_number_may_be_written_in_any_way(number: bytes) -> None:
    """A number in another notation matches, as a key, and inside of a custom scalar that the compiled path
    does not decode.
    """
    things = b'{"number":%b,"key":{"n":[%b]}},{"number":2,"key":"\\u00e9 \\/ \\ud83c\\udf89"}' % (
        number,
        number,
    )
    compiled, exact, sent, exactly = await both("{ things { size color number } }", things)
    assert compiled == exact
    assert sorted(sent) == sorted(exactly) == ["a", "b", "c"]


async def test_equal_values_are_one_entity_on_both_paths() -> None:
    """1 and 1.0 are one number; true is not 1, also in a custom scalar that only the plan needs."""
    things = b'{"number":1,"key":true},{"number":1.0,"key":1},{"number":2,"key":1}'
    compiled, exact, sent, exactly = await both("{ things { size color } }", things)
    assert compiled == exact
    assert sorted(sent) == sorted(exactly) == ["a", "b", "c"]


class Slow:
    """Subgraph a replies at once with a value of a wrong type; c replies when it is released."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.calls: list[Call] = []
        self.cancelled = 0

    def post(self, call: Call, done: Done) -> Handle:
        """Record the call, and reply in a task."""
        self.calls.append(call)
        return run_in_task(self._reply(call), done)

    async def _reply(self, call: Call) -> Reply:
        if call.subgraph == "a":
            return Reply(200, b'{"data":{"other":{"name":null}}}')
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Reply(200, b'{"data":{"late":7}}')

    async def close(self) -> None:
        """Do nothing."""


async def test_a_call_under_way_is_waited_for() -> None:
    """A call in progress is neither cancelled nor sent again when another reply ends the compiled path."""
    transport = Slow()
    engine = engine_of(supergraph_of(SDLS), transport, Settings())
    checked = check(engine, "{ other { name } late }")
    prepared = prepare(engine, checked, pick(checked, None), {})
    assert prepared.program is not None
    task = asyncio.ensure_future(execute(engine, prepared, inputs_of(engine)))
    await asyncio.sleep(0.01)
    assert not task.done()
    transport.go.set()
    response: Any = (await task).response
    assert response["data"] == {"other": None, "late": 7}
    assert (len(transport.calls), transport.cancelled) == (2, 0)


async def test_a_caller_that_leaves_ends_what_is_under_way() -> None:
    """Cancelling the request also cancels calls that the compiled path has sent before the exact path
    continued.
    """
    transport = Slow()
    engine = engine_of(supergraph_of(SDLS), transport, Settings())
    checked = check(engine, "{ other { name } late }")
    prepared = prepare(engine, checked, pick(checked, None), {})
    task = asyncio.ensure_future(execute(engine, prepared, inputs_of(engine)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.01)
    assert (len(transport.calls), transport.cancelled) == (2, 1)


def made_by(made: bytes, call: Call) -> Reply:
    """Return the result of a mutation; no other subgraph has the entity."""
    return Reply(200, made if call.subgraph == "a" else b'{"data":{"_entities":[null]}}')


async def test_a_mutation_runs_once() -> None:
    """A mutation is sent once, whatever its reply is."""
    replies = [b"null", b'{"key":1e16,"name":7}', b'{"key":{"a":[1.0]},"name":"x"}', b'"?"']
    for reply in replies:
        made = b'{"data":{"make":%b}}' % reply
        transport = FakeTransport(partial(made_by, made))
        engine = engine_of(supergraph_of(SDLS), transport)
        checked = check(engine, "mutation { make { name color } }")
        prepared = prepare(engine, checked, pick(checked, None), {})
        await execute(engine, prepared, inputs_of(engine))
        assert [call.subgraph for call in transport.requests].count("a") == 1
        assert [call.subgraph for call in transport.requests].count("b") <= 1
