"""Sets in which chance decides who has which field and key: small, and as often unsatisfiable as not.

The oracle says which are valid.
"""

import random

from tests.oracle.sets import SdlSet, link

TYPES = ("A", "B", "C")
KEYS = (
    'fields: "id"',
    'fields: "k"',
    'fields: "id k"',
    'fields: "id", resolvable: false',
    'fields: "b { id }"',
)
Fields = dict[str, str]


def mutation_set(seed: int) -> SdlSet:
    """A chance set whose subgraphs share root mutation fields, where chance_set's have query fields."""
    rng = random.Random(f"mutation {seed}")
    sdls = {}
    for name in "abcd"[: rng.randint(2, 4)]:
        types = _types(rng, " @shareable")
        parts = []
        for kind, fields in types.items():
            keys = [key for key in rng.sample(KEYS, rng.randint(0, 2)) if _fits(key, types, kind)]
            parts.append(_definition(kind, fields, keys))
        shared = "".join(f"  make{kind}: {kind} @shareable\n" for kind in types if rng.random() < 0.6)
        parts += [f"type Mutation {{\n{shared}}}"] if shared else []
        sdls[name] = link("2.5") + "\n".join([*parts, f"type Query {{\n  {name}: Int\n}}\n"])
    return SdlSet(f"mutation {seed}", sdls)


def chance_set(seed: int) -> SdlSet:
    """Two to four subgraphs with random parts of three types, joined by random keys, @requires and
    @provides.
    """
    rng = random.Random(f"chance {seed}")
    names = "abcd"[: rng.randint(2, 4)]
    mark = " @shareable" if rng.random() < 0.9 else ""
    drafts = {name: _types(rng, mark) for name in names}
    for name, types in drafts.items():
        for kind, fields in types.items():
            others = [drafts[other].get(kind, {}) for other in names if other != name]
            _require(
                rng,
                fields,
                {one for other in others for one in other if one in "xy" and _owned(other[one])},
                mark,
            )
    return SdlSet(
        f"chance {seed}", {name: link("2.5") + _print(rng, name, types) for name, types in drafts.items()}
    )


def _types(rng: random.Random, mark: str) -> dict[str, Fields]:
    """Scalars `id k x y`, and references to the other types of the subgraph."""
    kinds = rng.sample(TYPES, rng.randint(1, 3))
    types: dict[str, Fields] = {}
    for kind in kinds:
        fields = {one: f": ID!{mark}" for one, part in (("id", 0.8), ("k", 0.4)) if rng.random() < part}
        fields.update({one: f": Int{mark}" for one in "xy" if rng.random() < 0.4})
        fields.update(
            {other.lower(): f": {other}{mark}" for other in kinds if other != kind and rng.random() < 0.5}
        )
        types[kind] = fields or {"id": f": ID!{mark}"}
    return types


def _owned(field: str) -> bool:
    return "@external" not in field


def _require(rng: random.Random, fields: Fields, elsewhere: set[str], mark: str) -> None:
    """Perhaps a field that requires one that another subgraph has."""
    if elsewhere and rng.random() < 0.4:
        wanted = rng.choice(sorted(elsewhere))
        fields[wanted] = ": Int @external"
        fields[f"after{wanted.upper()}"] = f': Int @requires(fields: "{wanted}"){mark}'


def _print(rng: random.Random, name: str, types: dict[str, Fields]) -> str:
    parts = []
    for kind, fields in types.items():
        keys = [key for key in rng.sample(KEYS, rng.randint(1, 3)) if _fits(key, types, kind)]
        parts.append(_definition(kind, fields, keys))
    roots = [f"  {name}{kind}: {kind}{_provided(rng, types[kind])}\n" for kind in types if rng.random() < 0.6]
    if roots or name == "a":
        parts.append("type Query {\n" + "".join(roots or [f"  {name}: Int\n"]) + "}")
    return "\n".join(parts) + "\n"


def _definition(kind: str, fields: Fields, keys: list[str]) -> str:
    head = " ".join([f"type {kind}", *(f"@key({key})" for key in keys)])
    return f"{head} {{\n" + "".join(f"  {field}{text}\n" for field, text in fields.items()) + "}"


def _fits(key: str, types: dict[str, Fields], kind: str) -> bool:
    named = [one for one in key.split('"')[1].split() if one not in "{}"]
    if named[0] == "b":
        return "b" in types[kind] and "id" in types["B"]
    return all(one in types[kind] for one in named)


def _provided(rng: random.Random, fields: Fields) -> str:
    external = [one for one, text in fields.items() if not _owned(text)]
    return f' @provides(fields: "{external[0]}")' if external and rng.random() < 0.5 else ""
