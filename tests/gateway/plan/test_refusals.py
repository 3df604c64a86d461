"""Operations for which no correct plan exists: the code, and the names in the message."""

import pytest

from gateway.core.errors import GatewayError
from gateway.pipeline import check, pick, prepare
from gateway.transport.local import LocalTransport
from tests.gateway.support import engine_of, supergraph_of

SPLIT = {
    "boats": """
        type Query { asset: Asset @shareable  stored: Stored @shareable }
        union Stored = Car | Boat
        interface Asset { tag: ID! }
        type Car implements Asset @key(fields: "tag") { tag: ID! @external }
        type Boat implements Asset @key(fields: "tag") { tag: ID!  length: Int }
    """,
    "cars": """
        type Query { asset: Asset @shareable  stored: Stored @shareable }
        union Stored = Car | Boat
        interface Asset { tag: ID! }
        type Car implements Asset @key(fields: "tag") { tag: ID!  wheels: Int }
        type Boat implements Asset @key(fields: "tag") { tag: ID! @external }
    """,
}
NOBODY = {
    "hub": """
        type Query { next: Parcel  boxes: [Parcel!]! }
        interface Parcel @key(fields: "code") { code: ID! }
    """,
    "track": """
        type Parcel @key(fields: "code", resolvable: false) @interfaceObject { code: ID!  weight: Int }
        type Query { tracked: Parcel }
    """,
}


def refusal_of(sdls: dict[str, str], query: str, supergraph: str = "") -> GatewayError | None:
    """Return the error of planning a query; None if there is a plan."""
    engine = engine_of(supergraph or supergraph_of(sdls), LocalTransport({}))
    checked = check(engine, query)
    try:
        prepare(engine, checked, pick(checked, None), {})
    except GatewayError as error:
        return error
    return None


@pytest.mark.parametrize(
    "query",
    [
        "{ asset { tag } }",
        "{ asset { tag ... on Car { wheels } } }",
        "{ asset { ... on Asset { tag } } }",
        "{ stored { ... on Asset { tag } } }",
        "{ stored { ... on Asset { ... on Asset { tag } } ... on Car { wheels } } }",
    ],
)
def test_field_of_an_interface_that_no_single_subgraph_answers(query: str) -> None:
    """It is refused, because the result of merging subgraphs with different types would depend on the
    plan.
    """
    error = refusal_of(SPLIT, query)
    assert error is not None
    assert error.code == "INTERFACE_FIELD_SPLIT"
    assert "Asset.tag" in error.message
    assert "fragments on the object types" in error.message


@pytest.mark.parametrize(
    "query",
    ["{ asset { ... on Car { tag } ... on Boat { tag } } }", "{ stored { ... on Car { tag wheels } } }"],
)
def test_the_same_in_fragments_on_the_object_types(query: str) -> None:
    """In fragments, each field is resolved in the subgraph that has it for the type."""
    assert refusal_of(SPLIT, query) is None


@pytest.mark.parametrize(
    "query",
    [
        "{ next { weight } }",
        "{ boxes { ... on Parcel { weight } } }",
        "{ tracked { code } next { code weight } }",
    ],
)
def test_field_of_an_interface_without_types(query: str) -> None:
    """Without object types it is resolved on the interface or refused, but never omitted."""
    error = refusal_of(NOBODY, query)
    assert error is not None
    assert error.code == "PLAN_NOT_FOUND"


def test_fields_of_an_interface_without_types_that_are_there() -> None:
    """The subgraph that has the field on the interface resolves it."""
    assert refusal_of(NOBODY, "{ next { code } tracked { ... on Parcel { weight } } }") is None


MUTATION = """
schema @link(url: "https://specs.apollo.dev/link/v1.0") @link(url: "https://specs.apollo.dev/join/v0.5", for:
EXECUTION) { query: Query mutation: Mutation } directive @link(url: String, as: String, for: link__Purpose,
import: [link__Import]) repeatable on SCHEMA directive @join__graph(name: String!, url: String!) on ENUM_VALUE
directive @join__type(graph: join__Graph!, key: join__FieldSet) repeatable on OBJECT directive
@join__field(graph: join__Graph) repeatable on FIELD_DEFINITION scalar join__FieldSet scalar link__Import enum
link__Purpose { SECURITY EXECUTION } enum join__Graph { A @join__graph(name: "a", url: "") B
@join__graph(name: "b", url: "") } type Query @join__type(graph: A) @join__type(graph: B) { x: Int
@join__field(graph: A) } type Mutation @join__type(graph: A) @join__type(graph: B) { make: Made } type Made
@join__type(graph: A) @join__type(graph: B) {
  n: Int
  left: Int @join__field(graph: A)
  right: Int @join__field(graph: B)
}
"""


def test_field_of_a_mutation_runs_in_one_subgraph() -> None:
    """A mutation field that needs two subgraphs is refused, never run twice."""
    error = refusal_of({}, "mutation { make { left right } }", MUTATION)
    assert error is not None
    assert error.code == "PLAN_NOT_FOUND"
    assert refusal_of({}, "mutation { make { n left } }", MUTATION) is None


def test_alias_that_hides_the_type() -> None:
    """`__typename` is refused as an alias of another field, because the gateway reads types under
    this key.
    """
    sdls = {"a": "type Query { films: [Film] } type Film { name: String }"}
    error = refusal_of(sdls, "{ films { __typename: name } }")
    assert error is not None
    assert error.code == "GRAPHQL_VALIDATION_FAILED"
    assert "reads the types of objects" in error.message
    assert (
        refusal_of(sdls, "{ __typename films { __typename __name: name __typename_: __typename } }") is None
    )
