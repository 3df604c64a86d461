"""Loads a supergraph SDL (join spec v0.2 to v0.5, from `gateway compose` or another tool) as a `Supergraph`.

The join directives are read directly into each subgraph's types; printing and parsing a schema for each
subgraph would only repeat them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from graphql import DocumentNode, GraphQLError, parse, print_ast
from graphql.language import (
    BooleanValueNode,
    ConstDirectiveNode,
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InterfaceTypeDefinitionNode,
    ListValueNode,
    ObjectTypeDefinitionNode,
    ObjectValueNode,
    ScalarTypeDefinitionNode,
    SchemaDefinitionNode,
    TypeDefinitionNode,
    UnionTypeDefinitionNode,
)
from graphql.language.ast import ConstValueNode

from gateway.core.errors import Location, SupergraphError
from gateway.federation.field_set import FieldSet, parse_field_set, top_fields, without_needless_fragments
from gateway.supergraph.api_schema import api_schema
from gateway.supergraph.features import Feature, arguments_of, check_join_version, read_features, text
from gateway.supergraph.metadata import read_metadata
from gateway.supergraph.model import (
    ContextArgument,
    Key,
    Kind,
    RootKind,
    Subgraph,
    SubgraphField,
    SubgraphType,
    Supergraph,
    named,
)
from gateway.supergraph.possible import PossibleTypes
from gateway.supergraph.unenforced import unenforced

MAX_TOKENS = 2_000_000

_KINDS: Mapping[type[TypeDefinitionNode], Kind] = {
    ObjectTypeDefinitionNode: "object",
    InterfaceTypeDefinitionNode: "interface",
    UnionTypeDefinitionNode: "union",
    EnumTypeDefinitionNode: "enum",
    InputObjectTypeDefinitionNode: "input",
    ScalarTypeDefinitionNode: "scalar",
}
Composite = ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode


@dataclass(frozen=True, slots=True)
class _Join:
    """The arguments of one join directive, such as @join__field."""

    values: Mapping[str, str | bool]
    contexts: tuple[ContextArgument, ...] = ()

    def get(self, name: str) -> str | None:
        value = self.values.get(name)
        return value if isinstance(value, str) else None

    def flag(self, name: str, default: bool = False) -> bool:
        return bool(self.values.get(name, default))

    def fields(self, name: str) -> FieldSet:
        source = self.get(name)
        return parse_field_set(source) if source else ()


def load_supergraph(sdl: str) -> Supergraph:
    """Return the supergraph of an SDL. Raises SupergraphError INVALID_SUPERGRAPH if it is not valid."""
    document = parse_supergraph(sdl)
    features = read_features(document)
    try:
        return _Loader(document, features).load(sdl, features)
    except ValueError as error:
        raise SupergraphError(
            f"the supergraph has an invalid field set: {error}", "INVALID_SUPERGRAPH"
        ) from error


def parse_supergraph(sdl: str) -> DocumentNode:
    """Return the AST of a supergraph SDL.

    Raises SupergraphError INVALID_SUPERGRAPH for invalid GraphQL, and for an unsupported version of the join
    spec.
    """
    document = _parse(sdl)
    check_join_version(read_features(document))
    return document


def _parse(sdl: str) -> DocumentNode:
    try:
        return parse(sdl, max_tokens=MAX_TOKENS)
    except GraphQLError as error:
        places = [Location(place.line, place.column) for place in error.locations or ()]
        message = f"the supergraph is not valid GraphQL: {error.message}"
        raise SupergraphError(message, "INVALID_SUPERGRAPH", locations=places) from error
    except RecursionError as error:
        raise SupergraphError("the supergraph is nested too deeply", "INVALID_SUPERGRAPH") from error


def _context_arguments(value: ConstValueNode | None) -> tuple[ContextArgument, ...]:
    found = []
    for item in value.values if isinstance(value, ListValueNode) else ():
        if isinstance(item, ObjectValueNode):
            given = {one.name.value: text(one.value) or "" for one in item.fields}
            selection = parse_field_set(given.get("selection", ""))
            found.append(
                ContextArgument(
                    given.get("name", ""), given.get("type", ""), given.get("context", ""), selection
                )
            )
    return tuple(found)


def _field_types(types: Mapping[str, TypeDefinitionNode]) -> dict[str, dict[str, str]]:
    """Return the type reference of every field: {type name: {field name: reference}}."""
    return {
        name: {item.name.value: print_ast(item.type) for item in node.fields or ()}
        for name, node in types.items()
        if isinstance(node, Composite)
    }


def _labels(subgraphs: Iterable[Subgraph]) -> Iterator[str]:
    """Yield the labels of all progressive @overrides."""
    for subgraph in subgraphs:
        for one in subgraph.types.values():
            yield from (item.label for item in one.fields.values() if item.label is not None)


def _names(features: Iterable[Feature]) -> tuple[str, str]:
    """Return the prefix of the join spec's elements in a document ("join"), and its name for @context."""
    known = {feature.name: feature for feature in features}
    prefix = known["join"].namespace if "join" in known else "join"
    return prefix, known["context"].local("@context") if "context" in known else "context"


