"""Decides which subgraphs resolve which field of an entity, and how.

A field may be in one subgraph or shared, overridden, computed from @requires inputs, provided, or use a
context.
"""

from random import Random

from tests.fuzz.cut_parts import ensure
from tests.fuzz.inputs import literal
from tests.fuzz.model import Cut, Member, Part, View


def share_fields(r: Random, cut: Cut) -> None:
    """Choose the subgraphs that resolve each field of each entity."""
    for entity in cut.monolith.entities:
        homes = [cut.views[name] for name in cut.homes[entity]]
        for name, member in cut.monolith.fields[entity].items():
            if member.key or member.through:
                continue
            anchors = [
                view for view in homes if member.promised and any(entity in m for m in view.members.values())
            ]
            owners = set(map(id, r.sample(homes, 1 if r.random() < 0.7 else r.randint(1, len(homes)))))
            owners |= set(map(id, anchors if r.random() < 0.8 else ()))
            for view in homes:
                if id(view) in owners:
                    view.parts[entity][name] = Part()
            if len(owners) == 1 and not member.promised and r.random() < 0.2:
                _take_over(r, homes, entity, name)


def _take_over(r: Random, homes: list[View], entity: str, name: str) -> None:
    others = [view for view in homes if name not in view.parts[entity]]
    if others:
        source = r.choice(others)
        source.parts[entity][name] = Part("overridden")
        owner = next(view for view in homes if name in view.parts[entity] and view is not source)
        owner.parts[entity][name].override = source.name
        if r.random() < 0.5:
            owner.parts[entity][name].label = r.choice(("percent(30)", f"move_{name}"))


def add_requires(r: Random, cut: Cut) -> None:
    """Add @requires to fields.

    A field that is an input never gets @requires afterwards, so there are no circles.
    """
    inputs: set[tuple[str, str]] = set()
    for _ in range(2):
        for entity in cut.monolith.entities:
            for name, member in cut.monolith.fields[entity].items():
                if r.random() < 0.5 and (entity, name) not in inputs:
                    _require(r, cut, entity, member, inputs)


def _require(r: Random, cut: Cut, entity: str, member: Member, inputs: set[tuple[str, str]]) -> None:
    owners = cut.owners(entity, member.name)
    if member.key or member.through or member.promised or len(owners) != 1 or member.name == "split":
        return
    view = owners[0]
    part = view.parts[entity][member.name]
    if part.override or part.requires:
        return
    chosen = []
    pool = [
        one
        for one in cut.monolith.fields[entity].values()
        if one is not member and _foreign(cut, view, entity, one)
    ]
    for one in r.sample(pool, min(len(pool), r.randint(1, 2))):
        text = _input(r, cut, view, one, inputs)
        if text:
            chosen.append(text)
            inputs.add((entity, one.name))
            view.parts[entity][one.name] = Part("external")
    part.requires = " ".join(chosen)
    if chosen and r.random() < 0.1:
        part.requires = f"... on {entity} {{ {part.requires} }}"


def _foreign(cut: Cut, view: View, entity: str, member: Member) -> bool:
    """Return whether a field can be an input here: other subgraphs resolve it, and no @override moves it."""
    if member.key or member.through or member.name == "split" or any(one.needed for one in member.arguments):
        return False
    owners = cut.owners(entity, member.name)
    taken = any(owner.parts[entity][member.name].override for owner in owners)
    part = view.parts[entity].get(member.name)
    return bool(owners) and not taken and (part is None or part.role == "external")


def _input(r: Random, cut: Cut, view: View, member: Member, inputs: set[tuple[str, str]]) -> str:
    """Return one field of a @requires set, with arguments and selection; "" if it can't be an input."""
    arguments = ", ".join(
        f"{one.name}: {literal(r, one.type)}" for one in member.arguments if r.random() < 0.7
    )
    head = member.name + (f"({arguments})" if arguments else "")
    if member.leaf:
        return head
    abstract = member.base in cut.monolith.abstract
    below = (_of_each_type if abstract else _leaves)(r, cut, view, member.base, inputs)
    return f"{head} {{ {below} }}" if below else ""


def _leaves(r: Random, cut: Cut, view: View, kind: str, inputs: set[tuple[str, str]]) -> str:
    """Return the leaves that a @requires set selects on an object; "" if there are none."""
    monolith = cut.monolith
    if kind == monolith.split:
        return ""
    below = [
        one for one in monolith.fields[kind].values() if one.leaf and not one.arguments and not one.through
    ]
    if kind in monolith.entities:
        below = [one for one in below if _readable(cut, view, kind, one)]
    chosen = r.sample(below, min(len(below), r.randint(1, 2)))
    if not chosen:
        return ""
    ensure(r, cut, view, kind)
    for one in chosen:
        view.parts[kind].setdefault(one.name, Part("external"))
        inputs.add((kind, one.name))
    return " ".join(one.name for one in chosen)


