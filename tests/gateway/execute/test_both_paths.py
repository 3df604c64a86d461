"""The compiled path and the exact path agree in data, errors and requests, whatever subgraphs reply."""

import asyncio
import json
from functools import cache
from typing import Any

import orjson
import pytest

from gateway.engine import Engine
from gateway.execution import execute
from gateway.pipeline import PreparedOperation, check, pick, prepare, run
from gateway.transport.fake import FakeTransport
from tests.fuzz.rig import written
from tests.gateway.execute.random_replies import RandomReplies
from tests.gateway.support import engine_of, inputs_of, supergraph_of

SDLS = {
    "a": """
        type Query { things: [Thing!]  one: Thing  pets: [Pet]  named: [Named!] plain: String! }
        type Thing @key(fields: "id") { id: ID!  kind: Kind  kids: [Thing!] }
        enum Kind { X Y }
        union Pet = Cat | Dog
        interface Named { name: String }
        type Cat implements Named @key(fields: "id") { id: ID!  name: String }
        type Dog implements Named @key(fields: "id") { id: ID!  name: String! }
    """,
    "b": """
        type Thing @key(fields: "id") @key(fields: "code") {
            id: ID!  code: String  weight: Int!  size: Float  box: Box  list: [Int]  json: Json  strict: Json!
        }
        type Box { n: Int  deep: Deep! }
        type Deep { m: Int! }
        scalar Json
        type Cat @key(fields: "id") { id: ID!  lives: Int! }
    """,
    "c": """
        type Thing @key(fields: "id") {
            id: ID!  weight: Int! @external  size: Float @external  box: Box @external  json: Json @external
            cost: Int @requires(fields: "weight")  soft: String @requires(fields: "size")
            boxed: String @requires(fields: "box { n }")  raw: String! @requires(fields: "json")  free: Int
        }
        type Box { n: Int @external }
        scalar Json
        type Dog @key(fields: "id") { id: ID!  owner: Thing  barks: Boolean }
    """,
    "d": 'type Thing @key(fields: "code") { code: String  far: [Int!]  further: Thing  strictly: Int! }',
}
QUERIES = (
    "{ things { id kind free cost } }",
    "{ things { cost soft free weight } one { raw boxed } }",
    "{ things { far size } }",
    "{ one { further { strictly kids { far } } strict } }",
    "{ things { kids { boxed box { deep { m } } } } plain }",
    "{ pets { __typename ... on Cat { lives name } ... on Dog { owner { cost } barks } } }",
    "{ named { name ... on Dog { called: name owner { id free } } } }",
    "{ plain one { json list kind } }",
)


@cache
def setup() -> tuple[Engine, FakeTransport]:
    """Return the engine of all tests in this module; its subgraphs have no replies yet."""
    transport = FakeTransport(lambda _: None)
    return engine_of(supergraph_of(SDLS), transport), transport


async def both(prepared: PreparedOperation, replies: RandomReplies) -> tuple[tuple[Any, list[str]], ...]:
    """Return the responses and the requests of both paths; the compiled one may end on the exact path."""
    engine, transport = setup()
    transport.replying = replies
    found = []
    for compiled in (True, False):
        transport.requests.clear()
        inputs = inputs_of(engine)
        if compiled:
            response: Any = (await execute(engine, prepared, inputs)).response
        else:
            response = (await run(engine, prepared, inputs, engine.queries)).response
        text = response if isinstance(response, bytes) else orjson.dumps(response)
        found.append((orjson.loads(text), written(transport.requests)))
    return tuple(found)


def unordered(errors: list[Any]) -> list[str]:
    """Return errors in a form that does not depend on their order."""
    return sorted(json.dumps(error, sort_keys=True) for error in errors)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.15])
@pytest.mark.parametrize("query", QUERIES)
def test_both_paths_agree(query: str, share: float) -> None:
    """Both paths agree on 60 sets of random replies for each query and share of faults."""

    engine, _ = setup()
    checked = check(engine, query)
    prepared = prepare(engine, checked, pick(checked, None), {})
    assert prepared.program is not None
    schemas = RandomReplies(SDLS, 0, share)

    async def every() -> int:
        with_errors = 0
        for seed in range(60):
            (compiled, sent), (exact, exactly) = await both(prepared, schemas.seeded(seed))
            assert compiled.get("data") == exact.get("data"), f"seed {seed}"
            assert unordered(compiled.get("errors", [])) == unordered(exact.get("errors", [])), f"seed {seed}"
            assert sent == exactly, f"seed {seed}"
            with_errors += "errors" in exact
        return with_errors

    found = asyncio.run(every())
    assert (found > 5) is (share > 0.1) or share == 0.02
