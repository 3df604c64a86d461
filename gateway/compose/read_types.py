"""The type definitions and extensions of one subgraph become TypeDefs, with federation's directives read off them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from graphql import print_ast
from graphql.language import (
    BooleanValueNode,
    ConstDirectiveNode,
    DefinitionNode,
    EnumTypeDefinitionNode,
    EnumTypeExtensionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputObjectTypeExtensionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    InterfaceTypeExtensionNode,
    Node,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    StringValueNode,
    TypeDefinitionNode,
    TypeExtensionNode,
    UnionTypeDefinitionNode,
    UnionTypeExtensionNode,
)
from graphql.language.ast import ConstValueNode

from gateway.compose.diagnostics import Report
from gateway.compose.model import FieldDef, InputValue, KeyDef, Marks, TypeDef
from gateway.federation.field_set import FieldSet, parse_field_set, top_fields
from gateway.federation.spec import UNSUPPORTED
from gateway.supergraph.features import arguments_of, text
from gateway.supergraph.model import Kind

Composite = (
    ObjectTypeDefinitionNode | ObjectTypeExtensionNode | InterfaceTypeDefinitionNode | InterfaceTypeExtensionNode
)
TypeNode = TypeDefinitionNode | TypeExtensionNode


@dataclass(frozen=True, slots=True)
class Applied:
    """A directive as applied, under its canonical name."""

    name: str
    arguments: Mapping[str, ConstValueNode]
    node: Node

    def text(self, name: str) -> str | None:
        """A string argument."""
        return text(self.arguments.get(name))


def kind_of(node: TypeNode) -> Kind:
    """The kind of a definition or extension."""
    words = type(node).__name__
    for start, kind in _KINDS.items():
        if words.startswith(start):
            return kind
    raise AssertionError(words)


_KINDS: Mapping[str, Kind] = {
    "Object": "object",
    "Interface": "interface",
    "Union": "union",
    "Enum": "enum",
    "InputObject": "input",
    "Scalar": "scalar",
}


def read_types(
    subgraph: str, nodes: Iterable[DefinitionNode], names: Mapping[str, str], modern: bool, report: Report
) -> dict[str, TypeDef]:
    """All types of a subgraph. `names`: local directive names to canonical ones; `modern`: it links Federation 2."""
    reader = _Reader(subgraph, names, modern, report)
    types: dict[str, TypeDef] = {}
    for node in nodes:
        if isinstance(node, TypeDefinitionNode | TypeExtensionNode):
            item = reader.type(node)
            types[item.name] = _joined(types[item.name], item) if item.name in types else item
    return {name: reader.settled(item) for name, item in types.items()}


def _joined(one: TypeDef, other: TypeDef) -> TypeDef:
    base, more = (one, other) if one.base else (other, one)
    marks = replace(
        base.marks,
        inaccessible=one.marks.inaccessible or other.marks.inaccessible,
        tags=tuple(dict.fromkeys((*one.marks.tags, *other.marks.tags))),
    )
    return replace(
        base,
        marks=marks,
        fields={**base.fields, **more.fields},
        inputs={**base.inputs, **more.inputs},
        values={**base.values, **more.values},
        members=(*base.members, *more.members),
        interfaces=(*base.interfaces, *more.interfaces),
        keys=(*base.keys, *more.keys),
        interface_object=one.interface_object or other.interface_object,
        base=one.base or other.base,
    )


class _Reader:
    def __init__(self, subgraph: str, names: Mapping[str, str], modern: bool, report: Report) -> None:
        self.subgraph = subgraph
        self.names = names
        self.modern = modern
        self.report = report

    def applied(self, node: Node) -> list[Applied]:
        """The directives on an element, by canonical name; those of other specs under their own."""
        directives: Iterable[ConstDirectiveNode] = getattr(node, "directives", None) or ()
        for item in directives:
            if (name := self.names.get(item.name.value, "")) in UNSUPPORTED:
                message = f"@{name} can't be composed by this version: it would not be enforced"
                self.report.error("UNSUPPORTED_LINKED_FEATURE", message, subgraph=self.subgraph, node=item)
        return [
            Applied(self.names.get(item.name.value, item.name.value), arguments_of(item), item) for item in directives
        ]

    def marks(self, node: Node, directives: list[Applied]) -> Marks:
        """What any element can carry."""
        description = getattr(node, "description", None)
        deprecated = next((one for one in directives if one.name == "deprecated"), None)
        return Marks(
            description=description.value if description else None,
            deprecated=(deprecated.text("reason") or "No longer supported") if deprecated else None,
            inaccessible=any(one.name == "inaccessible" for one in directives),
            tags=tuple(one.text("name") or "" for one in directives if one.name == "tag"),
            specified_by=next((one.text("url") for one in directives if one.name == "specifiedBy"), None),
            one_of=any(one.name == "oneOf" for one in directives),
        )

    def type(self, node: TypeNode) -> TypeDef:
        """One definition or extension."""
        directives = self.applied(node)
        found = {one.name for one in directives}
        extension = isinstance(node, TypeExtensionNode) or "extends" in found
        item = TypeDef(node.name.value, kind_of(node), self.marks(node, directives), node, base=not extension)
        if isinstance(node, Composite):
            shared, external = "shareable" in found, "external" in found
            fields = (self.field(child, item.name, shared, external) for child in node.fields or ())
            return replace(
                item,
                fields={one.name: one for one in fields},
                interfaces=tuple(one.name.value for one in node.interfaces or ()),
                keys=tuple(self.key(one, item.name, extension) for one in directives if one.name == "key"),
                interface_object="interfaceObject" in found,
            )
        if isinstance(node, UnionTypeDefinitionNode | UnionTypeExtensionNode):
            return replace(item, members=tuple(one.name.value for one in node.types or ()))
        if isinstance(node, EnumTypeDefinitionNode | EnumTypeExtensionNode):
            return replace(
                item, values={one.name.value: self.marks(one, self.applied(one)) for one in node.values or ()}
            )
        if isinstance(node, InputObjectTypeDefinitionNode | InputObjectTypeExtensionNode):
            return replace(item, inputs={one.name.value: self.input(one) for one in node.fields or ()})
        return item

    def input(self, node: InputValueDefinitionNode) -> InputValue:
        """An argument or input field."""
        default = print_ast(node.default_value) if node.default_value else None
        return InputValue(node.name.value, print_ast(node.type), default, self.marks(node, self.applied(node)), node)

    def field(self, node: FieldDefinitionNode, parent: str, shared: bool, external: bool) -> FieldDef:
        """A field with its federation directives; some hold for all fields of the type."""
        directives = self.applied(node)
        found = {one.name: one for one in directives}
        coordinate = f"{parent}.{node.name.value}"
        if "override" in found and "label" in found["override"].arguments:
            message = f"@override on {coordinate} has a label; progressive overrides can't be planned by this version"
            where = {"subgraph": self.subgraph, "coordinate": coordinate}
            self.report.error("UNSUPPORTED_LINKED_FEATURE", message, node=node, **where)
        return FieldDef(
            name=node.name.value,
            type=print_ast(node.type),
            arguments={one.name.value: self.input(one) for one in node.arguments or ()},
            marks=self.marks(node, directives),
            node=node,
            external=external or "external" in found,
            shareable=shared or "shareable" in found,
            requires=self.field_set(found["requires"], coordinate, "REQUIRES") if "requires" in found else None,
            provides=self.field_set(found["provides"], coordinate, "PROVIDES") if "provides" in found else None,
            override=found["override"].text("from") if "override" in found else None,
        )

    def key(self, directive: Applied, type_name: str, extension: bool) -> KeyDef:
        """One @key."""
        resolvable = directive.arguments.get("resolvable")
        flag = not (isinstance(resolvable, BooleanValueNode) and not resolvable.value)
        return KeyDef(self.field_set(directive, type_name, "KEY"), flag, directive.node, extension)

    def field_set(self, directive: Applied, coordinate: str, prefix: str) -> FieldSet | None:
        """The `fields` argument, read; a problem is reported where it can't be."""
        value = directive.arguments.get("fields")
        where = {"subgraph": self.subgraph, "coordinate": coordinate}
        if not isinstance(value, StringValueNode):
            message = f"the fields of @{directive.name} on {coordinate} must be a string"
            self.report.error(f"{prefix}_INVALID_FIELDS_TYPE", message, node=directive.node, **where)
            return None
        try:
            return parse_field_set(value.value)
        except ValueError as error:
            message = f'the fields "{value.value}" of @{directive.name} on {coordinate} can\'t be read: {error}'
            self.report.error(f"{prefix}_INVALID_FIELDS", message, node=directive.node, **where)
            return None

    def settled(self, item: TypeDef) -> TypeDef:
        """What follows from the whole type: key fields are shareable, Federation 1 shares everything and knows its keys."""
        keyed = {one.name for key in item.keys if key.fields for one in top_fields(key.fields)}
        extended = {one.name for key in item.keys if key.fields and key.extension for one in top_fields(key.fields)}
        fields = {}
        for name, one in item.fields.items():
            shareable = one.shareable or name in keyed or not self.modern
            # the key of an extended type is @external by custom, and known all the same
            external = one.external and name not in extended
            fields[name] = replace(one, shareable=shareable, external=external)
        return replace(item, fields=fields)
