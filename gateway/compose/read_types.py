"""Reads the type definitions and extensions of one subgraph, with their directives, into TypeDefs.

Used by `ingest`. Names of federation's directives become canonical here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from graphql import print_ast
from graphql.language import (
    BooleanValueNode,
    ConstDirectiveNode,
    DefinitionNode,
    EnumTypeDefinitionNode,
    EnumTypeExtensionNode,
    EnumValueNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputObjectTypeExtensionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    InterfaceTypeExtensionNode,
    ListValueNode,
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
from gateway.compose.model import Application, FieldDef, InputValue, KeyDef, Metadata, TypeDef
from gateway.federation.carried import CARRIED
from gateway.federation.field_set import (
    FieldSet,
    FieldSetField,
    parse_field_set,
    top_fields,
    with_default_type_names,
)
from gateway.supergraph.features import arguments_of, text
from gateway.supergraph.model import Kind

Composite = (
    ObjectTypeDefinitionNode
    | ObjectTypeExtensionNode
    | InterfaceTypeDefinitionNode
    | InterfaceTypeExtensionNode
)
TypeNode = TypeDefinitionNode | TypeExtensionNode
Defaults = tuple[tuple[str, str], ...]
_BUILT_IN = frozenset({"deprecated", "specifiedBy", "oneOf"})


@dataclass(frozen=True, slots=True)
class AppliedDirective:
    """A directive on an element. `name`: canonical for directives of GraphQL and federation, "" for others.

    `local`: the name in the SDL.
    """

    name: str
    local: str
    arguments: Mapping[str, ConstValueNode]
    node: Node

    def text(self, name: str) -> str | None:
        """Return the value of a string argument; None if it is missing or not a string."""
        return text(self.arguments.get(name))

    def application(
        self, name: str, *, spec: bool, repeatable: bool = False, defaults: Defaults = ()
    ) -> Application:
        """Return the directive as an Application, for the supergraph."""
        arguments = tuple((key, print_ast(value)) for key, value in self.arguments.items())
        return Application(name, self.local, arguments, spec, repeatable, defaults)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """How to read the directives of one subgraph.

    - `names`: the canonical name of each federation directive, by its local name.
    - `modern`: whether the subgraph uses Federation 2.
    - `custom`: the directives of @composeDirective; the value is whether the directive is repeatable.
    - `routed`: the local names of the connect spec's directives.
    - `usual`: the default names of root types that have other names in the SDL.
    - `defaults`: for each directive, pairs of an argument and its default as GraphQL text.
    """

    subgraph: str
    names: Mapping[str, str]
    modern: bool
    custom: Mapping[str, bool]
    routed: frozenset[str]
    usual: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Defaults] = field(default_factory=dict)


def kind_of(node: TypeNode) -> Kind:
    """Return the kind of a type definition or extension: "object", "interface", "union", ..."""
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


def read_types(nodes: Iterable[DefinitionNode], vocabulary: Vocabulary, report: Report) -> dict[str, TypeDef]:
    """Return all types of a subgraph by name, each with its extensions."""
    reader = TypeReader(vocabulary, report)
    types: dict[str, TypeDef] = {}
    for node in nodes:
        if isinstance(node, TypeDefinitionNode | TypeExtensionNode):
            item = reader.type(node)
            types[item.name] = _joined(types[item.name], item) if item.name in types else item
    return {name: reader.settled(item) for name, item in types.items()}


def read_schema_metadata(nodes: Iterable[Node], vocabulary: Vocabulary, report: Report) -> Metadata:
    """Return the description and the tags of the schema definition and its extensions."""
    reader = TypeReader(vocabulary, report)
    metadata = [reader.metadata(node, reader.applied(node)) for node in nodes]
    return Metadata(
        description=next((one.description for one in metadata if one.description), None),
        tags=tuple(dict.fromkeys(tag for one in metadata for tag in one.tags)),
    )


def _joined(one: TypeDef, other: TypeDef) -> TypeDef:
    base, more = (one, other) if one.base else (other, one)
    metadata = replace(
        base.metadata,
        inaccessible=one.metadata.inaccessible or other.metadata.inaccessible,
        tags=tuple(dict.fromkeys((*one.metadata.tags, *other.metadata.tags))),
        applied=tuple(dict.fromkeys((*one.metadata.applied, *other.metadata.applied))),
        routed=tuple(dict.fromkeys((*one.metadata.routed, *other.metadata.routed))),
    )
    return replace(
        base,
        metadata=metadata,
        fields={**base.fields, **more.fields},
        inputs={**base.inputs, **more.inputs},
        values={**base.values, **more.values},
        members=(*base.members, *more.members),
        interfaces=(*base.interfaces, *more.interfaces),
        keys=(*base.keys, *more.keys),
        interface_object=one.interface_object or other.interface_object,
        base=one.base or other.base,
        extends=one.extends or other.extends,
        contexts=(*base.contexts, *more.contexts),
    )


class TypeReader:
    """Reads the elements of one subgraph and reports what is wrong with their directives."""

    def __init__(self, vocabulary: Vocabulary, report: Report) -> None:
        self.vocabulary = vocabulary
        self.subgraph = vocabulary.subgraph
        self.report = report

    def applied(self, node: Node) -> list[AppliedDirective]:
        """Return the directives of an element, with their canonical names."""
        directives: Iterable[ConstDirectiveNode] = getattr(node, "directives", None) or ()
        found = []
        for item in directives:
            local = item.name.value
            name = self.vocabulary.names.get(local) or (local if local in _BUILT_IN else "")
            found.append(AppliedDirective(name, local, arguments_of(item), item))
        return found

    def metadata(self, node: Node, directives: list[AppliedDirective]) -> Metadata:
        """Return the metadata of an element. `directives`: those of the element, from `applied`."""
        description = getattr(node, "description", None)
        deprecated = next((one for one in directives if one.name == "deprecated"), None)
        return Metadata(
            description=description.value if description else None,
            deprecated=(deprecated.text("reason") or "No longer supported") if deprecated else None,
            inaccessible=any(one.name == "inaccessible" for one in directives),
            tags=tuple(one.text("name") or "" for one in directives if one.name == "tag"),
            specified_by=next((one.text("url") for one in directives if one.name == "specifiedBy"), None),
            one_of=any(one.name == "oneOf" for one in directives),
            applied=tuple(self.carried(directives)),
            routed=tuple(self.routed(directives)),
        )

    def carried(self, directives: Iterable[AppliedDirective]) -> Iterator[Application]:
        """Yield the directives to merge with those of other subgraphs: federation's and those of
        @composeDirective.

        @tag and @inaccessible have their own fields in Metadata.
        """
        for one in directives:
            if one.name in CARRIED and one.name not in ("tag", "inaccessible"):
                defaults = self.vocabulary.defaults.get(one.local, ())
                yield one.application(one.name, spec=True, defaults=defaults)
            elif not one.name and one.local in self.vocabulary.custom:
                repeatable = self.vocabulary.custom[one.local]
                defaults = self.vocabulary.defaults.get(one.local, ())
                yield one.application(one.local, spec=False, repeatable=repeatable, defaults=defaults)

    def routed(self, directives: Iterable[AppliedDirective]) -> Iterator[Application]:
        """Yield the directives that stay specific to this subgraph: @cacheTag and those of the
        connect spec.
        """
        for one in directives:
            if one.name == "cacheTag":
                yield one.application("federation__cacheTag", spec=True, repeatable=True)
            elif one.local in self.vocabulary.routed:
                yield one.application(one.local, spec=False, repeatable=True)

    def type(self, node: TypeNode) -> TypeDef:
        """Return one type definition or extension as a TypeDef."""
        directives = self.applied(node)
        found = {one.name for one in directives}
        item = TypeDef(
            node.name.value,
            kind_of(node),
            self.metadata(node, directives),
            node,
            base=not isinstance(node, TypeExtensionNode),
            extends="extends" in found,
            contexts=tuple(one.text("name") or "" for one in directives if one.name == "context"),
        )
        self.check_shareable_once(directives, item.name)
        return self.with_members(item, node, directives)

    def with_members(self, item: TypeDef, node: TypeNode, directives: list[AppliedDirective]) -> TypeDef:
        """Return the type with the fields, members, values or input fields of one definition or extension."""
        if isinstance(node, Composite):
            return self.composite(item, node, directives)
        if isinstance(node, UnionTypeDefinitionNode | UnionTypeExtensionNode):
            return replace(item, members=tuple(one.name.value for one in node.types or ()))
        if isinstance(node, EnumTypeDefinitionNode | EnumTypeExtensionNode):
            return replace(
                item,
                values={one.name.value: self.metadata(one, self.applied(one)) for one in node.values or ()},
            )
        if isinstance(node, InputObjectTypeDefinitionNode | InputObjectTypeExtensionNode):
            return replace(item, inputs={one.name.value: self.input(one) for one in node.fields or ()})
        return item

    def composite(self, item: TypeDef, node: Composite, directives: list[AppliedDirective]) -> TypeDef:
        """Return an object or interface with its fields, interfaces and keys."""
        found = {one.name for one in directives}
        extension = item.extends or not item.base
        shared, external = "shareable" in found, "external" in found
        fields = (self.field(child, item.name, shared, external) for child in node.fields or ())
        return replace(
            item,
            fields={one.name: one for one in fields},
            interfaces=tuple(one.name.value for one in node.interfaces or ()),
            keys=tuple(self.key(one, item.name, extension) for one in directives if one.name == "key"),
            interface_object="interfaceObject" in found,
        )

    def input(self, node: InputValueDefinitionNode) -> InputValue:
        """Return an argument or input field."""
        default = print_ast(node.default_value) if node.default_value else None
        directives = self.applied(node)
        context = next((one.text("field") or "" for one in directives if one.name == "fromContext"), None)
        return InputValue(
            node.name.value, print_ast(node.type), default, self.metadata(node, directives), node, context
        )

    def field(self, node: FieldDefinitionNode, parent: str, shared: bool, external: bool) -> FieldDef:
        """Return a field.

        `shared`, `external`: whether its type has @shareable or @external, for all of its fields.
        """
        directives = self.applied(node)
        found = {one.name: one for one in directives}
        coordinate = f"{parent}.{node.name.value}"
        self.check_shareable_once(directives, coordinate)
        return FieldDef(
            name=node.name.value,
            type=print_ast(node.type),
            arguments={one.name.value: self.input(one) for one in node.arguments or ()},
            metadata=self.metadata(node, directives),
            node=node,
            external=external or "external" in found,
            shareable=shared or "shareable" in found,
            requires=self.field_set(found["requires"], coordinate, "REQUIRES")
            if "requires" in found
            else None,
            provides=self.field_set(found["provides"], coordinate, "PROVIDES")
            if "provides" in found
            else None,
            override=found["override"].text("from") if "override" in found else None,
            label=found["override"].text("label") if "override" in found else None,
        )

    def check_shareable_once(self, directives: Iterable[AppliedDirective], coordinate: str) -> None:
        """Report two @shareable on one definition; the directive is repeatable only for a type and its
        extensions.
        """
        found = [one for one in directives if one.name == "shareable"]
        if len(found) > 1:
            message = f"@shareable is repeated on {coordinate}"
            where = {"subgraph": self.subgraph, "coordinate": coordinate}
            self.report.error("INVALID_SHAREABLE_USAGE", message, node=found[1].node, **where)

    def key(self, directive: AppliedDirective, type_name: str, extension: bool) -> KeyDef:
        """Return one @key. `extension`: whether the type is an extension in this subgraph."""
        resolvable = directive.arguments.get("resolvable")
        flag = not (isinstance(resolvable, BooleanValueNode) and not resolvable.value)
        return KeyDef(self.field_set(directive, type_name, "KEY"), flag, directive.node, extension)

    def field_set(self, directive: AppliedDirective, coordinate: str, prefix: str) -> FieldSet | None:
        """Return the field set in the argument `fields`; report an error and return None if it can't be
        parsed.

        `prefix`: the start of the error code: KEY, REQUIRES or PROVIDES.
        """
        value = directive.arguments.get("fields")
        where = {"subgraph": self.subgraph, "coordinate": coordinate}
        if not self.vocabulary.modern:
            value = _lenient_fields(value)
        if not isinstance(value, StringValueNode):
            message = f"the fields of @{directive.name} on {coordinate} must be a string"
            self.report.error(f"{prefix}_INVALID_FIELDS_TYPE", message, node=directive.node, **where)
            return None
        try:
            return with_default_type_names(parse_field_set(value.value), self.vocabulary.usual)
        except ValueError as error:
            message = (
                f'the fields "{value.value}" of @{directive.name} on {coordinate} can\'t be read: {error}'
            )
            self.report.error(f"{prefix}_INVALID_FIELDS", message, node=directive.node, **where)
            return None

    def settled(self, item: TypeDef) -> TypeDef:
        """Return a complete type with the @shareable and @external that follow from its keys.

        Key fields are shareable, and in Federation 1 all fields are. Key fields of an extended type are not
        external.
        """
        keyed = {one.name for key in item.keys if key.fields for one in top_fields(key.fields)}
        extended = {
            one.name for key in item.keys if key.fields and key.extension for one in top_fields(key.fields)
        }
        fields = {}
        for name, one in item.fields.items():
            shareable = one.shareable or name in keyed or not self.vocabulary.modern
            # SDLs mark the key of an extended type as @external, although the subgraph resolves it
            external = one.external and name not in extended
            fields[name] = replace(one, shareable=shareable, external=external)
        return replace(item, fields=fields)


def share_key_fields(types: Mapping[str, TypeDef]) -> dict[str, TypeDef]:
    """Return the types; the fields in nested selections of keys are shareable too (`maker { id }`:

    Maker.id).
    """
    out = dict(types)

    def walk(type_name: str, fields: FieldSet) -> None:
        for one in fields:
            if not isinstance(one, FieldSetField):
                walk(one.type_condition or type_name, one.selections)
                continue
            item = out.get(type_name)
            found = item.fields.get(one.name) if item else None
            if item is None or found is None or item.kind != "object":
                continue
            out[type_name] = replace(item, fields={**item.fields, one.name: replace(found, shareable=True)})
            walk(found.type_name, one.selections)

    for item in types.values():
        for key in item.keys:
            walk(item.name, key.fields or ())
    return out


def _lenient_fields(value: ConstValueNode | None) -> ConstValueNode | None:
    """Return a field set as a string; Federation 1 also allowed a bare name and a list of strings."""
    if isinstance(value, EnumValueNode):
        return StringValueNode(value=value.value)
    if isinstance(value, ListValueNode):
        return StringValueNode(value=" ".join(text(one) or "" for one in value.values))
    return value
