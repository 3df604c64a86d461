"""The hint about fields of interfaces that no single subgraph resolves for all objects that it returns."""

import pytest

from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from tests.oracle.sets import link

CODE = "INTERFACE_FIELD_SPLIT_BETWEEN_SUBGRAPHS"
SPLIT = {
    "ships": """type Query { find: Vessel @shareable }
        interface Vessel { mark: ID! }
        type Ferry implements Vessel @key(fields: "mark") { mark: ID! cars: Int }
        type Barge implements Vessel @key(fields: "mark") { mark: ID! @external tons: Int }""",
    "boats": """type Query { find: Vessel @shareable }
        interface Vessel { mark: ID! }
        type Ferry implements Vessel @key(fields: "mark") { mark: ID! @external crew: Int }
        type Barge implements Vessel @key(fields: "mark") { mark: ID! locks: Int }""",
}
KEY = (
    SPLIT["ships"]
    .replace("mark: ID! @external tons", "mark: ID! @external no: ID! tons")
    .replace('Barge implements Vessel @key(fields: "mark")', 'Barge implements Vessel @key(fields: "no")')
)
LOOKED_UP = {
    "ships": KEY,
    "boats": SPLIT["boats"] + 'extend type Barge @key(fields: "no") { no: ID! @shareable }',
}
WHOLE = {**SPLIT, "boats": SPLIT["boats"].replace("@external crew", "crew")}
NOBODY = {
    "ships": 'type Query { find: Vessel }\ninterface Vessel @key(fields: "mark") { mark: ID! }',
    "boats": 'type Vessel @key(fields: "mark", resolvable: false) @interfaceObject { mark: ID! crew: Int }'
    " type Query { other: Vessel }",
}
ELSEWHERE = {
    "ships": "type Query { find: Vessel }\ninterface Vessel { mark: ID! }",
    "boats": """interface Vessel { mark: ID! crew: Int } type Query { x: Ferry }
        type Ferry implements Vessel @key(fields: "mark") { mark: ID! crew: Int }""",
}


@pytest.mark.parametrize(
    ("sdls", "fields"),
    [
        (SPLIT, ["Vessel.mark"]),
        (NOBODY, ["Vessel.crew"]),
        (LOOKED_UP, []),
        (WHOLE, []),
        (ELSEWHERE, []),
    ],
    ids=["split", "no implementations", "one lookup", "one subgraph has all", "no objects of it here"],
)
def test_fields_that_no_subgraph_answers(sdls: dict[str, str], fields: list[str]) -> None:
    """Each such field gives one hint of the level WARN, which describes what to write instead."""
    made = compose([SubgraphSource(name, "", link("2.3") + sdl) for name, sdl in sdls.items()])
    found = [hint for hint in made.hints if hint.code == CODE]
    assert [hint.coordinate for hint in found] == fields
    assert all(hint.level == "WARN" and "fragments on the object types" in hint.message for hint in found)
