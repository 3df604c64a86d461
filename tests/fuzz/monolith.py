"""Generates a random monolith: entities, other objects, interfaces and unions, and data for all of them."""

from random import Random
from typing import Any

from tests.fuzz.inputs import random_arguments
from tests.fuzz.model import SCALARS, Cut, Member, Monolith, base_of, scalars

OBJECTS = 4
_NAMES = ("name", "size", "tag", "link", "peer", "items", "info", "mark", "x", "y", "z")
_COLORS = ("RED", "GREEN", "BLUE")


def random_monolith(r: Random) -> Monolith:
    """Return types and their fields; `cut` decides what each subgraph has of them."""
    made = Monolith(
        [f"E{index}" for index in range(r.randint(3, 5))],
        [f"V{index}" for index in range(r.randint(2, 3))],
        [f"I{index}" for index in range(r.randint(1, 2))],
        [f"U{index}" for index in range(r.randint(1, 2))],
    )
    made.split = made.values[0] if r.random() < 0.6 else None
    made.interface_object = made.interfaces[0] if r.random() < 0.6 else None
    _choose_members(r, made)
    for entity in made.entities:
        _entity(r, made, entity)
    for value in made.values:
        share = 0.75 if value != made.split else 0.9
        made.fields[value] = _random_fields(r, made, r.sample(_NAMES[:8], r.randint(2, 4)), share)
    for index, interface in enumerate(made.interfaces):
        _interface(r, made, interface, _NAMES[index::2])
    if made.interface_object:
        _interface_object(r, made, made.interface_object)
    return made


def whole_values(monolith: Monolith) -> list[str]:
    """Return the object types without key that every subgraph has with all their fields."""
    return [value for value in monolith.values if value != monolith.split]


def composite(r: Random, monolith: Monolith) -> str:
    """Return a random composite type."""
    return r.choice(
        pointed_at(monolith) * 3 + whole_values(monolith) + monolith.interfaces * 2 + monolith.unions * 2
    )


def pointed_at(monolith: Monolith) -> list[str]:
    """Return the entities that fields may have as their type.

    Those with an @interfaceObject are not among them, because a subgraph with that does not define them.
    """
    behind = monolith.members[monolith.interface_object] if monolith.interface_object else ()
    return [entity for entity in monolith.entities if entity not in behind]


def wrapped(r: Random, base: str) -> str:
    """Return a random type reference: perhaps a list or a list of lists, perhaps non-null at any depth."""

    def bang() -> str:
        return "!" if r.random() < 0.3 else ""

    reference = base + bang()
    if r.random() < 0.35:
        reference = f"[{reference}]{bang()}"
        if r.random() < 0.3:
            reference = f"[{reference}]{bang()}"
    return reference


def _choose_members(r: Random, made: Monolith) -> None:
    values = whole_values(made)
    for index, interface in enumerate(made.interfaces):
        pool = values if index and r.random() < 0.3 else made.entities if not index else pointed_at(made)
        most = 2 if interface == made.interface_object else 3
        made.members[interface] = r.sample(pool, r.randint(1, min(most, len(pool))))
    for union in made.unions:
        pool = (made.entities if r.random() < 0.3 else pointed_at(made)) + values
        made.members[union] = r.sample(pool, r.randint(2, min(4, len(pool))))


def _random_fields(r: Random, made: Monolith, names: list[str], share: float) -> dict[str, Member]:
    found = {}
    for name in names:
        base = r.choice(scalars()) if r.random() < share else composite(r, made)
        found[name] = Member(name, wrapped(r, base), random_arguments(r))
    return found


