"""Cuts a monolith into subgraphs so that every field can be reached from everywhere.

Each entity has some "homes", the subgraphs that resolve its fields. One of them, the hub, can look it up by
each of its keys; every other home has some of the keys, and a subgraph that only refers to the entity has
one. So every subgraph can reach the hub by a key, and the hub every home. A random cut that breaks a rule of
federation is drawn again.
"""

from random import Random

from tests.fuzz.cut_fields import add_context, add_provides, add_requires, make_strict, share_fields
from tests.fuzz.cut_parts import ensure, key_fields
from tests.fuzz.inputs import random_arguments
from tests.fuzz.model import Cut, Member, Part, View
from tests.fuzz.monolith import composite, random_monolith, whole_values, wrapped


class Impossible(Exception):
    """The random cut breaks a rule of federation."""


def random_cut(r: Random) -> Cut:
    """Return a random monolith with the subgraphs it is cut into."""
    while True:
        try:
            return _draw(r)
        except Impossible:
            continue


def _draw(r: Random) -> Cut:
    cut = Cut(random_monolith(r), _views(r))
    _choose_homes(r, cut)
    _choose_keys(r, cut)
    share_fields(r, cut)
    _interface_objects(r, cut)
    _split_value(r, cut)
    _roots(r, cut)
    for view in cut.views.values():
        for kind, parts in list(view.parts.items()):
            if kind in view.keys and kind != view.object_of:
                ensure(r, cut, view, kind)
            for name in list(parts):
                ensure(r, cut, view, cut.monolith.fields[kind][name].base)
    add_requires(r, cut)
    add_provides(r, cut)
    if r.random() < 0.6:
        add_context(r, cut)
    _declare_interface_fields(cut)
    _prune(cut)
    make_strict(r, cut)
    _check(cut)
    return cut


def _views(r: Random) -> dict[str, View]:
    views = {}
    for index in range(r.randint(3, 5)):
        custom = {"Query": f"Root{index}", "Mutation": f"Change{index}"} if r.random() < 0.3 else {}
        views[f"s{index}"] = View(f"s{index}", custom)
    return views


def _choose_homes(r: Random, cut: Cut) -> None:
    """Choose the subgraphs that resolve each entity.

    All types of an interface have one home in common; a subgraph with the interface as @interfaceObject is
    home of none.
    """
    monolith, names = cut.monolith, list(cut.views)
    for entity in monolith.entities:
        cut.homes[entity] = r.sample(names, r.randint(2, min(4, len(names))))
    for interface in monolith.interfaces:
        if monolith.members[interface][0] in monolith.entities:
            anchor = r.choice(names)
            cut.views[anchor].members[interface] = list(monolith.members[interface])
            for kind in monolith.members[interface]:
                if anchor not in cut.homes[kind]:
                    cut.homes[kind].append(anchor)
    if monolith.interface_object:
        _choose_object_views(r, cut, monolith.interface_object)
    for entity in monolith.entities:
        cut.hubs[entity] = r.choice(cut.homes[entity])


def _choose_object_views(r: Random, cut: Cut, interface: str) -> None:
    anchor = next(view for view in cut.views.values() if interface in view.members)
    anchor.keyed_interface = interface
    rest = [view for view in cut.views.values() if view is not anchor]
    kinds = cut.monolith.members[interface]
    for view in r.sample(rest, r.choice((1, 1, 2))):
        if any(kind in view.members.get(other, ()) for other in cut.monolith.interfaces for kind in kinds):
            raise Impossible
        view.object_of = interface
        for kind in kinds:
            cut.homes[kind] = [home for home in cut.homes[kind] if home != view.name]


def _choose_keys(r: Random, cut: Cut) -> None:
    monolith = cut.monolith
    for entity in monolith.entities:
        for home in cut.homes[entity]:
            view, keys = cut.views[home], monolith.keys[entity]
            chosen = keys if home == cut.hubs[entity] else r.sample(keys, r.randint(1, len(keys)))
            chosen = r.sample(chosen, len(chosen))
            interface = view.keyed_interface
            if interface and entity in monolith.members[interface] and "id" not in chosen:
                chosen = ["id", *chosen]
            view.keys[entity] = chosen
            view.parts[entity] = {name: Part() for key in chosen for name in key_fields(key)}
            if any(entity in members for members in view.members.values()):
                view.parts[entity].setdefault("id", Part())


def _interface_objects(r: Random, cut: Cut) -> None:
    interface = cut.monolith.interface_object
    views = [view for view in cut.views.values() if view.object_of]
    if not interface:
        return
    for view in views:
        view.keys[interface] = ["id"]
        view.parts[interface] = {"id": Part()}
    for name, member in cut.monolith.fields[interface].items():
        if member.through:
            for view in r.sample(views, 1 if r.random() < 0.8 else len(views)):
                view.parts[interface][name] = Part()


