"""Hostile subgraph SDLs: too deep, too many, hostile names, invalid links, truncated, random bytes."""

from collections.abc import Iterator, Mapping
from functools import partial

from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from tests.gateway.bombs.bomb import Bomb
from tests.gateway.bombs.damage import SURVIVED, damaged, survive
from tests.gateway.bombs.requests import many
from tests.gateway.support import LINK

BROKEN, COMPOSED = "INVALID_GRAPHQL", "composed"
KEY = 'type Query { q: U } type U @key(fields: "FIELDS") { id: ID! u: U }'
RICH = """
extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", as: "fed", import: ["@key",
  {name: "@shareable", as: "@share"}, "@external", "@requires", "@provides", "@override", "@inaccessible",
  "@tag", "@context", "@fromContext", "@cost"])
  @fed__composeDirective(name: "@note") @link(url: "https://example.com/note/v1.0", import: ["@note"])
"A note" directive @note(text: String = "x", deep: [In!]) repeatable on OBJECT | FIELD_DEFINITION
schema { query: Query mutation: Change }
type Query @context(name: "root") {
  me(id: ID!, in: In = {a: 1, e: A}): User lang: String all: [Any2!]! @note }
type Change { set(in: In!): Boolean @cost(weight: 3) }
union Any2 = User | Book
interface Node @key(fields: "id") { id: ID! }
type User implements Node @key(fields: "id") @key(fields: "org { id } name", resolvable: false) {
  id: ID! name: String @tag(name: "x") @share org: Org @share books: [Book] size: Int @external
  kilo: Int @requires(fields: "size") old: String @override(from: "b", label: "percent(20)")
  secret: E @inaccessible }
type Org @key(fields: "id") { id: ID! name: String @share }
type Book implements Node @key(fields: "id") {
  id: ID! title(lang: String @fromContext(field: "$root { lang }")): String }
input In { a: Int = 1 b: [In!] e: E f: Float @deprecated(reason: "no") }
enum E { A B @tag(name: "y") }
scalar Date @specifiedBy(url: "http://x")
"""
OTHER = """
extend schema
  @link(url: "https://specs.apollo.dev/federation/v2.7", import: ["@key", "@shareable", "@external"])
type Query { org(id: ID!): Org e(e: E = B): Date }
type User @key(fields: "id") { id: ID! size: Int old: String name: String @shareable org: Org @shareable }
extend type Org @key(fields: "id") { id: ID! @external city: String name: String @shareable }
enum E { A B }
scalar Date
"""


def composing(sdls: Mapping[str, str], link: str = LINK) -> str:
    """Compose these SDLs."""
    compose([SubgraphSource(name, "", link + sdl) for name, sdl in sdls.items()])
    return COMPOSED


def keyed(fields: str) -> str:
    """Return an SDL with two types, one of them with this key."""
    return KEY.replace("FIELDS", fields)


def linking(link: str) -> str:
    """Return a subgraph's SDL with only this @link."""
    return f"extend schema {link} type Query {{ q: Int }}"


def chained(number: int) -> str:
    """Return one of many subgraphs in a chain of keys."""
    one, other = f"k{number}", f"k{number + 1}"
    root = "type Query {q: E0} " if number == 0 else ""
    fields = f"{{{one}: ID! {other}: ID! f{number}: "
    return root + many(
        15, lambda i: f'type E{i} @key(fields: "{one}") @key(fields: "{other}") {fields}E{(i + 1) % 15}}}'
    )


