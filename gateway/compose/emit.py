"""Writing the supergraph SDL with the join and link specs (join v0.3), as Apollo's tools read and write it."""

import re
from collections.abc import Iterable, Mapping, Sequence

from gateway.compose.merged import JoinArguments, MergedField, MergedInput, MergedSchema, MergedType
from gateway.compose.model import Marks, SubgraphSchema

HEADER = """directive @join__enumValue(graph: join__Graph!) repeatable on ENUM_VALUE

directive @join__field(graph: join__Graph, requires: join__FieldSet, provides: join__FieldSet, type: String, external: Boolean, \
override: String, usedOverridden: Boolean) repeatable on FIELD_DEFINITION | INPUT_FIELD_DEFINITION

directive @join__graph(name: String!, url: String!) on ENUM_VALUE

directive @join__implements(graph: join__Graph!, interface: String!) repeatable on OBJECT | INTERFACE

directive @join__type(graph: join__Graph!, key: join__FieldSet, extension: Boolean! = false, resolvable: Boolean! = true, \
isInterfaceObject: Boolean! = false) repeatable on OBJECT | INTERFACE | UNION | ENUM | INPUT_OBJECT | SCALAR

directive @join__unionMember(graph: join__Graph!, member: String!) repeatable on UNION

directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA
"""
TAG = """directive @tag(name: String!) repeatable on FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION | SCALAR \
| ENUM | ENUM_VALUE | INPUT_OBJECT | INPUT_FIELD_DEFINITION | SCHEMA
"""
INACCESSIBLE = """directive @inaccessible on FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION | SCALAR | ENUM \
| ENUM_VALUE | INPUT_OBJECT | INPUT_FIELD_DEFINITION
"""
SPECS = """scalar join__FieldSet

scalar link__Import

enum link__Purpose {
  "`SECURITY` features provide metadata necessary to securely resolve fields."
  SECURITY

  "`EXECUTION` features provide metadata necessary for operation execution."
  EXECUTION
}
"""
BUILT_IN = frozenset({"String", "ID", "Int", "Float", "Boolean"})


def emit(merged: MergedSchema, schemas: Sequence[SubgraphSchema]) -> str:
    """The supergraph SDL; types by name, so that equal input gives equal text."""
    graphs = graph_names([schema.name for schema in schemas])
    types = [merged.types[name] for name in sorted(merged.types) if name not in BUILT_IN]
    body = "\n".join(_type(item, graphs) for item in types)
    uses_tag = "@tag(" in body
    uses_inaccessible = "@inaccessible" in body
    parts = [_schema(merged, uses_tag, uses_inaccessible), HEADER]
    parts += [TAG] if uses_tag else []
    parts += [INACCESSIBLE] if uses_inaccessible else []
    parts += [f"{text}\n" for text in merged.directives]
    parts += [_graph_enum(schemas, graphs), SPECS, body]
    return "\n".join(parts)


def graph_names(names: Iterable[str]) -> dict[str, str]:
    """Each subgraph's name in the enum join__Graph: upper case, what is no name character as _, numbered where equal."""
    taken: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9]", "_", name).upper()
        plain = f"_{plain}" if plain[:1].isdigit() else plain
        number, candidate = 0, plain
        while candidate in taken.values():
            number += 1
            candidate = f"{plain}_{number}"
        taken[name] = candidate
    return taken


def _schema(merged: MergedSchema, uses_tag: bool, uses_inaccessible: bool) -> str:
    links = ['@link(url: "https://specs.apollo.dev/link/v1.0")']
    links.append('@link(url: "https://specs.apollo.dev/join/v0.3", for: EXECUTION)')
    if uses_tag:
        links.append('@link(url: "https://specs.apollo.dev/tag/v0.3")')
    if uses_inaccessible:
        links.append('@link(url: "https://specs.apollo.dev/inaccessible/v0.2", for: SECURITY)')
    roots = "\n".join(f"  {kind}: {name}" for kind, name in merged.roots.items())
    return "schema\n  " + "\n  ".join(links) + "\n{\n" + roots + "\n}\n"


