"""Merges all types of all subgraphs into one MergedSchema.

Fields, inputs, metadata and directives have their own modules; this one decides kinds, joins and interfaces.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from graphql import print_ast
from graphql.language import NameNode, ObjectTypeDefinitionNode

from gateway.compose.diagnostics import Report
from gateway.compose.field_sets import implementations, mentioned_fields, used_fields
from gateway.compose.merge.composed import compose_directives
from gateway.compose.merge.consistency import hint_inconsistencies
from gateway.compose.merge.contexts import context_name
from gateway.compose.merge.executable import executable_directives
from gateway.compose.merge.fields import FieldMerger, Side
from gateway.compose.merge.inputs import merge_enum, merge_input_fields
from gateway.compose.merge.metadata import merge_metadata
from gateway.compose.merge.names import carried_names
from gateway.compose.merge.requirements import check_requirements
from gateway.compose.merged import JoinArguments, MergedField, MergedSchema, MergedType
from gateway.compose.model import ROOT_NAMES, Metadata, SubgraphSchema, TypeDef
from gateway.federation.field_set import print_field_set
from gateway.supergraph.model import Kind

Sides = Sequence[tuple[SubgraphSchema, TypeDef]]


def merge_schema(schemas: Sequence[SubgraphSchema], report: Report) -> MergedSchema:
    """Return the merged schema of all subgraphs; callers use it only if the report has no errors."""
    composed = compose_directives(schemas, report)
    executable = dict(executable_directives(schemas, composed.names, report))
    merger = _Merger(schemas, composed.names | executable.keys(), report)
    types = {name: merger.type(name, sides) for name, sides in merger.sides.items()}
    types = _with_interface_object_fields(types, schemas)
    _check_interfaces(types, report)
    check_requirements(types, schemas, report)
    _check_interface_entities(types, schemas, report)
    roots: dict[str, str] = {
        kind: name for kind, name in ROOT_NAMES.items() if name in types and types[name].fields
    }
    if "query" not in roots:
        report.error("NO_QUERIES", "expected a query in at least one subgraph, found none")
    names = carried_names(schemas, report)
    hint_inconsistencies(merger.sides, merger.used_in, merger.used_out, report)
    metadata = merge_metadata("the schema", [(schema.name, schema.metadata) for schema in schemas], report)
    return MergedSchema(types, roots, tuple(executable.values()), composed, names, metadata)


def with_query(schema: SubgraphSchema) -> SubgraphSchema:
    """Return the schema with a query root, added if missing.

    Routers send `_entities` to a subgraph only if its query root exists in the supergraph.
    """
    query = ROOT_NAMES["query"]
    if query in schema.types:
        return schema
    empty = TypeDef(query, "object", Metadata(), ObjectTypeDefinitionNode(name=NameNode(value=query)))
    return replace(schema, types={**schema.types, query: empty})


class _Merger:
    """Merges the types of all subgraphs. `sides`: for each type the subgraphs that define it.

    `directives`: the names of the directives that the supergraph defines; types of their arguments count as
    used.
    """

    def __init__(
        self, schemas: Sequence[SubgraphSchema], directives: Collection[str], report: Report
    ) -> None:
        self.schemas = schemas
        self.report = report
        self.sides: dict[str, list[tuple[SubgraphSchema, TypeDef]]] = {}
        for schema in schemas:
            for name, item in with_query(schema).types.items():
                self.sides.setdefault(name, []).append((schema, item))
        self.used_in, self.used_out = _usage(schemas, directives)
        self.fields = FieldMerger(
            self.is_subtype,
            _used(schemas),
            _provided(schemas),
            frozenset(one.name for one in schemas),
            _interface_objects(schemas),
            report,
        )

    def is_subtype(self, name: str, other: str) -> bool:
        """Return whether `name` is `other`, or a subtype of it in any subgraph."""
        if name == other:
            return True
        for schema in self.schemas:
            above, below = schema.types.get(other), schema.types.get(name)
            if above and name in above.members:
                return True
            if below and other in below.interfaces:
                return True
        return False

    def type(self, name: str, sides: Sides) -> MergedType:
        """Return the merged type of all subgraphs that define it."""
        kind = self.kind(name, sides)
        merged = MergedType(
            name=name,
            kind=kind,
            metadata=merge_metadata(
                name, [(schema.name, item.metadata) for schema, item in sides], self.report
            ),
            subgraphs=tuple(schema.name for schema, _ in sides),
            joins=tuple(join for schema, item in sides for join in _type_joins(schema, item)),
            contexts=tuple(context_name(schema.name, one) for schema, item in sides for one in item.contexts),
        )
        self.check_base(name, sides)
        if len({_merged_kind(item) for _, item in sides}) > 1:
            return merged  # the reported error would only cause further ones
        if kind in ("object", "interface"):
            return replace(
                merged, fields=self.fields.merge(name, sides), interfaces=_by_subgraph(sides, "interfaces")
            )
        if kind == "input":
            given = [(schema, item.inputs) for schema, item in sides]
            return replace(merged, inputs=merge_input_fields(name, given, self.report))
        if kind == "enum":
            values = merge_enum(name, sides, name in self.used_in, name in self.used_out, self.report)
            return replace(merged, values=values)
        return replace(merged, members=_by_subgraph(sides, "members")) if kind == "union" else merged

    def check_base(self, name: str, sides: Sides) -> None:
        """Report a type that every subgraph only extends. Root types need no definition."""
        if not any(item.base for _, item in sides) and name not in ROOT_NAMES.values():
            names = ", ".join(schema.name for schema, _ in sides)
            message = f"{name} is only extended (in {names}); define it in one subgraph"
            self.report.error("EXTENSION_WITH_NO_BASE", message, coordinate=name)

    def kind(self, name: str, sides: Sides) -> Kind:
        """Return the merged kind of a type; report it if subgraphs differ.

        An @interfaceObject counts as interface.
        """
        kinds = {_merged_kind(item): schema.name for schema, item in sides}
        if len(kinds) > 1:
            shown = ", ".join(f"{kind} in {schema}" for kind, schema in kinds.items())
            self.report.error(
                "TYPE_KIND_MISMATCH", f"{name} is {shown}", coordinate=name, node=sides[0][1].node
            )
        return next(iter(kinds))


def _merged_kind(item: TypeDef) -> Kind:
    return "interface" if item.interface_object else item.kind


def _type_joins(schema: SubgraphSchema, item: TypeDef) -> list[tuple[str, str]]:
    extra = ", isInterfaceObject: true" if item.interface_object else ""
    if not item.keys:
        return [(schema.name, extra)]
    joins = []
    for key in item.keys:
        text = f', key: "{print_field_set(key.fields or ())}"'
        text += ", extension: true" if key.extension and schema.federation is not None else ""
        text += "" if key.resolvable else ", resolvable: false"
        joins.append((schema.name, text + extra))
    return list(dict.fromkeys(joins))


def _by_subgraph(sides: Sides, attribute: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found: dict[str, list[str]] = {}
    for schema, item in sides:
        for name in getattr(item, attribute):
            found.setdefault(name, []).append(schema.name)
    return tuple((name, tuple(subgraphs)) for name, subgraphs in found.items())


def _used(schemas: Iterable[SubgraphSchema]) -> frozenset[tuple[str, str, str]]:
    """Return (subgraph, type, field) of each field that is in a field set or an interface of the subgraph."""
    return frozenset(
        (schema.name, parent, name) for schema in schemas for parent, name in mentioned_fields(schema)
    )


def _provided(schemas: Iterable[SubgraphSchema]) -> frozenset[tuple[str, str, str]]:
    """Return (subgraph, type, field) of each field in a @provides of the same subgraph.

    A field of an interface also adds those of the implementing types.
    """
    found: set[tuple[str, str, str]] = set()
    for schema in schemas:
        for field in (one for item in schema.types.values() for one in item.fields.values()):
            for parent, one, _ in used_fields(schema, field.type_name, field.provides or ()):
                found.add((schema.name, parent, one.name))
                found.update(
                    (schema.name, name, one.name) for name, _ in implementations(schema, parent, one.name)
                )
    return frozenset(found)


def _interface_objects(schemas: Iterable[SubgraphSchema]) -> dict[tuple[str, str], list[Side]]:
    """Return the sides (subgraph, type, field) of the fields that an @interfaceObject resolves.

    The keys are (name of the interface, name of the field).
    """
    found: dict[tuple[str, str], list[Side]] = {}
    for schema in schemas:
        for item in schema.types.values():
            for one in item.fields.values() if item.interface_object else ():
                if not one.external:
                    found.setdefault((item.name, one.name), []).append((schema, item, one))
    return found


def _usage(schemas: Iterable[SubgraphSchema], directives: Collection[str]) -> tuple[set[str], set[str]]:
    """Return the names of the types that are used as input, and of those used as output.

    Arguments of the directives named in `directives` count as input.
    """
    inputs: set[str] = set()
    outputs: set[str] = set()
    for schema in schemas:
        for node in (node for name, node in schema.directives.items() if name in directives):
            inputs.update(print_ast(argument.type).strip("[]!") for argument in node.arguments or ())
        for item in schema.types.values():
            inputs.update(one.type.strip("[]!") for one in item.inputs.values())
            for one in item.fields.values():
                outputs.add(one.type_name)
                inputs.update(argument.type.strip("[]!") for argument in one.arguments.values())
    return inputs, outputs


def _with_interface_object_fields(
    types: Mapping[str, MergedType], schemas: Sequence[SubgraphSchema]
) -> dict[str, MergedType]:
    """Return the types; object types also get the fields that their interface has only from an
    @interfaceObject.
    """
    out = dict(types)
    for schema in schemas:
        for item in schema.types.values():
            if not item.interface_object or item.name not in types:
                continue
            fields = {one.name: one for one in types[item.name].fields}
            for name, implementation in out.items():
                if implementation.kind != "object" or item.name not in dict(implementation.interfaces):
                    continue
                have = {one.name for one in implementation.fields}
                added = tuple(
                    MergedField(one.name, one.type, one.arguments, one.metadata, (JoinArguments(None),))
                    for key, one in fields.items()
                    if key in item.fields and key not in have
                )
                out[name] = replace(implementation, fields=(*implementation.fields, *added))
    return out


def _check_interfaces(types: Mapping[str, MergedType], report: Report) -> None:
    """Report an object type that has a field of its interface in no subgraph."""
    for item in types.values():
        if item.kind != "object":
            continue
        have = {one.name for one in item.fields}
        for interface, _ in item.interfaces:
            above = types.get(interface)
            for one in above.fields if above else ():
                if one.name not in have:
                    message = (
                        f"{item.name} implements {interface}, but has its field {one.name} in no subgraph"
                    )
                    report.error("INTERFACE_FIELD_NO_IMPLEM", message, coordinate=f"{item.name}.{one.name}")


def _check_interface_entities(
    types: Mapping[str, MergedType], schemas: Sequence[SubgraphSchema], report: Report
) -> None:
    """Report interface entities that are incomplete.

    A subgraph with a @key on an interface must have all implementing types. An @interfaceObject must be an
    interface in another subgraph, and its subgraph must have no implementing type.
    """
    for schema in schemas:
        for item in schema.types.values():
            merged = types.get(item.name)
            if merged is None or merged.kind != "interface" or schema.federation is None:
                continue
            members = {
                one.name
                for one in types.values()
                if item.name in dict(one.interfaces) and one.kind == "object"
            }
            where = {"subgraph": schema.name, "coordinate": item.name}
            if item.kind == "interface" and any(key.resolvable for key in item.keys):
                if lacking := sorted(members - set(schema.types)):
                    message = (
                        f"{item.name} has a @key here, but its implementation {', '.join(lacking)} is missing"
                    )
                    report.error(
                        "INTERFACE_KEY_MISSING_IMPLEMENTATION_TYPE", message, node=item.node, **where
                    )
            elif item.interface_object:
                if known := sorted(members & set(schema.types)):
                    shown = ", ".join(known)
                    message = f"{item.name} is an @interfaceObject here, beside its implementation {shown}"
                    report.error("INTERFACE_OBJECT_USAGE_ERROR", message, node=item.node, **where)
                elif not any(o.types[item.name].kind == "interface" for o in schemas if item.name in o.types):
                    message = f"{item.name} is an @interfaceObject, but no subgraph has it as an interface"
                    report.error("INTERFACE_OBJECT_USAGE_ERROR", message, node=item.node, **where)
