"""Operations that are small to send and expensive to process."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from gateway.engine import Engine
from gateway.settings import CostSettings, Limits, Settings
from tests.gateway.bombs.bomb import LIMIT, Bomb
from tests.gateway.support import ask, fake_engine

SDLS = {
    "a": """
scalar Any
type Query { me: U n: Node list: [U] any(a: Any): Int }
type Mutation { m(a: Int): U }
interface Node { id: ID! next: Node }
type U implements Node @key(fields: "id") {
  id: ID! next: Node friend: U x(a: Int): Int s(a: String, b: [Int]): Int }
type W implements Node @key(fields: "id") { id: ID! next: Node friend: W x: Int }
""",
    "b": """
type Query { q: Int }
type Mutation { mb(a: Int): U }
type U @key(fields: "id") { id: ID! b(a: Int): Int bf: U }
type W @key(fields: "id") { id: ID! b: Int bw: W }
""",
    "c": 'type U @key(fields: "id") { id: ID! c(a: Int): Int cf: U }',
}
INVALID, COMPLEX, USER = "GRAPHQL_VALIDATION_FAILED", LIMIT, "BAD_USER_INPUT"
WIDE = Limits(root_fields=1_000, aliases=10_000, height=20_000, directives=3_000, fragments=2_000)
"""Limits that let large operations come as far as planning."""
SYNTAX, ANSWERED = "GRAPHQL_PARSE_FAILED", "answered"


def many(count: int, text: Callable[[int], str]) -> str:
    """Return a text repeated with each number below `count`."""
    return " ".join(text(number) for number in range(count))


def nested(depth: int, start: str, text: Callable[[str], str]) -> str:
    """Return a text nested in itself."""
    for _ in range(depth):
        start = text(start)
    return start


def lists(depth: int) -> list[Any]:
    """Return nested lists of this depth."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


INTROSPECTED = "fragment F on __Type {name fields{name args{name type{name}}} possibleTypes{name}}"
EVERYTHING = many(45, lambda i: f"fragment F{i} on Query {{...F{i + 1} ...F{i + 1} q}}")
PAIRS = many(
    40,
    lambda i: (
        f"fragment A{i} on U{{friend{{...A{i + 1} ...B{i + 1}}}}} "
        f"fragment B{i} on U{{bf{{...B{i + 1} ...A{i + 1}}}}}"
    ),
)
OVER = (
    "fragment F on Query{"
    + many(700, lambda i: f"...F{i}")
    + "}"
    + many(700, lambda i: f"fragment F{i} on Query{{q}}")
)

