"""Writes the monolith and the subgraphs of a cut as SDL."""

import json
from dataclasses import replace

from graphql.language import FieldNode, SelectionSetNode

from tests.fuzz import inputs
from tests.fuzz.cut_parts import key_fields
from tests.fuzz.directives import field_set
from tests.fuzz.model import Argument, Cut, Member, Part, View

IMPORTS = (
    "@key", "@requires", "@provides", "@external", "@shareable", "@override", "@interfaceObject", "@context",
    "@fromContext",
)  # fmt: skip
LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.{minor}", import: [{names}])\n'


def monolith_sdl(cut: Cut) -> str:
    """Return the schema that clients see."""
    monolith, out = cut.monolith, [inputs.SDL]
    for kind in [*monolith.entities, *monolith.values, "Query", "Mutation"]:
        fields = monolith.fields[kind]
        interfaces = {
            name
            for view in cut.views.values()
            for name in monolith.interfaces
            if kind in _listed(cut, view, name)
        }  # fmt: skip
        if fields:
            out.append(_block("type", kind, sorted(interfaces), "", [_field(one) for one in fields.values()]))
    for interface in monolith.interfaces:
        if monolith.members[interface] and monolith.fields[interface]:
            fields = monolith.fields[interface]
            out.append(_block("interface", interface, [], "", [_field(one) for one in fields.values()]))
    out += [
        f"union {union} = {' | '.join(kinds)}\n"
        for union in monolith.unions
        if (kinds := monolith.members[union])
    ]
    return "\n".join(out)


def subgraph_sdl(cut: Cut, view: View) -> str:
    """Return the SDL of one subgraph, with federation's directives."""
    monolith = cut.monolith
    names = [f'"{name}"' for name in IMPORTS]
    out = [LINK.format(minor=9, names=", ".join(names))]
    if roots := [(kind, name) for kind, name in view.root_names.items() if kind in view.parts]:
        out.append("schema {\n" + "".join(f"  {kind.lower()}: {name}\n" for kind, name in roots) + "}\n")
    out.append(inputs.SDL)
    for kind, parts in view.parts.items():
        lines = [
            _field(_own(cut, kind, name, part)) + _marks(cut, view, kind, name, part)
            for name, part in parts.items()
        ]
        implemented = [name for name in monolith.interfaces if kind in _listed(cut, view, name)]
        mark = " @interfaceObject" if kind == view.object_of else ""
        mark += ' @context(name: "above")' if kind in view.setters else ""
        out.append(
            _block("type", view.root_names.get(kind, kind), implemented, mark + _keys(view, kind), lines)
        )
    for interface, fields in view.interface_fields.items():
        key = ' @key(fields: "id")' if interface == view.keyed_interface else ""
        out.append(
            _block(
                "interface", interface, [], key, [_field(monolith.fields[interface][name]) for name in fields]
            )
        )
    out += [
        f"union {one} = {' | '.join(kinds)}\n"
        for one, kinds in view.members.items()
        if one in monolith.unions
    ]
    return "\n".join(out)


def _listed(cut: Cut, view: View, interface: str) -> list[str]:
    """Return the types that implement an interface in one subgraph."""
    return [] if view.object_of == interface else view.members.get(interface, [])


def _own(cut: Cut, kind: str, name: str, part: Part) -> Member:
    """Return a field as one subgraph has it, with the argument that clients do not see."""
    member = cut.monolith.fields[kind][name]
    if part.strict:
        member = replace(member, type=f"{member.type}!")
    if not part.context:
        return member
    hidden = Argument("given", f"String @fromContext(field: {json.dumps(part.context)})")
    return replace(member, arguments=(*member.arguments, hidden))


def _block(word: str, name: str, interfaces: list[str], marks: str, lines: list[str]) -> str:
    implemented = f" implements {' & '.join(interfaces)}" if interfaces else ""
    return f"{word} {name}{implemented}{marks} {{\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


def _field(member: Member) -> str:
    parts = [
        f"{one.name}: {one.type}" + (f" = {one.default}" if one.default is not None else "")
        for one in member.arguments
    ]
    return member.name + (f"({', '.join(parts)})" if parts else "") + f": {member.type}"


def _keys(view: View, kind: str) -> str:
    resolvable = ", resolvable: false" if kind in view.stubs else ""
    return "".join(f' @key(fields: "{key}"{resolvable})' for key in view.keys.get(kind, ()))


def _marks(cut: Cut, view: View, kind: str, name: str, part: Part) -> str:
    if part.role == "external":
        return " @external"
    marks = ""
    in_key = any(name in key_fields(key) for key in view.keys.get(kind, ()))
    if not in_key and kind != view.object_of and _resolvers(cut, kind, name) > 1:
        marks += " @shareable"
    if kind == view.object_of and not in_key and len(cut.owners(kind, name)) > 1:
        marks += " @shareable"
    if part.override:
        marks += f' @override(from: "{part.override}"' + (f', label: "{part.label}")' if part.label else ")")
    if part.requires:
        marks += f" @requires(fields: {json.dumps(part.requires)})"
    if part.provides:
        marks += f' @provides(fields: "{part.provides}")'
    return marks


def _resolvers(cut: Cut, kind: str, name: str) -> int:
    """Return the number of subgraphs that resolve a field, those included that provide it on one path
    only.
    """
    count = len(cut.owners(kind, name))
    for view in cut.views.values():
        part = view.parts.get(kind, {}).get(name)
        if part and part.role == "external" and _provided(cut, view, kind, name):
            count += 1
    return count


def _provided(cut: Cut, view: View, kind: str, name: str) -> bool:
    return any(
        (kind, name) in _handed(cut, cut.monolith.fields[parent][field].base, field_set(part.provides))
        for parent, parts in view.parts.items()
        for field, part in parts.items()
        if part.provides
    )


def _handed(cut: Cut, kind: str, wanted: SelectionSetNode) -> set[tuple[str, str]]:
    """Return the fields in a field set, as (type, field)."""
    found: set[tuple[str, str]] = set()
    for item in wanted.selections:
        assert isinstance(item, FieldNode)
        found.add((kind, item.name.value))
        if item.selection_set:
            found |= _handed(cut, cut.monolith.fields[kind][item.name.value].base, item.selection_set)
    return found