def _split_value(r: Random, cut: Cut) -> None:
    """Add an object type without key whose fields are in several subgraphs.

    Each of these subgraphs also has the entity's field that returns the type.
    """
    monolith = cut.monolith
    if not monolith.split:
        return
    entity = r.choice(monolith.entities)
    homes = [cut.views[name] for name in cut.homes[entity]]
    reference = monolith.split + r.choice(("", "!"))
    member = Member("split", f"[{reference}]" if r.random() < 0.5 else reference)
    monolith.fields[entity]["split"] = member
    for name in monolith.fields[monolith.split]:
        for view in r.sample(homes, r.randint(1, len(homes))):
            view.parts.setdefault(monolith.split, {})[name] = Part()
    for view in homes:
        if monolith.split in view.parts:
            view.parts[entity]["split"] = Part()


def _roots(r: Random, cut: Cut) -> None:
    monolith, names = cut.monolith, list(cut.views)
    monolith.fields["Query"], monolith.fields["Mutation"] = {}, {}

    def root(kind: str, name: str, base: str, owners: list[str]) -> None:
        monolith.fields[kind][name] = Member(name, wrapped(r, base), random_arguments(r))
        for owner in owners:
            cut.views[owner].parts.setdefault(kind, {})[name] = Part()

    for view in cut.views.values():
        for index in range(r.randint(1, 3)):
            owners = [view.name] if r.random() < 0.85 else r.sample(names, 2)
            anywhere = r.random() < 0.8 or view.object_of or owners != [view.name]
            base = composite(r, monolith) if anywhere else r.choice(monolith.entities)
            root("Query", f"q{view.name}{index}", base, owners)
        if view.object_of and r.random() < 0.7:
            root("Query", f"q{view.name}io", view.object_of, [view.name])
        for index in range(r.choice((0, 1, 1, 2))):
            base = composite(r, monolith) if r.random() < 0.8 else "Int"
            root("Mutation", f"m{view.name}{index}", base, [view.name])


def _declare_interface_fields(cut: Cut) -> None:
    """Give each subgraph's interface the fields that all of its types have in that subgraph."""
    monolith = cut.monolith
    for view in cut.views.values():
        for interface in monolith.interfaces:
            if interface not in view.members or view.object_of == interface:
                continue
            view.interface_fields[interface] = [
                name
                for name, member in monolith.fields[interface].items()
                if not member.through and all(_offers(view, kind, name) for kind in view.members[interface])
            ]
            if not view.interface_fields[interface]:
                raise Impossible


def _offers(view: View, kind: str, name: str) -> bool:
    part = view.parts.get(kind, {}).get(name)
    return part is not None and part.role == "own" and not part.requires


def _prune(cut: Cut) -> None:
    """Remove from the monolith what no subgraph has."""
    monolith = cut.monolith
    for kind in monolith.abstract:
        listed = {one for view in cut.views.values() for one in view.members.get(kind, ())}
        monolith.members[kind] = [one for one in monolith.members[kind] if one in listed]
    for interface in monolith.interfaces:
        declared = {name for view in cut.views.values() for name in view.interface_fields.get(interface, ())}
        monolith.fields[interface] = {
            name: member
            for name, member in monolith.fields[interface].items()
            if name in declared or (member.through and cut.owners(interface, name))
        }
    for kind in [*monolith.entities, *monolith.values, "Query", "Mutation"]:
        fields = monolith.fields[kind]
        monolith.fields[kind] = {
            name: member for name, member in fields.items() if cut.owners(member.through or kind, name)
        }


def _check(cut: Cut) -> None:
    """Raise Impossible if the cut is not allowed in federation or can't be answered."""
    monolith = cut.monolith
    for view in cut.views.values():
        if view.object_of and any(kind in view.parts for kind in monolith.members[view.object_of]):
            raise Impossible
    for kind, fields in monolith.fields.items():
        if kind in monolith.interfaces:
            continue
        for name, member in fields.items():
            if member.base in monolith.abstract and not _meeting(
                cut, member.through or kind, name, member.base
            ):
                raise Impossible
    if whole_values(monolith) and not monolith.fields["Mutation"]:
        raise Impossible


def _meeting(cut: Cut, kind: str, name: str, base: str) -> set[str]:
    found = set(cut.monolith.members[base])
    for view in cut.holders(kind, name):
        if view.object_of != base:
            found &= set(view.members[base])
    return found
