"""A subgraph's schema during composition: definitions and extensions are merged, and federation's directives
are read.

Directive names are canonical (`key`, whatever the SDL calls it). Type references and default values are
GraphQL text.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from graphql import GraphQLSchema
from graphql.language import DirectiveDefinitionNode, Node

from gateway.compose.links import Links
from gateway.federation.field_set import FieldSet
from gateway.federation.values import value_key
from gateway.supergraph.model import Kind, RootKind


@dataclass(frozen=True, slots=True)
class Application:
    """A directive that composition carries into the supergraph.

    - `name`: canonical. `local`: the subgraph's name for it. `spec`: it is one of federation's.
    - `arguments`: GraphQL text. `defaults`: the defaults of missing arguments (null if there is none).
    """

    name: str
    local: str
    arguments: tuple[tuple[str, str], ...] = ()
    spec: bool = True
    repeatable: bool = field(default=False, compare=False)
    defaults: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @property
    def value(self) -> Hashable:
        """A key that two applications of a directive share exactly when their arguments are equal."""
        given = {**dict(self.defaults), **dict(self.arguments)}
        return frozenset((name, value_key(text)) for name, text in given.items())


@dataclass(frozen=True, slots=True)
class Metadata:
    """The metadata of any element: description, deprecation, tags, visibility, and carried directives.

    `routed`: directives that are carried for their subgraph alone, as @join__directive.
    """

    description: str | None = None
    deprecated: str | None = None
    inaccessible: bool = False
    tags: tuple[str, ...] = ()
    specified_by: str | None = None
    one_of: bool = False
    applied: tuple[Application, ...] = ()
    routed: tuple[Application, ...] = ()


@dataclass(frozen=True, slots=True)
class InputValue:
    """An argument or input field. `context`: the text of its @fromContext."""

    name: str
    type: str
    default: str | None
    metadata: Metadata
    node: Node
    context: str | None = None

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.type.endswith("!") and self.default is None


@dataclass(frozen=True, slots=True)
class FieldDef:
    """A field of an object or interface. Field sets are None where the directive is missing or not valid."""

    name: str
    type: str
    arguments: Mapping[str, InputValue]
    metadata: Metadata
    node: Node
    external: bool = False
    shareable: bool = False
    requires: FieldSet | None = None
    provides: FieldSet | None = None
    override: str | None = None
    label: str | None = None

    @property
    def type_name(self) -> str:
        """The name of the type without list and non-null."""
        return self.type.strip("[]!")


@dataclass(frozen=True, slots=True)
class KeyDef:
    """One @key; `fields` is None if it is not valid."""

    fields: FieldSet | None
    resolvable: bool
    node: Node
    extension: bool = False


@dataclass(frozen=True, slots=True)
class TypeDef:
    """A type of one subgraph, with its extensions. `base`: it has a definition, not only extensions.
    `extends`: a part of it has @extends.
    """

    name: str
    kind: Kind
    metadata: Metadata
    node: Node
    fields: Mapping[str, FieldDef] = field(default_factory=dict)
    inputs: Mapping[str, InputValue] = field(default_factory=dict)
    values: Mapping[str, Metadata] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    keys: tuple[KeyDef, ...] = ()
    interface_object: bool = False
    base: bool = True
    extends: bool = False
    contexts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ComposedDirective:
    """One @composeDirective: the name that it gives, if any, and its node."""

    name: str | None
    node: Node


@dataclass(frozen=True, slots=True)
class Federation1:
    """Facts about a Federation 1 subgraph that its upgrade removes.

    `based`: the types with a definition. `extended`: the objects and interfaces that it only extends, by
    @extends or `extend`. `keyed`: its interfaces with a @key.
    """

    based: frozenset[str]
    extended: frozenset[str]
    keyed: frozenset[str]


@dataclass(frozen=True, slots=True)
class SubgraphSchema:
    """One subgraph.

    - `federation`: the version of the linked federation spec; None for Federation 1.
    - `composed`: its @composeDirectives. `routed`: directives of its schema for this subgraph alone.
    - `metadata`: of the schema itself. `old`: what its upgrade from Federation 1 has removed.
    """

    name: str
    url: str
    types: Mapping[str, TypeDef]
    directives: Mapping[str, DirectiveDefinitionNode]
    federation: str | None
    links: Links
    graphql: GraphQLSchema
    composed: tuple[ComposedDirective, ...] = ()
    routed: tuple[Application, ...] = ()
    metadata: Metadata = Metadata()
    old: Federation1 | None = None

    def possible(self, name: str) -> frozenset[str]:
        """The object types of a type of this subgraph."""
        item = self.types.get(name)
        if item is None or item.kind == "object":
            return frozenset({name})
        if item.kind == "union":
            return frozenset(item.members)
        return frozenset(
            other.name for other in self.types.values() if other.kind == "object" and name in other.interfaces
        )


ROOT_NAMES: Mapping[RootKind, str] = {
    "query": "Query",
    "mutation": "Mutation",
    "subscription": "Subscription",
}
