"""Sets by chance in which two subgraphs write one constant in two ways, or two constants.

As the default of an argument, of an input field and of an argument of an @external field, and as the argument
of a composed directive.
"""

import random
from typing import Any

from tests.oracle.sets import SdlSet, link

Value = Any  # None, bool, float, str, list or dict: what JSON has
TYPES = """scalar Any
input Words { a: Float b: String c: [Words!] d: Color = RED e: Any }
enum Color { RED GREEN }
"""
LINK = (
    'extend schema @link(url: "https://example.com/note/v1.0", import: ["@note"])'
    ' @composeDirective(name: "@note")\n'
)
PLACES = ("argument", "input", "external", "directive", "repeatable")


def value_set(seed: int) -> SdlSet:
    """Two subgraphs with a value each; in about half of the sets it is the same value."""
    rng = random.Random(f"values {seed}")
    kind = rng.choice(["Float", "String", "[Int]", "[[Words]]", "Words", "Any", "Any"])
    value = _made(rng, kind, 3)
    other = value if rng.random() < 0.6 else _made(rng, kind, 3)
    place = rng.choice(PLACES)
    texts = [_written(rng, one, kind) for one in (value, other)]
    sdls = [_sdl(place, kind, text, owner) for text, owner in zip(texts, (True, False), strict=True)]
    return SdlSet(f"values {seed}", {"a": sdls[0], "b": sdls[1]})


def _made(rng: random.Random, kind: str, depth: int) -> Value:
    """A value of a type."""
    if kind.startswith("["):
        return [_made(rng, kind[1:-1].removesuffix("!"), depth - 1) for _ in range(rng.randint(0, 2))]
    if kind == "Words":
        below = {"a": "Float", "b": "String", "d": "Color", "e": "Any"}
        if depth > 0:
            below["c"] = "[Words!]"
        return {name: _made(rng, below[name], depth - 1) for name in sorted(below) if rng.random() < 0.5}
    if kind == "Any":
        kinds = ("Float", "String", "Boolean", "Words", "[Any]")
        return _made(rng, rng.choice(kinds[: 5 if depth > 0 else 3]), depth - 1)
    choices: dict[str, list[Value]] = {
        "Float": [0.0, 1.0, 2.5, 100.0],
        "Int": [1, 2],
        "String": ["a", "two\nlines", ""],
        "Boolean": [True, False],
        "Color": ["RED", "GREEN"],
    }
    return rng.choice(choices[kind])


def _written(rng: random.Random, value: Value, kind: str) -> str:
    """A value as GraphQL text, in one of its ways."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        whole = f"{value:.0f}" if value.is_integer() else f"{value}"
        return rng.choice([f"{value:.1f}", f"{value:.2f}", f"{value * 10:.0f}e-1", whole])
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        below = kind[1:-1].removesuffix("!") if kind.startswith("[") else "Any"
        return f"[{rng.choice([', ', ' ']).join(_written(rng, one, below) for one in value)}]"
    if isinstance(value, dict):
        names = rng.sample(sorted(value), len(value))
        kinds = {"c": "[Words!]", "d": "Color", "e": "Any"}
        fields = (f"{name}: {_written(rng, value[name], kinds.get(name, ''))}" for name in names)
        return f"{{{', '.join(fields)}}}"
    if kind == "Color":
        return str(value)
    text = str(value)
    plain = '"' + text.replace("\n", "\\n") + '"'
    return rng.choice([plain, f'"""\n    {text.replace(chr(10), chr(10) + "    ")}\n"""']) if text else plain


def _sdl(place: str, kind: str, text: str, owner: bool) -> str:
    head = link("2.3") + TYPES
    if place == "argument":
        return f"{head}type Query {{ f(x: {kind} = {text}): Int @shareable }}\n"
    if place == "input":
        return f"{head}input Given {{ x: {kind} = {text} }}\ntype Query {{ f(x: Given): Int @shareable }}\n"
    if place == "external":
        rest = "}" if owner else '@external more: Int @requires(fields: "f") }'
        query = "type Query { t: T }\n" if owner else ""
        return f'{head}{query}type T @key(fields: "id") {{ id: ID! f(x: {kind} = {text}): Int {rest}\n'
    repeatable = " repeatable" if place == "repeatable" else ""
    definition = f"directive @note(x: {kind}){repeatable} on FIELD_DEFINITION\n"
    return f"{head}{LINK}{definition}type Query {{ f: Int @shareable @note(x: {text}) }}\n"