def _entity(r: Random, made: Monolith, entity: str) -> None:
    fields = {"id": Member("id", "ID!")}
    keys = ["id"]
    if r.random() < 0.6:
        fields["code"] = Member("code", "String!")
        keys.append("code")
    if r.random() < 0.5:
        fields["num"] = Member("num", "Int!")
        fields["org"] = Member("org", f"{r.choice(pointed_at(made))}!")
        keys.append(r.choice(("num org { id }", "org { id } num")))
    if "code" in fields and r.random() < 0.5:
        keys.append("id code")
    for member in fields.values():
        member.key = True
    fields |= _random_fields(r, made, r.sample(_NAMES, r.randint(4, 8)), 0.55)
    made.fields[entity], made.keys[entity] = fields, keys


def _interface(r: Random, made: Monolith, interface: str, names: tuple[str, ...]) -> None:
    """Add an interface with fields that each of its types has, sometimes with a stricter type.

    There are no stricter types if the interface is an @interfaceObject: a gateway may not find the type of an
    object whose stricter field fails.
    """
    may_differ = interface != made.interface_object
    promised = _random_fields(r, made, r.sample(names, r.randint(1, 3)), 0.6)
    for kind in made.members[interface]:
        for name, member in promised.items():
            stricter = "!" if may_differ and not member.type.endswith("!") and r.random() < 0.25 else ""
            made.fields[kind][name] = Member(name, member.type + stricter, member.arguments, promised=True)
    if made.members[interface][0] in made.entities:
        promised = {"id": Member("id", "ID!")} | promised
    made.fields[interface] = promised


def _interface_object(r: Random, made: Monolith, interface: str) -> None:
    """Add fields that only an interface object has; every type that implements the interface gets them."""
    for name in r.sample(("ioa", "iob", "ioc"), r.randint(2, 3)):
        base = r.choice(scalars()) if r.random() < 0.6 else composite(r, made)
        reference = wrapped(r, base)
        member = Member(name, reference, random_arguments(r), through=interface)
        for kind in [interface, *made.members[interface]]:
            made.fields[kind][name] = member


def random_data(r: Random, cut: Cut) -> dict[str, list[dict[str, Any]]]:
    """Return objects of every type. A field refers to an object by type and index: "E0/3"."""
    monolith = cut.monolith
    data: dict[str, list[dict[str, Any]]] = {}
    for kind, fields in monolith.fields.items():
        if kind in monolith.interfaces or not fields:
            continue
        count = 1 if kind in ("Query", "Mutation") else OBJECTS
        data[kind] = [_object(r, cut, kind, index, fields) for index in range(count)]
    return data


def _object(r: Random, cut: Cut, kind: str, index: int, fields: dict[str, Member]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, member in fields.items():
        fixed = {"id": f"{kind}-{index}", "code": f"c{kind}{index}", "num": index} if member.key else {}
        candidates = _candidates(cut, kind, member)
        reference = f"{member.type}!" if member.fixed and not member.type.endswith("!") else member.type
        made[name] = fixed.get(name, _random_value(r, reference, candidates))
    return made


def _candidates(cut: Cut, kind: str, member: Member) -> list[str]:
    """Return the object types that every subgraph with this field can return for it."""
    monolith, base = cut.monolith, member.base
    if base not in monolith.abstract:
        return [base]
    found = set(monolith.members[base])
    for view in cut.holders(member.through or kind, member.name):
        if view.object_of != base:
            found &= set(view.members[base])
    return sorted(found)


def _random_value(r: Random, reference: str, candidates: list[str]) -> Any:
    if reference.endswith("!"):
        reference = reference[:-1]
    elif not candidates or r.random() < 0.12:
        return None
    if reference.startswith("["):
        return [_random_value(r, reference[1:-1], candidates) for _ in range(r.choice((0, 1, 2, 2, 3)))]
    base = base_of(reference)
    if base not in SCALARS:
        return f"{r.choice(candidates)}/{r.randrange(OBJECTS)}"
    number = r.randrange(1000)
    plain: dict[str, Any] = {
        "String": f"str{number}",
        "ID": str(number),
        "Int": number,
        "Boolean": number % 2 == 0,
        "Float": number / 4,
        "Color": r.choice(_COLORS),
        "Big": 2**64 + number,
    }
    return plain[base]
