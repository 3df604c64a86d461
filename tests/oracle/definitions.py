"""Sets by chance in which a subgraph defines a directive of federation itself, as libraries do: nearly as the
spec has it, under one of the names that a link gives it, and with an application that may no longer fit.
"""

import random
import re
from collections.abc import Mapping

from gateway.federation.spec import DIRECTIVES, SPEC_TYPES, SpecDirective
from tests.oracle.sets import SdlSet, link

VERSIONS = (0, 1, 2, 3, 5, 7, 9, 12, 14)
PLAIN_TYPES = ("Int", "Int!", "String", "String!", "ID!", "Boolean", "Boolean!", "_FieldSet!", "FieldSet!")
LISTS = ("[String]", "[String!]", "[String!]!", "[[String!]!]!", "[[String]!]!", "[[ID!]!]!", "[[String!]]!")
TYPES = (*PLAIN_TYPES, *LISTS, "Words!", "Color", "Nothing!")
DEFAULTS = ("", "", " = true", " = false", ' = "x"', " = null")
HELPERS = {
    "Words": "input Words { a: Int }",
    "Color": "enum Color { RED }",
    "_FieldSet": "scalar _FieldSet",
}
APPLIED: Mapping[str, str] = {
    "key": 'type T @key(fields: "id") { id: ID! }',
    "requires": 'type T @key(fields: "id") { id: ID! x: Int @external y: Int @requires(fields: "x") }',
    "provides": 'type T @key(fields: "id") { id: ID! x: Int @external t: T @provides(fields: "x") }',
    "external": (
        'type T @key(fields: "id") { id: ID! x: Int @external(reason: "z") t: T @provides(fields: "x") }'
    ),
    "extends": 'type T @key(fields: "id") @extends { id: ID! @external y: Int }',
    "shareable": "type T @shareable { id: ID! @shareable } extend type T @shareable { z: Int }",
    "tag": 'type T @tag(name: "a") @tag(name: "b") { id: ID! }',
    "override": 'type T { id: ID! @override(from: "b") }',
    "inaccessible": "type T { id: ID! w: Int @inaccessible }",
    "cost": "type T { id: ID! @cost(weight: 3) }",
    "listSize": "type T { id: [ID!] @listSize(assumedSize: 3, requireOneSlicingArgument: false) }",
    "context": 'type T @context(name: "a") { id: ID! }',
    "authenticated": "type T @authenticated { id: ID! }",
    "requiresScopes": 'type T @requiresScopes(scopes: [["a"]]) { id: ID! }',
    "policy": 'type T @policy(policies: [["a"]]) { id: ID! }',
    "cacheTag": 'type T @key(fields: "id") @cacheTag(format: "x") { id: ID! }',
}
BASE = 'type T @key(fields: "id") { id: ID! x: Int @shareable }\n'


def definition_set(seed: int) -> SdlSet:
    """A subgraph with one definition, and where a type has @external fields, another that has them."""
    rng = random.Random(f"definitions {seed}")
    style = rng.choice(["imported", "imported", "prefixed", "as", "renamed", "federation 1"])
    version = (2, rng.choice(VERSIONS)) if style != "federation 1" else (1, 0)
    spec = rng.choice([one for one in DIRECTIVES if one.since <= version])
    scalars = _scalars(rng, style, version)
    text = _changed(rng, spec, spec.definition(spec.name, version, scalars))
    parts = [text, *_helpers(rng, text, scalars)]
    applied = APPLIED.get(spec.name) if rng.random() < 0.6 else None
    parts += ["type Query { q: Int t: T }", applied] if applied else ["type Query { q: Int }"]
    known = [one.name for one in DIRECTIVES if one.since <= version]
    body = re.sub(
        r"@(\w+)", lambda one: f"@{_local(style, one[1])}" if one[1] in known else one[0], "\n".join(parts)
    )
    subgraphs = {"a": _link(style, version, known, scalars) + body + "\n"}
    if "external" in (applied or ""):
        modern = style != "federation 1"
        subgraphs["b"] = link("2.3") + BASE if modern else BASE.replace(" @shareable", "")
    return SdlSet(f"definitions {seed}", subgraphs)


