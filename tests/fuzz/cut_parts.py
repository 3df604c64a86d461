"""Adds to a subgraph every type that its fields refer to.

An entity becomes a stub (key only), an object without key is added whole, an abstract type with some of its
types.
"""

import re
from random import Random

from tests.fuzz.model import SCALARS, Cut, Part, View


def key_fields(key: str) -> list[str]:
    """Return the names of the outermost fields of a key."""
    return re.findall(r"\w+", re.sub(r"\{.*?\}", "", key))


def ensure(r: Random, cut: Cut, view: View, kind: str) -> None:
    """Add a type to a subgraph, and all types that it refers to."""
    monolith = cut.monolith
    if kind in SCALARS or view.object_of == kind:
        return
    if kind in monolith.abstract:
        _abstract(r, cut, view, kind)
    elif kind in monolith.entities:
        _entity(r, cut, view, kind)
    elif kind not in view.parts:
        view.parts[kind] = {name: Part() for name in monolith.fields[kind]}
        _all(r, cut, view, kind)


def _abstract(r: Random, cut: Cut, view: View, kind: str) -> None:
    if kind not in view.members:
        members = cut.monolith.members[kind]
        view.members[kind] = (
            r.sample(members, r.randint(1, len(members))) if r.random() < 0.4 else list(members)
        )
    for member in view.members[kind]:
        ensure(r, cut, view, member)
        if kind in cut.monolith.interfaces and member in cut.monolith.entities:
            view.parts[member].setdefault("id", Part())


def _entity(r: Random, cut: Cut, view: View, kind: str) -> None:
    if kind not in view.keys:
        key = r.choice(cut.monolith.keys[kind])
        view.keys[kind] = [key]
        view.stubs.add(kind)
        view.parts.setdefault(kind, {}).update({name: Part() for name in key_fields(key)})
    for key in view.keys[kind]:
        for name in _nested(key):
            target = cut.monolith.fields[kind][name].base
            if "id" not in view.parts.get(target, {}):
                view.parts.setdefault(target, {})["id"] = Part()
                ensure(r, cut, view, target)


def _nested(key: str) -> list[str]:
    """Return the fields of a key that have selections."""
    return re.findall(r"(\w+)\s*\{", key)


def _all(r: Random, cut: Cut, view: View, kind: str) -> None:
    for name in list(view.parts[kind]):
        ensure(r, cut, view, cut.monolith.fields[kind][name].base)