OPERATIONS: tuple[tuple[str, str, str], ...] = (
    ("selections in selections", COMPLEX, nested(3000, "q", lambda t: f"{{...{t}}}" if t != "q" else "{q}")),
    ("fields in fields", COMPLEX, "{me" + nested(60, "{id}", lambda t: f"{{friend{t}}}") + "}"),
    ("lists in a literal", COMPLEX, "{any(a:" + "[" * 7000 + "]" * 7000 + ")}"),
    ("lists in a type", COMPLEX, "query($a:" + "[" * 3000 + "Int" + "]" * 3000 + "){q}"),
    ("objects in a literal", ANSWERED, "{any(a:" + "{a:" * 100 + "1" + "}" * 100 + ")}"),
    ("tokens", COMPLEX, "{" + "q " * 20_000 + "}"),
    ("commas", SYNTAX, "," * 900_000),
    ("a comment", SYNTAX, "#" * 900_000),
    ("aliases", COMPLEX, "{" + many(10_000 // 3, lambda i: f"a{i}:q") + "}"),
    ("aliases of objects", ANSWERED, "{" + many(950, lambda i: f"a{i}:me{{b c}}") + "}"),
    (
        "aliases in aliases",
        ANSWERED,
        "{" + many(22, lambda i: f"a{i}:me{{" + many(80, lambda j: f"f{j}:friend{{b}}") + "}") + "}",
    ),
    ("one field often", COMPLEX, "{" + many(15, lambda _: "...{" + "q " * 900 + "}") + "}"),
    ("one field with arguments", COMPLEX, "{me{" + many(2, lambda _: "...{" + "x(a:1) " * 900 + "}") + "}}"),
    ("one object often", COMPLEX, "{" + many(3, lambda _: "...{" + "me{id} " * 900 + "}") + "}"),
    (
        "overlap doubles at each level",
        COMPLEX,
        "{me{" + nested(11, "id", lambda t: f"friend{{{t}}} friend{{{t}}}") + "}}",
    ),
    ("unknown fields", INVALID, "{" + many(990, lambda i: f"zz{i}") + "}"),
    ("wrong values", INVALID, "{me{" + many(900, lambda i: f'a{i}:x(a:"s")') + "}}"),
    ("repeated directives", INVALID, "{q " + "@skip(if:false) " * 2000 + "}"),
    ("unused variables", INVALID, "query(" + many(2900, lambda i: f"$v{i}:Int") + "){q}"),
    ("operations", "OPERATION_RESOLUTION_FAILURE", many(2000, lambda i: f"query Q{i}{{q}}")),
    ("operations over fragments", COMPLEX, OVER + many(500, lambda i: f"query Q{i}{{...F}}")),
    ("a circle", INVALID, "{...A} fragment A on Query{...B} fragment B on Query{...A q}"),
    (
        "each in each",
        INVALID,
        "{...F0}" + many(60, lambda i: f"fragment F{i} on Query{{" + many(60, lambda j: f"...F{j}") + "}"),
    ),
    ("fragments double", COMPLEX, "{...F0}" + EVERYTHING + "fragment F45 on Query{q}"),
    (
        "pairs of fragments double",
        COMPLEX,
        "{me{...A0 ...B0}}" + PAIRS + "fragment A40 on U{id} fragment B40 on U{id}",
    ),
    (
        "a chain of fragments",
        COMPLEX,
        "{...F0}"
        + many(1400, lambda i: f"fragment F{i} on Query{{...F{i + 1}}}")
        + "fragment F1400 on Query{q}",
    ),
    (
        "fragments multiply a text",
        COMPLEX,
        "{" + many(900, lambda i: f"a{i}:me{{...F}}") + '} fragment F on U{s(a:"' + "a" * 300_000 + '")}',
    ),
    (
        "fragments multiply a list",
        COMPLEX,
        "{" + many(900, lambda i: f"a{i}:me{{...F}}") + "} fragment F on U{s(b:[" + "1," * 8000 + "])}",
    ),
    (
        "fragments multiply lookups",
        ANSWERED,
        "{"
        + many(100, lambda i: f"a{i}:me{{...F}}")
        + "} fragment F on U {"
        + many(50, lambda j: f"f{j}:friend{{b}}")
        + "}",
    ),
    (
        "deep introspection",
        INVALID,
        "{__schema{types{" + nested(11, "name", lambda t: f"fields{{type{{{t}}}}}") + "}}}",
    ),
    (
        "wide introspection",
        COMPLEX,
        "{" + many(300, lambda i: f"a{i}:__schema{{types{{...F}}}}") + "}" + INTROSPECTED,
    ),
    (
        "abstract in abstract",
        ANSWERED,
        "{n{" + nested(22, "id", lambda t: f"next{{...on U{{{t}}}...on W{{id}}}}") + "}}",
    ),
    (
        "abstract types double",
        COMPLEX,
        "{n{" + nested(10, "id b", lambda t: f"next{{...on U{{b {t}}}...on W{{b {t}}}}}") + "}}",
    ),
    ("to and fro", ANSWERED, "{me{" + nested(20, "b", lambda t: f"bf{{c cf{{b {t}}}}}") + "}}"),
    ("mutations", ANSWERED, "mutation{" + many(990, lambda i: f"a{i}:m(a:{i}){{id}}") + "}"),
    ("mutations with lookups", ANSWERED, "mutation{" + many(990, lambda i: f"a{i}:m(a:{i}){{b}}") + "}"),
    ("a long escaped text", ANSWERED, '{me{s(a:"' + "\\u0041" * 100_000 + '")}}'),
    ("a long number", INVALID, "{me{x(a:" + "9" * 300_000 + ")}}"),
    ("a long number of no type", ANSWERED, "{any(a:" + "9" * 300_000 + ")}"),
)
ANY = "query($a:Any){any(a:$a)}"
VARIABLES: tuple[tuple[str, str, str, Any], ...] = (
    ("deep variables", USER, ANY, lists(900)),
    ("variables as deep as they may be", ANSWERED, ANY, lists(198)),
    ("wrong variables", USER, "query($a:[Int]){me{s(b:$a)}}", ["x"] * 100_000),
    ("a long variable", ANSWERED, "query($a:String){me{s(a:$a)}}", "a" * 900_000),
    ("many variables", ANSWERED, "query($a:[Int]){me{s(b:$a)}}", [1] * 300_000),
)


def asked(engine: Engine, query: str, variables: dict[str, Any]) -> str:
    """Run an operation and return an outcome, whatever the response is."""
    asyncio.run(ask(engine, query, variables))
    return ANSWERED


def bombs() -> Iterator[Bomb]:
    """Yield the bombs of this module; the subgraphs reply with an error at once."""
    settings = Settings(limits=WIDE, cost=CostSettings(max=None))
    engine, _ = fake_engine(SDLS, lambda _: {"data": None, "errors": [{"message": "no"}]}, settings)
    for name, end, query in OPERATIONS:
        yield Bomb(name, end, partial(asked, engine, query, {}))
    for name, end, query, value in VARIABLES:
        yield Bomb(name, end, partial(asked, engine, query, {"a": value}))
