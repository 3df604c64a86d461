"""Tests of the schemas: the committed files are current and compose, and a failing subgraph costs only its
own fields.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import GraphQLObjectType, GraphQLSchema, build_schema, specified_scalar_types

from gateway.compose.compose import compose
from gateway.pipeline import check
from gateway.supergraph.load import load_supergraph
from gateway.supergraph.model import Supergraph
from gateway.supergraph.query_graph import QueryGraph
from gateway.transport.local import LocalTransport
from subgraphs.platform.schema_files import LIVE, print_all, sources
from subgraphs.platform.tables import SERVICES
from subgraphs.read_side.nodes import OWNERS
from tests.gateway.support import engine_of

SCHEMA = Path(__file__).parents[2] / "schema"
PUBLIC = {
    "Query": {
        *("user", "users", "musician", "musicians", "musicianAvailability", "skill", "skills", "review"),
        *("latestReviews", "request", "requests", "matchingAlgorithms", "topMusicians"),
        *("activeRequestsSummary", "node", "nodes"),
    },
    "Mutation": {
        *("logIn", "register", "refreshSession", "confirmEmail", "requestPasswordReset", "resetPassword")
    },
}
COMPUTED_BY_ALL = {"id"}
"""Fields of entities that every subgraph computes from the key."""


@pytest.fixture(scope="module")
def supergraph() -> Supergraph:
    """The committed supergraph."""
    return load_supergraph((SCHEMA / "supergraph.graphql").read_text())


def test_the_committed_schemas_are_current() -> None:
    """`make schema` would change nothing."""
    printed = print_all()
    assert set(printed) == {f"{name}.graphql" for name in (*SERVICES.names, LIVE, "supergraph")}
    for name, text in printed.items():
        assert (SCHEMA / name).read_text() == text, f"{name} is stale: make schema"


def test_all_but_the_public_fields_demand_a_token(supergraph: Supergraph) -> None:
    """Each root field that is not for everybody has @authenticated or @requiresScopes."""
    for name, public in PUBLIC.items():
        fields = supergraph.api.type_map[name].fields  # type: ignore[attr-defined]
        assert {one for one in fields if not supergraph.metadata.of_field(name, one).access} == public


def test_what_another_service_supplies_is_nullable(supergraph: Supergraph) -> None:
    """A field of a shared entity, and a field that leads to another service's entity, is nullable.

    The element of a list is not: the list's service has its key, and all of its other fields are nullable.
    """
    shared = {
        name
        for subgraph in supergraph.subgraphs.values()
        for name, item in subgraph.types.items()
        if item.keys and sum(name in other.types for other in supergraph.subgraphs.values()) > 1
    }
    assert shared == set(OWNERS)
    wrong = []
    for subgraph in supergraph.subgraphs.values():
        for name, item in subgraph.types.items():
            keys = {one.name for key in item.keys for one in key.fields if hasattr(one, "name")}
            for field in item.fields.values():
                is_element = name.endswith("Edge") and field.name == "node"
                elsewhere = not is_element and OWNERS.get(field.type_name, subgraph.name) != subgraph.name
                own = field.name in keys | COMPUTED_BY_ALL
                if field.type.endswith("!") and ((name in shared and not own) or elsewhere):
                    wrong.append(f"{subgraph.name}: {name}.{field.name}: {field.type}")
    assert wrong == []


def test_objects_with_an_id_are_nodes(supergraph: Supergraph) -> None:
    """`node` returns the objects of each entity; their global ids say so."""
    node = supergraph.api.type_map["Node"]
    entities = {
        name for one in supergraph.subgraphs.values() for name, item in one.types.items() if item.keys
    }
    with_id = {
        name: item.fields["id"]
        for name, item in supergraph.api.type_map.items()
        if isinstance(item, GraphQLObjectType) and "id" in item.fields
    }
    nodes = {item.name for item in supergraph.api.get_possible_types(node)}  # type: ignore[arg-type]
    assert nodes == set(OWNERS) == entities & with_id.keys()
    assert {name for name, field in with_id.items() if "`node`" in str(field.description)} == nodes
    assert all(str(field.type) == "ID!" for field in with_id.values())


def test_no_key_is_visible(supergraph: Supergraph) -> None:
    """Clients see global ids, and no `uuid`."""
    assert "uuid" not in {
        field for item in supergraph.api.type_map.values() for field in getattr(item, "fields", {})
    }


def test_everything_is_described(supergraph: Supergraph) -> None:
    """Every type, field, argument, input field and enum value that clients see has a description."""
    assert sorted(undescribed(supergraph.api)) == []


def undescribed(schema: GraphQLSchema) -> Iterator[str]:
    """Yield the coordinates in a schema that have no description."""
    for item in schema.type_map.values():
        if item.name.startswith("__"):
            continue
        parts = {item.name: item}
        parts |= {f"{item.name}.{name}": value for name, value in getattr(item, "values", {}).items()}
        for name, field in getattr(item, "fields", {}).items():
            parts[f"{item.name}.{name}"] = field
            for argument, value in getattr(field, "args", {}).items():
                parts[f"{item.name}.{name}({argument}:)"] = value
        yield from (coordinate for coordinate, part in parts.items() if not part.description)


def test_what_is_not_described_is_found() -> None:
    """The check finds each kind of place without a description."""
    schema = build_schema("""
        type Query { all(first: Int): Color "Told." one("Told." id: ID): Color }
        enum Color { RED "Told." GREEN }
        input Wish { color: Color }
    """)
    assert sorted(name for name in undescribed(schema) if name not in specified_scalar_types) == [
        *("Color", "Color.RED", "Query", "Query.all", "Query.all(first:)", "Wish", "Wish.color")
    ]


def test_composition_gives_no_hint() -> None:
    """The subgraphs agree in every detail: composing them gives no hint of any level."""
    assert [f"{hint.level} {hint}" for hint in compose(sources()).hints] == []


def test_requires_and_provides_are_in_use(supergraph: Supergraph) -> None:
    """The platform's schemas use @requires, @provides and @shareable."""
    fields = [
        field
        for subgraph in supergraph.subgraphs.values()
        for item in subgraph.types.values()
        for field in item.fields.values()
    ]
    assert any(field.requires for field in fields)
    assert any(field.provides for field in fields)
    assert "@shareable" in (SCHEMA / "users.graphql").read_text()


def test_the_operations_cross_services() -> None:
    """The operations are valid, together query every subgraph, and most query several."""
    engine = engine_of((SCHEMA / "supergraph.graphql").read_text(), LocalTransport({}))
    assert isinstance(engine.graphs.plain, QueryGraph)
    for path in (SCHEMA / "operations").glob("*.graphql"):
        check(engine, path.read_text())
        beside = path.with_suffix(".json")
        assert not beside.exists() or isinstance(json.loads(beside.read_text()), dict)