def _of_each_type(r: Random, cut: Cut, view: View, base: str, inputs: set[tuple[str, str]]) -> str:
    """Return what a @requires set selects on an interface or a union: fragments on the subgraph's own types
    of it.
    """
    monolith = cut.monolith
    behind = monolith.members[view.object_of] if view.object_of else ()
    if base == view.object_of or set(behind) & set(monolith.members[base]):
        return ""
    ensure(r, cut, view, base)
    parts = []
    for kind in r.sample(view.members[base], len(view.members[base])):
        if r.random() < 0.8 and (below := _leaves(r, cut, view, kind, inputs)):
            parts.append(f"... on {kind} {{ {below} }}")
    if base in monolith.interfaces and "id" in monolith.fields[base] and r.random() < 0.3:
        parts.append("id")
    if parts and r.random() < 0.3:
        parts.append("__typename")
    return " ".join(parts)


def _readable(cut: Cut, view: View, entity: str, member: Member) -> bool:
    """Return whether a field of a nested entity may be an input. It may not if an @override moves it."""
    if member.name == "id":
        return True
    part = view.parts.get(entity, {}).get(member.name)
    owners = cut.owners(entity, member.name)
    taken = any(owner.parts[entity][member.name].override for owner in owners)
    return not member.key and bool(owners) and not taken and (part is None or part.role == "external")


def add_provides(r: Random, cut: Cut) -> None:
    """Add @provides to fields, for fields that their subgraph resolves only there."""
    for view in cut.views.values():
        for kind in [*cut.monolith.entities, "Query", "Mutation"]:
            for name, part in list(view.parts.get(kind, {}).items()):
                base = cut.monolith.fields[kind][name].base
                if part.role == "own" and base in cut.monolith.entities and r.random() < 0.4:
                    part.provides = _provide(r, cut, view, base, 2)


def _provide(r: Random, cut: Cut, view: View, entity: str, depth: int) -> str:
    """Return the field set of a @provides on an entity, with nested entities up to `depth` levels."""
    have = view.parts.get(entity)
    if have is None:
        return ""
    pool = [
        member
        for member in cut.monolith.fields[entity].values()
        if (member.leaf or (depth > 1 and member.base in cut.monolith.entities))
        and not member.arguments
        and _providable(cut, view, entity, member)
    ]
    chosen = []
    for member in r.sample(pool, min(len(pool), r.randint(1, 2))):
        below = "" if member.leaf else _provide(r, cut, view, member.base, depth - 1)
        if member.leaf or below:
            have.setdefault(member.name, Part("external"))
            chosen.append(member.name + (f" {{ {below} }}" if below else ""))
    return " ".join(chosen)


def _providable(cut: Cut, view: View, entity: str, member: Member) -> bool:
    part = view.parts[entity].get(member.name)
    if member.key or member.through or (part is not None and part.role != "external"):
        return False
    owners = cut.owners(entity, member.name)
    return bool(owners) and not any(
        owner.parts[entity][member.name].requires or owner.parts[entity][member.name].override
        for owner in owners
    )


def make_strict(r: Random, cut: Cut) -> None:
    """Make some fields non-null in some of their subgraphs only; these fields never fail."""
    for kind in [*cut.monolith.entities, *cut.monolith.values]:
        for name, member in cut.monolith.fields[kind].items():
            views = [view for view in cut.views.values() if name in view.parts.get(kind, {})]
            parts = [view.parts[kind][name] for view in views]
            plain = all(part.role == "own" and not part.override for part in parts)
            if member.key or member.through or len(parts) < 2 or not plain or member.type.endswith("!"):
                continue
            if member.leaf and r.random() < 0.3:
                member.fixed = True
                for part in r.sample(parts, r.randint(1, len(parts) - 1)):
                    part.strict = True


def add_context(r: Random, cut: Cut) -> None:
    """Add an entity that only one or two other entities refer to, with an argument from a context that they
    set.
    """
    monolith = cut.monolith
    behind = monolith.members[monolith.interface_object] if monolith.interface_object else ()
    teller = cut.views[r.choice(list(cut.views))]
    above = [one for one in monolith.entities if one not in behind and teller.name in cut.homes[one]][:2]
    if not above:
        return
    monolith.fields["C0"] = {
        "id": Member("id", "ID!", key=True),
        "told": Member("told", "[String]"),
        "own": Member("own", "Int"),
    }
    teller.parts["C0"], teller.keys["C0"] = {"id": Part(), "told": Part(context="$above { motto }")}, ["id"]
    for entity in above:
        monolith.fields[entity]["motto"] = Member("motto", "String!", fixed=True)
        monolith.fields[entity]["below"] = Member("below", r.choice(("C0", "[C0!]", "C0!")))
        teller.parts[entity]["motto"] = Part()
        teller.setters.add(entity)
        owner = cut.views[r.choice(cut.homes[entity])]
        owner.parts[entity]["below"] = Part()
        if owner is not teller:
            owner.parts.setdefault("C0", {"id": Part()})
            owner.keys["C0"] = ["id"]
            owner.stubs.add("C0")
    other = cut.views[r.choice(list(cut.views))]
    other.stubs.discard("C0")
    other.keys["C0"] = ["id"]
    other.parts.setdefault("C0", {"id": Part()})["own"] = Part()
    monolith.keys["C0"] = ["id"]
    monolith.entities.append("C0")