def _graph_enum(schemas: Sequence[SubgraphSchema], graphs: Mapping[str, str]) -> str:
    lines = [f"  {graphs[one.name]} @join__graph(name: {_quote(one.name)}, url: {_quote(one.url)})" for one in schemas]
    return "enum join__Graph {\n" + "\n".join(lines) + "\n}\n"


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    escaped = re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\u{ord(match[0]):04x}", escaped)
    return f'"{escaped}"'


def _description(marks: Marks, indent: str) -> str:
    return f"{indent}{_quote(marks.description)}\n" if marks.description else ""


def _marks(marks: Marks) -> list[str]:
    out = [f"@tag(name: {_quote(tag)})" for tag in marks.tags]
    if marks.inaccessible:
        out.append("@inaccessible")
    if marks.deprecated is not None:
        out.append(f"@deprecated(reason: {_quote(marks.deprecated)})")
    if marks.specified_by:
        out.append(f"@specifiedBy(url: {_quote(marks.specified_by)})")
    if marks.one_of:
        out.append("@oneOf")
    return out


def _type(item: MergedType, graphs: Mapping[str, str]) -> str:
    word = {"object": "type", "input": "input"}.get(item.kind, item.kind)
    interfaces = f" implements {' & '.join(name for name, _ in item.interfaces)}" if item.interfaces else ""
    directives = [f"@join__type(graph: {graphs[name]}{rest})" for name, rest in item.joins]
    for interface, subgraphs in item.interfaces:
        directives += [f"@join__implements(graph: {graphs[one]}, interface: {_quote(interface)})" for one in subgraphs]
    for member, subgraphs in item.members:
        directives += [f"@join__unionMember(graph: {graphs[one]}, member: {_quote(member)})" for one in subgraphs]
    directives += _marks(item.marks)
    head = _description(item.marks, "") + f"{word} {item.name}{interfaces}\n  " + "\n  ".join(directives)
    if item.kind == "union":
        return f"{head}\n = {' | '.join(member for member, _ in item.members)}\n"
    lines = [_field(one, graphs) for one in item.fields]
    lines += [_description(one.marks, "  ") + f"  {_input(one, graphs)}" for one in item.inputs]
    lines += [_value(value, marks, subgraphs, graphs) for value, marks, subgraphs in item.values]
    return f"{head}\n{{\n" + "\n".join(lines) + "\n}\n" if lines else f"{head}\n"


def _value(value: str, marks: Marks, subgraphs: Sequence[str], graphs: Mapping[str, str]) -> str:
    joins = [f"@join__enumValue(graph: {graphs[one]})" for one in subgraphs]
    return _description(marks, "  ") + f"  {value} {' '.join((*joins, *_marks(marks)))}"


def _field(item: MergedField, graphs: Mapping[str, str]) -> str:
    arguments = ", ".join(_argument(one) for one in item.arguments)
    text = f"  {item.name}({arguments}): {item.type}" if arguments else f"  {item.name}: {item.type}"
    directives = [*_joins(item.joins, graphs), *_marks(item.marks)]
    return _description(item.marks, "  ") + " ".join((text, *directives))


def _argument(item: MergedInput) -> str:
    described = f"{_quote(item.marks.description)} " if item.marks.description else ""
    default = f" = {item.default}" if item.default is not None else ""
    return " ".join((f"{described}{item.name}: {item.type}{default}", *_marks(item.marks)))


def _input(item: MergedInput, graphs: Mapping[str, str]) -> str:
    default = f" = {item.default}" if item.default is not None else ""
    return " ".join((f"{item.name}: {item.type}{default}", *_joins(item.joins, graphs), *_marks(item.marks)))


def _joins(joins: Sequence[JoinArguments], graphs: Mapping[str, str]) -> list[str]:
    out = []
    for join in joins:
        arguments = [f"graph: {graphs[join.subgraph]}"] if join.subgraph else []
        for name, value in (("requires", join.requires), ("provides", join.provides), ("type", join.type)):
            arguments += [f"{name}: {_quote(value)}"] if value else []
        arguments += ["external: true"] if join.external else []
        arguments += [f"override: {_quote(join.override)}"] if join.override else []
        arguments += ["usedOverridden: true"] if join.used_overridden else []
        out.append(f"@join__field({', '.join(arguments)})" if arguments else "@join__field")
    return out
