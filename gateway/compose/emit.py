"""Writes the merged schema as supergraph SDL, with the join and link specs (join v0.3 to v0.5).

Apollo's tools and other routers can load it. `emit_specs` writes the parts that do not depend on the types.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.compose.emit_specs import definitions, schema_head, spec_types
from gateway.compose.merged import (
    JoinArguments,
    MergedContextArgument,
    MergedField,
    MergedInput,
    MergedMetadata,
    MergedSchema,
    MergedType,
)
from gateway.compose.model import Application, SubgraphSchema
from gateway.supergraph.scalars import SCALARS

BUILT_IN = frozenset(SCALARS)


def emit(merged: MergedSchema, schemas: Sequence[SubgraphSchema]) -> str:
    """Return the supergraph SDL. Types are sorted by name, so that equal input gives equal text."""
    writer = _SdlWriter(graph_names([schema.name for schema in schemas]), merged.names)
    types = [merged.types[name] for name in sorted(merged.types) if name not in BUILT_IN]
    body = "\n".join(writer.type(item) for item in types)
    on_schema = [writer.routed(schema.name, one) for schema in schemas for one in schema.routed]
    on_schema += writer.metadata(merged.metadata)
    text = "\n".join((body, *on_schema))
    head = _description(merged.metadata, "") + schema_head(merged, text, on_schema)
    enum = writer.graph_enum(schemas)
    return "\n".join((head, *definitions(merged, text), enum, *spec_types(merged, text), body))


def graph_names(names: Iterable[str]) -> dict[str, str]:
    """Return the name of each subgraph in the enum join__Graph, by the subgraph's name.

    It is in upper case, with other characters as "_": "my-books" gives MY_BOOKS. If another subgraph has that
    name already, a number is appended.
    """
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


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    escaped = re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\u{ord(match[0]):04x}", escaped)
    return f'"{escaped}"'


def _description(metadata: MergedMetadata, indent: str) -> str:
    return f"{indent}{_quote(metadata.description)}\n" if metadata.description else ""


@dataclass(frozen=True, slots=True)
class _SdlWriter:
    """Writes elements as SDL.

    `graphs`: the subgraphs' names in the enum join__Graph. `names`: the local names of federation directives,
    by canonical name.
    """

    graphs: Mapping[str, str]
    names: Mapping[str, str]

    def graph_enum(self, schemas: Sequence[SubgraphSchema]) -> str:
        """Return the enum join__Graph: the subgraphs with their names and URLs."""
        lines = [
            f"  {self.graphs[one.name]} @join__graph(name: {_quote(one.name)}, url: {_quote(one.url)})"
            for one in schemas
        ]
        return "enum join__Graph {\n" + "\n".join(lines) + "\n}\n"

    def routed(self, subgraph: str, one: Application) -> str:
        """Return a directive that is specific to one subgraph, as @join__directive."""
        arguments = ", ".join(f"{name}: {value}" for name, value in one.arguments)
        args = f", args: {{{arguments}}}" if arguments else ""
        return f"@join__directive(graphs: [{self.graphs[subgraph]}], name: {_quote(one.name)}{args})"

    def metadata(self, metadata: MergedMetadata) -> list[str]:
        """Return the directives of an element, @tag and @deprecated included."""
        out = [self.routed(subgraph, one) for subgraph, one in metadata.routed]
        out += [f"@{self.names.get('tag', 'tag')}(name: {_quote(tag)})" for tag in metadata.tags]
        if metadata.inaccessible:
            out.append(f"@{self.names.get('inaccessible', 'inaccessible')}")
        if metadata.deprecated is not None:
            out.append(f"@deprecated(reason: {_quote(metadata.deprecated)})")
        if metadata.specified_by:
            out.append(f"@specifiedBy(url: {_quote(metadata.specified_by)})")
        if metadata.one_of:
            out.append("@oneOf")
        for one in metadata.applied:
            name = self.names.get(one.name, one.local) if one.spec else one.local
            arguments = ", ".join(f"{key}: {value}" for key, value in one.arguments)
            out.append(f"@{name}({arguments})" if arguments else f"@{name}")
        return out

    def type(self, item: MergedType) -> str:
        """Return a type definition."""
        word = {"object": "type", "input": "input"}.get(item.kind, item.kind)
        interfaces = (
            f" implements {' & '.join(name for name, _ in item.interfaces)}" if item.interfaces else ""
        )
        directives = [f"@join__type(graph: {self.graphs[name]}{rest})" for name, rest in item.joins]
        for interface, subgraphs in item.interfaces:
            directives += [
                f'@join__implements(graph: {self.graphs[one]}, interface: "{interface}")' for one in subgraphs
            ]
        for member, subgraphs in item.members:
            directives += [
                f'@join__unionMember(graph: {self.graphs[one]}, member: "{member}")' for one in subgraphs
            ]
        directives += [f"@context(name: {_quote(name)})" for name in item.contexts]
        directives += self.metadata(item.metadata)
        head = (
            _description(item.metadata, "") + f"{word} {item.name}{interfaces}\n  " + "\n  ".join(directives)
        )
        if item.kind == "union":
            return f"{head}\n = {' | '.join(member for member, _ in item.members)}\n"
        lines = [self.field(one) for one in item.fields]
        lines += [_description(one.metadata, "  ") + f"  {self.input(one)}" for one in item.inputs]
        lines += [self.value(value, metadata, subgraphs) for value, metadata, subgraphs in item.values]
        return f"{head}\n{{\n" + "\n".join(lines) + "\n}\n" if lines else f"{head}\n"

    def value(self, value: str, metadata: MergedMetadata, subgraphs: Sequence[str]) -> str:
        """Return the line of an enum value."""
        joins = [f"@join__enumValue(graph: {self.graphs[one]})" for one in subgraphs]
        return _description(metadata, "  ") + f"  {value} {' '.join((*joins, *self.metadata(metadata)))}"

    def field(self, item: MergedField) -> str:
        """Return the line of a field of an object or interface."""
        arguments = ", ".join(self.argument(one) for one in item.arguments)
        text = f"  {item.name}({arguments}): {item.type}" if arguments else f"  {item.name}: {item.type}"
        return _description(item.metadata, "  ") + " ".join(
            (text, *self.joins(item.joins), *self.metadata(item.metadata))
        )

    def argument(self, item: MergedInput) -> str:
        """Return an argument with its description and default."""
        described = f"{_quote(item.metadata.description)} " if item.metadata.description else ""
        default = f" = {item.default}" if item.default is not None else ""
        return " ".join((f"{described}{item.name}: {item.type}{default}", *self.metadata(item.metadata)))

    def input(self, item: MergedInput) -> str:
        """Return the line of an input field."""
        default = f" = {item.default}" if item.default is not None else ""
        return " ".join(
            (f"{item.name}: {item.type}{default}", *self.joins(item.joins), *self.metadata(item.metadata))
        )

    def joins(self, joins: Sequence[JoinArguments]) -> list[str]:
        """Return the @join__field directives of a field."""
        out = []
        for join in joins:
            arguments = [f"graph: {self.graphs[join.subgraph]}"] if join.subgraph else []
            for name, value in (
                ("requires", join.requires),
                ("provides", join.provides),
                ("type", join.type),
            ):
                arguments += [f"{name}: {_quote(value)}"] if value else []
            arguments += ["external: true"] if join.external else []
            arguments += [f"override: {_quote(join.override)}"] if join.override else []
            arguments += ["usedOverridden: true"] if join.used_overridden else []
            arguments += [f"overrideLabel: {_quote(join.label)}"] if join.label is not None else []
            if join.contexts:
                arguments.append(f"contextArguments: [{', '.join(_context(one) for one in join.contexts)}]")
            out.append(f"@join__field({', '.join(arguments)})" if arguments else "@join__field")
        return out


def _context(one: MergedContextArgument) -> str:
    pairs = (("context", one.context), ("name", one.name), ("type", one.type), ("selection", one.selection))
    return "{" + ", ".join(f"{name}: {_quote(value)}" for name, value in pairs) + "}"
