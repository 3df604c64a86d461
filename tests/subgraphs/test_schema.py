"""Tests of the schemas: the committed files are current and compose, and a failing subgraph costs only its
own fields.
"""

import json
from pathlib import Path

import pytest

from gateway.pipeline import check
from gateway.supergraph.load import load_supergraph
from gateway.supergraph.model import Supergraph
from gateway.supergraph.query_graph import QueryGraph
from gateway.transport.local import LocalTransport
from subgraphs.platform.schema_files import print_all
from subgraphs.platform.tables import SERVICES
from tests.gateway.support import engine_of

SCHEMA = Path(__file__).parents[2] / "schema"
PUBLIC = {
    "Query": {
        *("user", "users", "musician", "musicians", "musicianAvailability", "skill", "skills", "review"),
        *("latestReviews", "request", "requests", "matchingAlgorithms", "findMusicians", "findRequests"),
        *("topMusicians", "activeRequestsSummary"),
    },
    "Mutation": {
        *("logIn", "register", "refreshSession", "confirmEmail", "requestPasswordReset", "resetPassword")
    },
}
OWNERS = {
    "User": "users",
    "Musician": "musicians",
    "Skill": "musicians",
    "MusicianRequest": "requests",
    "Booking": "requests",
}


@pytest.fixture(scope="module")
def supergraph() -> Supergraph:
    """The committed supergraph."""
    return load_supergraph((SCHEMA / "supergraph.graphql").read_text())


def test_the_committed_schemas_are_current() -> None:
    """`make schema` would change nothing."""
    printed = print_all()
    assert set(printed) == {f"{name}.graphql" for name in (*SERVICES.names, "supergraph")}
    for name, text in printed.items():
        assert (SCHEMA / name).read_text() == text, f"{name} is stale: make schema"


def test_all_but_the_public_fields_demand_a_token(supergraph: Supergraph) -> None:
    """Each root field that is not for everybody has @authenticated or @requiresScopes."""
    for name, public in PUBLIC.items():
        fields = supergraph.api.type_map[name].fields  # type: ignore[attr-defined]
        assert {one for one in fields if not supergraph.metadata.of_field(name, one).access} == public


def test_what_another_service_supplies_is_nullable(supergraph: Supergraph) -> None:
    """A field of a shared entity, and a field that leads to another service's entity, is nullable."""
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
                elsewhere = OWNERS.get(field.type_name, subgraph.name) != subgraph.name
                if field.type.endswith("!") and ((name in shared and field.name not in keys) or elsewhere):
                    wrong.append(f"{subgraph.name}: {name}.{field.name}: {field.type}")
    assert wrong == []


def test_everything_is_described(supergraph: Supergraph) -> None:
    """Every type and every field that clients see has a description."""
    types = [item for name, item in supergraph.api.type_map.items() if not name.startswith("__")]
    bare = [
        item.name for item in types if not item.description and not item.name.endswith(("Connection", "Edge"))
    ]
    fields = [
        f"{item.name}.{name}"
        for item in types
        for name, field in getattr(item, "fields", {}).items()
        if not field.description
    ]
    assert (bare, fields) == ([], [])


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
