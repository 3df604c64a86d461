"""Hostile supergraph SDLs: contradictory join directives, missing enums, truncated texts."""

from collections.abc import Iterator
from functools import partial

from gateway.core.errors import RequestError
from gateway.pipeline import check, pick, prepare
from gateway.settings import Settings
from gateway.supergraph.load import load_supergraph
from gateway.supergraph.unenforced import refuse_unenforced
from gateway.transport.fake import FakeTransport
from tests.gateway.bombs.bomb import Bomb
from tests.gateway.bombs.damage import SURVIVED, damaged, survive
from tests.gateway.bombs.requests import many
from tests.gateway.bombs.sdls import OTHER, RICH
from tests.gateway.support import engine_of, supergraph_of

BROKEN, LOADED = "INVALID_SUPERGRAPH", "loaded"
QUERIES = (
    "{ __typename __schema { types { name } } }",
    "{ me(id: 1) { id name kilo old size org { city name } books { title } } }",
    "{ all { ... on User { id } ... on Book { title } } lang org(id: 1) { name } }",
    "{ u { id x y { id x } } }",
    "mutation { set(in: {}) }",
)
HEAD = """
schema @link(url: "https://specs.apollo.dev/link/v1.0")
  @link(url: "https://specs.apollo.dev/join/v0.3", for: EXECUTION) { query: Query }
enum join__Graph { A @join__graph(name: "a", url: "http://a") B @join__graph(name: "b", url: "http://b") }
scalar join__FieldSet
"""
QUERY = "type Query @join__type(graph: A) { u: U @join__field(graph: A) } "
U = 'type U @join__type(graph: A, key: "id") @join__type(graph: B, key: "id") { id: ID! '
ONE: tuple[tuple[str, str, str], ...] = (
    ("nothing", BROKEN, ""),
    ("no supergraph", BROKEN, "type Query { q: Int }"),
    ("no graphs", BROKEN, HEAD.replace("enum join__Graph", "enum other") + QUERY + U + "}"),
    ("graphs that are no enum", BROKEN, "type join__Graph { A: Int } type Query { q: Int }"),
    ("deep", BROKEN, HEAD + "type Query { q: " + "[" * 3000 + "Int" + "]" * 3000 + "}"),
    (
        "a deep key",
        BROKEN,
        HEAD + QUERY + U.replace('"id"', '"' + "u {" * 500 + "id" + "}" * 500 + '"') + "}",
    ),
    ("a key without an end", BROKEN, HEAD + QUERY + U.replace('"id"', '"id {"') + "}"),
    ("a broken requirement", BROKEN, HEAD + QUERY + U + 'x: Int @join__field(graph: B, requires: "{") }'),
    ("a graph that is not there", LOADED, HEAD + QUERY + U + "x: Int @join__field(graph: NOPE) }"),
    ("a field of no type", BROKEN, HEAD + QUERY + U + "x: Nope @join__field(graph: B) }"),
    (
        "a key of no field",
        LOADED,
        HEAD + QUERY + U.replace('"id"', '"nope { nope }"') + "x: Int @join__field(graph: B) }",
    ),
    (
        "a requirement of no field",
        LOADED,
        HEAD + QUERY + U + 'x: Int @join__field(graph: B, requires: "nope { a }") }',
    ),
    ("a requirement of itself", LOADED, HEAD + QUERY + U + 'x: Int @join__field(graph: B, requires: "x") }'),
    ("a type that lies", LOADED, HEAD + QUERY + U + 'y: U @join__field(graph: B, type: "[[") }'),
    ("a type that is not there", LOADED, HEAD + QUERY + U + 'y: U @join__field(graph: B, type: "Nope") }'),
    ("a type of another kind", LOADED, HEAD + QUERY + U + 'y: U @join__field(graph: B, type: "ID") }'),
    (
        "provides of no field",
        LOADED,
        HEAD + QUERY + U + 'y: U @join__field(graph: B, provides: "nope { a }") }',
    ),
    (
        "an implementation of no interface",
        LOADED,
        HEAD + QUERY + U.replace("type U ", 'type U @join__implements(graph: A, interface: "No") ') + "}",
    ),
    (
        "a member that is none",
        LOADED,
        HEAD + QUERY + U + '} union V @join__type(graph: A) @join__unionMember(graph: A, member: "Nope") = U',
    ),
    (
        "a context of no form",
        LOADED,
        HEAD + QUERY + U + "x: Int @join__field(graph: B, contextArguments: [{context: 3}, 4, {}]) }",
    ),
    (
        "a broken selection of a context",
        BROKEN,
        HEAD + QUERY + U + 'x: Int @join__field(graph: B, contextArguments: [{selection: "{"}]) }',
    ),
    (
        "arguments of other kinds",
        LOADED,
        HEAD + QUERY + U + "x: Int @join__field(graph: [A], requires: 3, provides: {}, external: null) }",
    ),
    (
        "interface objects of objects",
        LOADED,
        HEAD + QUERY + U.replace('key: "id"', 'key: "id", isInterfaceObject: true') + "x: Int }",
    ),
    (
        "interfaces in a circle",
        BROKEN,
        HEAD + QUERY + U + "} interface I implements J { a: Int } interface J implements I { a: Int }",
    ),
    ("everything hidden", BROKEN, HEAD + QUERY.replace("type Query", "type Query @inaccessible") + U + "}"),
    (
        "many graphs",
        LOADED,
        HEAD.replace(
            "enum join__Graph {",
            "enum join__Graph {" + many(1000, lambda i: f'G{i} @join__graph(name: "g{i}", url: "")'),
        )
        + QUERY
        + U
        + "}",
    ),
    (
        "many types",
        LOADED,
        HEAD + QUERY + U + "}" + many(3000, lambda i: f"type T{i} @join__type(graph: A) {{ x: Int }}"),
    ),
    (
        "many keys",
        LOADED,
        HEAD + QUERY + U.replace("{", '@join__type(graph: B, key: "id x") ' * 1000 + "{") + "x: Int }",
    ),
)


def serving(supergraph: str) -> str:
    """Load a supergraph, and plan those of a few queries that are valid for it."""
    loaded = load_supergraph(supergraph)
    refuse_unenforced(loaded)
    engine = engine_of(supergraph, FakeTransport(lambda _: None), Settings())
    for query in QUERIES:
        try:
            checked = check(engine, query)
            prepare(engine, checked, pick(checked, None), {}, loaded.labels)
        except RequestError:
            continue
    return LOADED


def bombs() -> Iterator[Bomb]:
    """Yield the bombs of this module."""
    for name, end, supergraph in ONE:
        yield Bomb(f"a supergraph: {name}", end, partial(serving, supergraph))
    honest = supergraph_of({"a": RICH, "b": OTHER}, linked=False)
    yield Bomb("a supergraph: honest before it is broken", LOADED, partial(serving, honest))
    for name, texts in damaged(honest, seed=5, count=150):
        yield Bomb(f"a supergraph: {name}", SURVIVED, partial(survive, texts, serving))
