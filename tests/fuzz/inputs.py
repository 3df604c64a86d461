"""Random types and values of arguments."""

import json
from random import Random
from typing import Any

from tests.fuzz.model import BIG_NUMBERS, Argument

SDL = """directive @mark(
  n: Int
) repeatable on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT | FRAGMENT_DEFINITION
  | QUERY | MUTATION | VARIABLE_DEFINITION

scalar Big

enum Color {
  RED
  GREEN
  BLUE
}

input In {
  a: Int
  b: String = "d"
  c: [Color!]
}

input Deep {
  one: In
  many: [[Int]]
}
"""

_LITERALS: dict[str, tuple[str, ...]] = {
    "Int": ("0", "1", "7"),
    "String": ('"a"', '"b \\"q\\""', '"é\\n"'),
    "ID": ('"1"', "2"),
    "Boolean": ("true", "false"),
    "Color": ("RED", "BLUE"),
    "Big": ("18446744073709551617", "-90071992547409930001"),
    "[Int!]": ("[1, 2]", "3", "[]"),
    "In": ("{}", "{a: 1}", '{a: null, b: "q"}', "{c: [RED, BLUE]}", "{c: RED, a: 3}"),
    "Deep": ("{one: {a: 2}}", "{many: [[1, null], [2]]}", "{many: 5, one: {b: null}}"),
}
_VALUES: dict[str, tuple[Any, ...]] = {
    "Int": (0, 2, 3),
    "String": ("", "vv", 'é"\n'),
    "ID": ("k", 5),
    "Boolean": (True, False),
    "Color": ("GREEN", "RED"),
    "Big": (2**64 + 3, 2**100),
    "[Int!]": ([4], 6, []),
    "In": ({"a": 1}, {}, {"b": None}, {"c": "RED"}),
    "Deep": ({"one": {"a": 4}}, {"many": [[1], None]}, {"many": 3}),
}


def plain(reference: str) -> str:
    """Return an argument's type as nullable."""
    return reference.removesuffix("!")


def literal(r: Random, reference: str) -> str:
    """Return a constant of a type, as GraphQL text."""
    return r.choice(_LITERALS[plain(reference)])


def value(r: Random, reference: str) -> Any:
    """Return a value for a variable of a type."""
    return json.loads(json.dumps(r.choice(_VALUES[plain(reference)])))


def random_arguments(r: Random) -> tuple[Argument, ...]:
    """Return mostly no argument; else one or two, some with a default, some required."""
    if r.random() >= 0.3:
        return ()
    found = []
    for index in range(r.choice((1, 1, 2))):
        kind = r.choice(tuple(one for one in _LITERALS if BIG_NUMBERS.get() or one != "Big"))
        chance = r.random()
        default = literal(r, kind) if chance < 0.4 else None
        found.append(Argument(f"p{index}", f"{kind}!" if 0.3 < chance < 0.55 else kind, default))
    return tuple(found)
