"""Contracts: reduce a supergraph to the elements that some clients may see, chosen by their @tag.

Elements to hide become @inaccessible: clients can't select them, but plans still use them (as keys, say).

Elements with an excluded tag are hidden. If there are included tags, fields of objects and interfaces are
hidden unless the field or its type has one of them. Then types without visible elements, references to hidden
types, and types that no visible element refers to are hidden too.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from graphql import DocumentNode, parse, print_ast
from graphql.language import (
    ConstDirectiveNode,
    DefinitionNode,
    DirectiveDefinitionNode,
    EnumTypeDefinitionNode,
    EnumValueDefinitionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    NameNode,
    Node,
    ObjectTypeDefinitionNode,
    SchemaDefinitionNode,
    TypeDefinitionNode,
    UnionTypeDefinitionNode,
)

from gateway.core.errors import SettingsError, SupergraphError
from gateway.federation.carried import CARRIED
from gateway.supergraph.api_schema import copied
from gateway.supergraph.features import Feature, arguments_of, read_features, text
from gateway.supergraph.load import load_supergraph, parse_supergraph

Composite = ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode
N = TypeVar("N", bound=Node)
C = TypeVar("C", InputValueDefinitionNode, EnumValueDefinitionNode)


def contract(supergraph: str, include: Collection[str] = (), exclude: Collection[str] = ()) -> str:
    """Return the supergraph SDL of a contract, in which elements are hidden by their tags (see the module).

    `include`: the tags of fields to show, () for all. `exclude`: the tags of elements to hide. Raises
    SettingsError BAD_OPTION for a tag that no element of the supergraph has, and SupergraphError when no
    valid schema is left.
    """
    document = parse_supergraph(supergraph)
    features = {feature.name: feature for feature in read_features(document)}
    cutter = _ContractFilter(document, features, frozenset(include), frozenset(exclude))
    cutter.check_tags()
    cutter.cut()
    text = print_ast(cutter.written())
    try:
        load_supergraph(text)
    except SupergraphError as error:
        message = f"the contract has no valid schema: {error.message}; check its tags"
        raise SupergraphError(message, "INVALID_SUPERGRAPH") from error
    return text + "\n"


def _required(node: InputValueDefinitionNode) -> bool:
    return print_ast(node.type).endswith("!") and node.default_value is None


@dataclass(frozen=True, slots=True)
class _Marker:
    """Adds the directive named `directive` to the elements whose coordinates are in `hidden`."""

    directive: str
    hidden: Collection[str]

    def of_type(self, node: TypeDefinitionNode) -> TypeDefinitionNode:
        """Return a type definition in which every hidden element has the directive."""
        name = node.name.value
        if isinstance(node, Composite):
            node = copied(node, fields=tuple(self.of_field(one, name) for one in node.fields or ()))
        elif isinstance(node, InputObjectTypeDefinitionNode):
            node = copied(node, fields=self.children(node.fields, name))
        elif isinstance(node, EnumTypeDefinitionNode):
            node = copied(node, values=self.children(node.values, name))
        return self.marked(node, name)

    def of_field(self, node: FieldDefinitionNode, type_name: str) -> FieldDefinitionNode:
        """Return a field of a type, and its arguments, with the directive where they are hidden."""
        coordinate = f"{type_name}.{node.name.value}"
        arguments = tuple(
            self.marked(one, f"{coordinate}({one.name.value}:)") for one in node.arguments or ()
        )
        return self.marked(copied(node, arguments=arguments), coordinate)

    def children(self, nodes: Iterable[C] | None, type_name: str) -> tuple[C, ...]:
        """Return the input fields or enum values of a type, with the directive where they are hidden."""
        return tuple(self.marked(one, f"{type_name}.{one.name.value}") for one in nodes or ())

    def marked(self, node: N, coordinate: str) -> N:
        """Return an element with the directive; unchanged if it is not hidden or has the directive."""
        present = tuple(getattr(node, "directives", None) or ())
        if coordinate not in self.hidden or any(one.name.value == self.directive for one in present):
            return node
        mark = ConstDirectiveNode(name=NameNode(value=self.directive), arguments=())
        return copied(node, directives=(*present, mark))


@dataclass(slots=True)
class _ContractFilter:
    """Applies one contract to a supergraph's document.

    `hidden`: the coordinates to hide: `Type`, `Type.field`, `Type.field(argument:)` or `Enum.VALUE`.
    """

    document: DocumentNode
    features: dict[str, Feature]
    include: frozenset[str]
    exclude: frozenset[str]
    hidden: set[str] = field(default_factory=set)

    @property
    def types(self) -> dict[str, TypeDefinitionNode]:
        """Return the type definitions by name, without those of linked specs (such as `join__Graph`)."""
        return {
            node.name.value: node
            for node in self.document.definitions
            if isinstance(node, TypeDefinitionNode)
            and not any(feature.owns(node.name.value, False) for feature in self.features.values())
        }

    def tags(self, node: Node) -> frozenset[str]:
        """Return the names in the @tag directives of an element."""
        name = self.features["tag"].local("@tag") if "tag" in self.features else "tag"
        directives = getattr(node, "directives", None) or ()
        return frozenset(
            text(arguments_of(one).get("name")) or "" for one in directives if one.name.value == name
        )

    def check_tags(self) -> None:
        """Raise SettingsError BAD_OPTION for an included or excluded tag that no element has."""
        known = {tag for _, node, _ in self.elements() for tag in self.tags(node)}
        if unknown := sorted((self.include | self.exclude) - known):
            shown = ", ".join(sorted(known)) or "none"
            raise SettingsError(
                f"no element has the tag {', '.join(unknown)}; the supergraph's tags: {shown}", "BAD_OPTION"
            )

    def elements(self) -> Iterator[tuple[str, Node, Node | None]]:
        """Yield (coordinate, node, parent) of every element; the parent of a type is None."""
        for name, item in self.types.items():
            yield name, item, None
            for child in (*getattr(item, "fields", ()), *getattr(item, "values", ())):
                yield f"{name}.{child.name.value}", child, item
                for argument in getattr(child, "arguments", None) or ():
                    yield f"{name}.{child.name.value}({argument.name.value}:)", argument, child

    def cut(self) -> None:
        """Fill `hidden`, first with the elements that their tags hide.

        Then repeat until nothing changes: hide types without visible elements and elements whose type is
        hidden (`follow`), then types that nothing visible refers to (`unreachable`).
        """
        for coordinate, node, owner in self.elements():
            tags = self.tags(node)
            wanted = tags | (self.tags(owner) if owner is not None else frozenset())
            output = isinstance(node, FieldDefinitionNode)
            if tags & self.exclude or (self.include and output and not wanted & self.include):
                self.hidden.add(coordinate)
        while self.follow() or self.unreachable():
            continue

    def follow(self) -> bool:
        """Hide types of which every element is hidden, and elements whose type is hidden.

        A hidden argument or input field that is required also hides its field or input type. Returns whether
        any element was hidden.
        """
        before = len(self.hidden)
        for name, item in self.types.items():
            children = [
                f"{name}.{one.name.value}"
                for one in (*getattr(item, "fields", ()), *getattr(item, "values", ()))
            ]
            members = (
                [one.name.value for one in item.types or ()]
                if isinstance(item, UnionTypeDefinitionNode)
                else []
            )
            if (children and self.hidden.issuperset(children)) or (
                members and self.hidden.issuperset(members)
            ):
                self.hidden.add(name)
        for coordinate, node, _ in self.elements():
            reference = getattr(node, "type", None)
            if reference is not None and print_ast(reference).strip("[]!") in self.hidden:
                self.hidden.add(coordinate)
        for coordinate, node, _ in self.elements():
            if isinstance(node, InputValueDefinitionNode) and coordinate in self.hidden and _required(node):
                self.hidden.add(
                    coordinate.partition("(")[0] if "(" in coordinate else coordinate.partition(".")[0]
                )
        return len(self.hidden) > before

    def unreachable(self) -> bool:
        """Hide types that can't be reached from root types and directives. Returns whether there were any."""
        types = self.types
        waiting = [
            name
            for name in (*self.roots(), *self.of_directives())
            if name in types and name not in self.hidden
        ]
        seen = set(waiting)
        while waiting:
            for name in self.leads_to(waiting.pop(), types):
                if name in types and name not in seen and name not in self.hidden:
                    seen.add(name)
                    waiting.append(name)
        lost = set(types) - seen - self.hidden
        self.hidden |= lost
        return bool(lost)

    def roots(self) -> list[str]:
        """Return the names of the root types."""
        for node in self.document.definitions:
            if isinstance(node, SchemaDefinitionNode):
                return [one.type.name.value for one in node.operation_types]
        return ["Query", "Mutation", "Subscription"]

    def of_directives(self) -> Iterator[str]:
        """Yield the names of the types of directive arguments."""
        for node in self.document.definitions:
            if isinstance(node, DirectiveDefinitionNode):
                yield from (print_ast(argument.type).strip("[]!") for argument in node.arguments or ())

    def leads_to(self, name: str, types: dict[str, TypeDefinitionNode]) -> Iterator[str]:
        """Yield the types that a type refers to.

        These are the types of its visible fields and of their arguments, its union members, its interfaces,
        and the types that implement it.
        """
        item = types[name]
        for child in getattr(item, "fields", ()) or ():
            if f"{name}.{child.name.value}" in self.hidden:
                continue
            yield print_ast(child.type).strip("[]!")
            for argument in getattr(child, "arguments", None) or ():
                yield print_ast(argument.type).strip("[]!")
        if isinstance(item, UnionTypeDefinitionNode):
            yield from (one.name.value for one in item.types or ())
        if isinstance(item, Composite):
            yield from (one.name.value for one in item.interfaces or ())
            for other in types.values():
                if isinstance(other, Composite) and any(
                    one.name.value == name for one in other.interfaces or ()
                ):
                    yield other.name.value

    def written(self) -> DocumentNode:
        """Return the document with @inaccessible on every hidden element."""
        hiding = (
            self.features["inaccessible"].local("@inaccessible")
            if "inaccessible" in self.features
            else "inaccessible"
        )
        marker = _Marker(hiding, self.hidden)
        own = self.types
        definitions = [
            marker.of_type(node) if isinstance(node, TypeDefinitionNode) and node.name.value in own else node
            for node in self.document.definitions
        ]
        return self.linked(definitions, hiding)

    def linked(self, definitions: list[DefinitionNode], hiding: str) -> DocumentNode:
        """Return the document of these definitions, in which @inaccessible is defined and its spec is linked.

        The definition and the link are added if they are missing. `hiding`: the name of @inaccessible in this
        document.
        """
        if "inaccessible" not in self.features:
            spec = CARRIED["inaccessible"]
            extra = parse(
                f'schema @link(url: "{spec.url}", for: SECURITY) {{ query: Query }}\n'
                f"directive @{hiding}{spec.signature}"
            )
            schema, definition = extra.definitions
            link = tuple(getattr(schema, "directives", ()))
            definitions = [
                copied(node, directives=(*(node.directives or ()), *link))
                if isinstance(node, SchemaDefinitionNode)
                else node
                for node in definitions
            ]
            definitions.insert(1, definition)
        return DocumentNode(definitions=tuple(definitions))