def _scalars(rng: random.Random, style: str, version: tuple[int, int]) -> dict[str, str]:
    """The local names of the scalars: imported in some sets only, as libraries differ there."""
    prefix = {"as": "fed__", "federation 1": "_"}.get(style, "federation__")
    plain = style in ("imported", "renamed") and rng.random() < 0.7
    return {
        name: name if plain else f"{prefix}{name}" for name, since in SPEC_TYPES.items() if since <= version
    }


def _local(style: str, name: str) -> str:
    return {"prefixed": f"federation__{name}", "as": f"fed__{name}", "renamed": f"my_{name}"}.get(style, name)


def _link(style: str, version: tuple[int, int], known: list[str], scalars: Mapping[str, str]) -> str:
    if style == "federation 1":
        return ""
    types = [f'"{name}"' for name, local in scalars.items() if name == local]
    imports = []
    if style == "imported":
        imports = [*(f'"@{name}"' for name in known), *types]
    elif style == "renamed":
        imports = [*(f'{{ name: "@{name}", as: "@my_{name}" }}' for name in known), *types]
    given = f", import: [{', '.join(imports)}]" if imports else ""
    given = ', as: "fed"' if style == "as" else given
    url = f"https://specs.apollo.dev/federation/v{version[0]}.{version[1]}"
    return f'extend schema @link(url: "{url}"{given})\n'


def _changed(rng: random.Random, spec: SpecDirective, text: str) -> str:
    """The definition with one change, or none."""
    head, places = text.rsplit(" on ", 1)
    arguments = re.findall(r"\w+: [\[\]\w!]+(?: = \w+)?", head)
    change = rng.choice(
        ["type", "type", "type", "drop", "add", "order", "fewer", "more", "repeatable", "none"]
    )
    if change == "type" and arguments:
        index = rng.randrange(len(arguments))
        name, _, rest = arguments[index].partition(": ")
        due, _, default = rest.partition(" = ")
        types = (*TYPES, *[due, due.rstrip("!"), f"{due.rstrip('!')}!"] * 4)
        kept = f" = {default}" if default else ""
        arguments[index] = f"{name}: {rng.choice(types)}{rng.choice((*DEFAULTS, kept, kept, kept))}"
    elif change == "drop" and arguments:
        arguments.pop(rng.randrange(len(arguments)))
    elif change == "add":
        arguments.append(rng.choice(["more: String", "more: Int!", "if: Boolean = true"]))
    elif change == "order":
        rng.shuffle(arguments)
    elif change == "fewer":
        every = places.split(" | ")
        places = " | ".join(rng.sample(every, rng.randint(1, len(every))))
    elif change == "more":
        places += rng.choice([" | SCHEMA", " | INTERFACE", " | FIELD", " | OBJECT"])
    repeatable = ("repeatable" in head) != (change == "repeatable")
    described = rng.choice(["", "", f'"What {spec.name} is for."\n'])
    given = f"({', '.join(arguments)})" if arguments else ""
    return f"{described}directive @{spec.name}{given}{' repeatable' if repeatable else ''} on {places}"


def _helpers(rng: random.Random, text: str, scalars: Mapping[str, str]) -> list[str]:
    """The types that the definition names, but for some sets that leave federation's scalars out."""
    defined = (
        [name for name in scalars.values() if re.search(rf"\b{name}\b", text)] if rng.random() < 0.9 else []
    )
    helpers = [
        sdl for name, sdl in HELPERS.items() if name not in defined and re.search(rf"\b{name}\b", text)
    ]
    return [f"scalar {name}" for name in defined] + helpers