class _Loader:
    """Loads one document. Subgraphs are identified by their names in the enum join__Graph (`graph`)."""

    def __init__(self, document: DocumentNode, features: Iterable[Feature]) -> None:
        self.document = document
        self.prefix, self.context = _names(features)
        nodes = (node for node in document.definitions if isinstance(node, TypeDefinitionNode))
        self.types = {node.name.value: node for node in nodes}
        self.graphs = self._graphs()
        self.possible = self._possible()
        self.views = self._views()
        self.field_types = _field_types(self.types)
        self.field_joins: dict[int, tuple[list[_Join], str]] = {}

    def load(self, sdl: str, features: tuple[Feature, ...]) -> Supergraph:
        """Return the supergraph."""
        subgraphs = {
            name: Subgraph(name, url, self._view(graph)) for graph, (name, url) in self.graphs.items()
        }
        own = {
            name: node
            for name, node in self.types.items()
            if not name.startswith((f"{self.prefix}__", "link__", "core__"))
        }
        api = api_schema(self.document, features)
        return Supergraph(
            sdl=sdl,
            subgraphs=subgraphs,
            api=api,
            shown=PossibleTypes(api),
            metadata=read_metadata(own, features),
            roots=self._roots(),
            kinds={name: _KINDS[type(node)] for name, node in own.items()},
            possible=self.possible,
            field_types={name: self.field_types[name] for name in own if name in self.field_types},
            features=tuple(feature.url for feature in features),
            contexts=self._contexts(),
            labels=frozenset(_labels(subgraphs.values())),
            unenforced=tuple(unenforced(self.document, features)),
        )

    def _joins(self, directives: Iterable[ConstDirectiveNode] | None, name: str) -> list[_Join]:
        wanted = f"{self.prefix}__{name}"
        found = []
        for node in directives or ():
            if node.name.value == wanted:
                values: dict[str, str | bool] = {}
                for key, value in arguments_of(node).items():
                    if isinstance(value, BooleanValueNode):
                        values[key] = value.value
                    elif (read := text(value)) is not None:
                        values[key] = read
                found.append(_Join(values, _context_arguments(arguments_of(node).get("contextArguments"))))
        return found

    def _graphs(self) -> dict[str, tuple[str, str]]:
        node = self.types.get(f"{self.prefix}__Graph")
        if not isinstance(node, EnumTypeDefinitionNode):
            raise SupergraphError(
                "expected a supergraph, found no enum join__Graph;"
                " compose the subgraphs first (`gateway compose`)",
                "INVALID_SUPERGRAPH",
            )
        graphs = {}
        for value in node.values or ():
            for join in self._joins(value.directives, "graph"):
                graphs[value.name.value] = (
                    join.get("name") or value.name.value.lower(),
                    join.get("url") or "",
                )
        return graphs

    def _roots(self) -> dict[RootKind, str]:
        roots: dict[RootKind, str] = {}
        for node in self.document.definitions:
            if isinstance(node, SchemaDefinitionNode):
                roots = {item.operation.value: item.type.name.value for item in node.operation_types}
        roots = roots or {"query": "Query", "mutation": "Mutation", "subscription": "Subscription"}
        return {kind: name for kind, name in roots.items() if name in self.types}

    def _possible(self) -> dict[str, frozenset[str]]:
        possible: dict[str, set[str]] = {}
        for name, node in self.types.items():
            if isinstance(node, ObjectTypeDefinitionNode):
                possible.setdefault(name, set()).add(name)
                for interface in node.interfaces or ():
                    possible.setdefault(interface.name.value, set()).add(name)
            elif isinstance(node, UnionTypeDefinitionNode):
                possible.setdefault(name, set()).update(member.name.value for member in node.types or ())
            elif isinstance(node, InterfaceTypeDefinitionNode):
                possible.setdefault(name, set())
        return {name: frozenset(members) for name, members in possible.items()}

    def _views(self) -> dict[str, dict[str, list[_Join]]]:
        """Return for each subgraph its types, each with its @join__type directives.

        The document's types are read once for all subgraphs.
        """
        views: dict[str, dict[str, list[_Join]]] = {graph: {} for graph in self.graphs}
        for name, node in self.types.items():
            joins = self._joins(node.directives, "type")
            if not joins and not name.startswith((f"{self.prefix}__", "link__", "core__")):
                for view in views.values():
                    view[name] = []
            for join in joins:
                if (graph := join.get("graph")) in views:
                    views[graph].setdefault(name, []).append(join)
        return views

    def _view(self, graph: str) -> dict[str, SubgraphType]:
        view = {name: self._type(self.types[name], graph, mine) for name, mine in self.views[graph].items()}
        return {
            name: replace(item, possible=self._possible_in(name, item, view)) for name, item in view.items()
        }

    def _possible_in(self, name: str, item: SubgraphType, view: Mapping[str, SubgraphType]) -> frozenset[str]:
        if item.interface_object:
            return self.possible.get(name, frozenset())
        if item.kind == "object":
            return frozenset({name})
        if item.kind == "interface":
            return frozenset(
                other for other, it in view.items() if it.kind == "object" and name in it.interfaces
            )
        return item.possible

    def _type(self, node: TypeDefinitionNode, graph: str, joins: list[_Join]) -> SubgraphType:
        keys = tuple(
            Key(self._field_set(node.name.value, join.fields("key")), join.flag("resolvable", True))
            for join in joins
            if join.get("key")
        )
        interface_object = any(join.flag("isInterfaceObject") for join in joins)
        name = node.name.value
        if isinstance(node, Composite):
            extended = [
                parse_field_set(join.get("key") or "")
                for join in joins
                if join.flag("extension") and join.get("key")
            ]
            fake = {item.name for key in extended for item in top_fields(key)}
            kind: Kind = "object" if interface_object else _KINDS[type(node)]
            views = {
                item.name: item
                for child in node.fields or ()
                for item in self._field(name, child, graph, fake)
            }
            return SubgraphType(name, kind, views, keys, interface_object, self._interfaces(node, graph))
        if isinstance(node, UnionTypeDefinitionNode):
            return SubgraphType(name, "union", possible=self._members(node, graph))
        return SubgraphType(name, _KINDS[type(node)])

    def _interfaces(self, node: Composite, graph: str) -> frozenset[str]:
        joins = self._joins(node.directives, "implements")
        if not joins:
            return frozenset(item.name.value for item in node.interfaces or ())
        return frozenset(join.get("interface") or "" for join in joins if join.get("graph") == graph)

    def _members(self, node: UnionTypeDefinitionNode, graph: str) -> frozenset[str]:
        joins = self._joins(node.directives, "unionMember")
        if not joins:
            return frozenset(item.name.value for item in node.types or ())
        return frozenset(join.get("member") or "" for join in joins if join.get("graph") == graph)

    def _contexts(self) -> dict[str, frozenset[str]]:
        """Return the names of the types with a @context directive, by the context's name."""
        found: dict[str, set[str]] = {}
        for name, node in self.types.items():
            for directive in node.directives or ():
                if directive.name.value == self.context:
                    found.setdefault(text(arguments_of(directive).get("name")) or "", set()).add(name)
        return {context: frozenset(names) for context, names in found.items()}

    def _field_set(self, type_name: str, fields: FieldSet) -> FieldSet:
        return without_needless_fragments(fields, type_name, self.field_types, self.possible)

    def _field(
        self, type_name: str, node: FieldDefinitionNode, graph: str, fake: set[str]
    ) -> list[SubgraphField]:
        if id(node) not in self.field_joins:
            self.field_joins[id(node)] = (self._joins(node.directives, "field"), print_ast(node.type))
        name, (joins, reference) = node.name.value, self.field_joins[id(node)]
        if not joins:
            return [SubgraphField(name, reference)]
        here = [join for join in joins if join.get("graph") == graph]
        return [self._joined_field(type_name, name, reference, join, fake) for join in here]

    def _joined_field(
        self, type_name: str, name: str, reference: str, join: _Join, fake: set[str]
    ) -> SubgraphField:
        """Return a field as one @join__field describes it.

        `reference`: its type in the supergraph. `fake`: key fields of extended types, which are not really
        external.
        """
        return SubgraphField(
            name,
            join.get("type") or reference,
            external=(join.flag("external") or join.flag("usedOverridden")) and name not in fake,
            requires=self._field_set(type_name, join.fields("requires")),
            provides=self._field_set(named(reference), join.fields("provides")),
            contexts=join.contexts,
            label=join.get("overrideLabel"),
            when_on=join.get("override") is not None,
        )