FEDERATION = "https://specs.apollo.dev/federation"
Q = "type Query { q: Int } "
ONE: tuple[tuple[str, str, str], ...] = (
    ("a deep type", BROKEN, "type Query { q: " + "[" * 3000 + "Int" + "]" * 3000 + " }"),
    ("a deep default", BROKEN, "type Query { q(a: [Int] = " + "[" * 3000 + "]" * 3000 + "): Int }"),
    ("a deep key", "KEY_INVALID_FIELDS", keyed("u{" * 600 + "id" + "}" * 600)),
    ("a wide key", "KEY_INVALID_FIELDS", keyed("id " * 100_000)),
    ("a key of the fields around it", "KEY_INVALID_FIELDS", keyed("id } { id")),
    ("a key without an end", "KEY_INVALID_FIELDS", keyed("u { id")),
    ("a key of an unknown type", "KEY_INVALID_FIELDS", keyed("... on Zed { id }")),
    ("a key with a directive", "KEY_DIRECTIVE_IN_FIELDS_ARG", keyed("id @skip(if: true)")),
    ("an empty key", "KEY_INVALID_FIELDS", keyed(" ")),
    (
        "interfaces in a circle",
        BROKEN,
        "interface A implements B {a: Int} interface B implements A {a: Int} type Query {q: A}",
    ),
    (
        "an interface of itself",
        BROKEN,
        "interface A implements A {a: Int} type T implements A {a: Int} type Query {q: A}",
    ),
    ("inputs in a circle", BROKEN, "input A {b: B!} input B {a: A!} type Query {q(a: A): Int}"),
    ("a default in a circle", BROKEN, "input A {a: A = {}} type Query {q(a: A): Int}"),
    ("a type called as GraphQL calls its own", BROKEN, "type Query {q: __Schema} type __Schema {x: Int}"),
    (
        "a type called as the supergraph calls its own",
        BROKEN,
        "type Query {q: join__Graph} enum join__Graph {X}",
    ),
    ("a reason that is no text", BROKEN, "type Query {q: Int @deprecated(reason: 1)}"),
    ("a default of no input type", BROKEN, "type Query {q(a: Query = 1): Int}"),
    ("a field twice", BROKEN, "type Query {q: Int q: Int}"),
    ("many fields", COMPOSED, "type Query {" + many(8000, lambda i: f"f{i}: Int") + "}"),
    ("many types", COMPOSED, Q + many(3000, lambda i: f"type T{i} {{a: Int}}")),
    ("many values", COMPOSED, "type Query {q(e: E): E} enum E {" + many(8000, lambda i: f"V{i}") + "}"),
    ("many extensions", COMPOSED, Q + many(2000, lambda i: f"extend type Query {{f{i}: Int}}")),
    ("many arguments", COMPOSED, "type Query {q(" + many(4000, lambda i: f"a{i}: Int") + "): Int}"),
    ("many directives", COMPOSED, "type Query {q: Int " + many(3000, lambda i: f'@tag(name: "t{i}")') + "}"),
    ("many keys", COMPOSED, "type Query {q: U} type U " + '@key(fields: "id") ' * 1000 + "{id: ID!}"),
    ("a long description", COMPOSED, '"""' + "x y\n" * 300_000 + '""" ' + Q),
    ("a description of quotes", COMPOSED, '"""a \\""" b \\\\ " """ type Query {"c \\"" q: Int}'),
    ("many unknown types", BROKEN, "type Query {" + many(1500, lambda i: f"f{i}: Unknown{i}") + "}"),
    (
        "many broken keys",
        "KEY_INVALID_FIELDS",
        Q + many(1500, lambda i: f'type T{i} @key(fields: "x") {{id: ID!}}'),
    ),
    (
        "every type an interface of every other",
        COMPOSED,
        "type Query {q: I0}"
        + many(40, lambda i: f"interface I{i} {{id: ID!" + many(40, lambda j: f" n{j}: I{j}") + "}")
        + many(
            40,
            lambda i: (
                f"type T{i} implements "
                + "&".join(f"I{j}" for j in range(40))
                + " {id: ID!"
                + many(40, lambda j: f" n{j}: I{j}")
                + "}"
            ),
        ),
    ),
)
LINKS: tuple[tuple[str, str, str], ...] = (
    ("no version", "INVALID_LINK_IDENTIFIER", linking(f'@link(url: "{FEDERATION}")')),
    ("a version of words", "INVALID_LINK_IDENTIFIER", linking(f'@link(url: "{FEDERATION}/v2.x")')),
    (
        "a version of 5,000 digits",
        "INVALID_LINK_IDENTIFIER",
        linking(f'@link(url: "{FEDERATION}/v{"9" * 5000}.0")'),
    ),
    ("a url that is a number", "INVALID_LINK_IDENTIFIER", linking("@link(url: 3)")),
    ("no arguments", "INVALID_LINK_IDENTIFIER", linking("@link")),
    (
        "an import that is a number",
        "INVALID_LINK_DIRECTIVE_USAGE",
        linking(f'@link(url: "{FEDERATION}/v2.3", import: 3)'),
    ),
    (
        "imports of all shapes",
        "INVALID_LINK_DIRECTIVE_USAGE",
        linking(f'@link(url: "{FEDERATION}/v2.3", import: [3, {{name: 5}}, {{as: "@x"}}, "@nope", null])'),
    ),
    ("an empty name", "INVALID_LINK_DIRECTIVE_USAGE", linking(f'@link(url: "{FEDERATION}/v2.3", as: "")')),
    ("a name that is no name", BROKEN, linking(f'@link(url: "{FEDERATION}/v2.3", as: "a b")')),
    (
        "an import under a name that is none",
        "INVALID_LINK_DIRECTIVE_USAGE",
        linking(f'@link(url: "{FEDERATION}/v2.3", import: [{{name: "@key", as: "@a b"}}])'),
    ),
    ("an unknown purpose", BROKEN, linking(f'@link(url: "{FEDERATION}/v2.3", for: EVIL)')),
    ("many links", "INVALID_LINK_DIRECTIVE_USAGE", linking(f'@link(url: "{FEDERATION}/v2.3") ' * 300)),
)
SETS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("no subgraphs", "NO_QUERIES", {}),
    ("nothing in it", "NO_QUERIES", {"a": ""}),
    ("a name with a quote", COMPOSED, {'a"b\n': Q}),
    ("names that become one", COMPOSED, {"a-b": Q, "a_b": "type Query {r: Int}", "é": "type Query {s: Int}"}),
    (
        "deep types in two",
        "INVALID_FIELD_SHARING",
        dict.fromkeys("ab", "type Query {q: " + "[" * 150 + "Int" + "]" * 150 + "}"),
    ),
    (
        "many errors",
        "INVALID_FIELD_SHARING",
        {name: "type Query {" + many(3000, lambda i: f"f{i}: Int") + "}" for name in "ab"},
    ),
    (
        "many subgraphs",
        COMPOSED,
        {
            f"s{k}": f'type Query {{q{k}: U}} type U @key(fields: "id") {{id: ID! f{k}: Int}}'
            for k in range(100)
        },
    ),
    (
        "requirements in a circle",
        "SATISFIABILITY_ERROR",
        {
            "a": "type Query {q: U} "
            'type U @key(fields: "id") {id: ID! a: Int @requires(fields: "b") b: Int @external}',
            "b": 'type U @key(fields: "id") {id: ID! b: Int @requires(fields: "a") a: Int @external}',
        },
    ),
    (
        "provides in a circle",
        COMPOSED,
        {
            "a": 'type Query {q: U @provides(fields: "u {x}")} type U @key(fields: "id") '
            '{id: ID! u: U @provides(fields: "u {u {x}} x") @shareable x: Int @external}',
            "b": 'type U @key(fields: "id") {id: ID! x: Int @shareable}',
        },
    ),
    ("chains of keys", COMPOSED, {f"s{k}": chained(k) for k in range(12)}),
)


def reading(text: str) -> str:
    """Compose a text together with a valid subgraph."""
    return composing({"a": text, "b": OTHER}, "")


def bombs() -> Iterator[Bomb]:
    """Yield the bombs of this module."""
    for name, end, sdl in ONE:
        yield Bomb(name, end, partial(composing, {"a": sdl}))
    for name, end, sdl in LINKS:
        yield Bomb(f"a link: {name}", end, partial(composing, {"a": sdl}, ""))
    for name, end, sdls in SETS:
        yield Bomb(name, end, partial(composing, sdls))
    yield Bomb("honest before it is broken", COMPOSED, partial(reading, RICH))
    for name, texts in damaged(RICH, seed=4, count=150):
        yield Bomb(name, SURVIVED, partial(survive, texts, reading))
