"""A subgraph's schema as composition works on it.

Definitions and extensions in one, federation's directives read.

Directive names are canonical here (`key`, whatever the SDL calls it). Type references and default values are
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
    """A directive that composition carries along.

    `spec`: it is one of federation's, under its canonical name.

    Arguments are GraphQL text. `local` is what the subgraph calls the directive. `defaults` are the values
    that arguments have when they are left out (null where the definition says nothing).
    """

    name: str
    local: str
    arguments: tuple[tuple[str, str], ...] = ()
    spec: bool = True
    repeatable: bool = field(default=False, compare=False)
    defaults: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @property
    def value(self) -> Hashable:
        """What two applications of one directive share exactly when they say the same."""
        given = {**dict(self.defaults), **dict(self.arguments)}
        return frozenset((name, value_key(text)) for name, text in given.items())


@dataclass(frozen=True, slots=True)
class Metadata:
    """What any element can carry.

    Description, deprecation, tags, hidden or not, and directives that are only carried along.

    `routed` are directives that the supergraph notes for their subgraph alone, as @join__directive.
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
    """An argument or an input field. `context`: the text of its @fromContext."""

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
    """A field of an object or interface type.

    Field sets are None where the directive is absent or could not be read.
    """

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
        """The name of the type without lists and non-null."""
        return self.type.strip("[]!")


@dataclass(frozen=True, slots=True)
class KeyDef:
    """One @key; its fields None where they could not be read."""

    fields: FieldSet | None
    resolvable: bool
    node: Node
    extension: bool = False


@dataclass(frozen=True, slots=True)
class TypeDef:
    """A type of one subgraph, its extensions included.

    `base`: it has a definition that is no extension. `extends`: something of it carries @extends.
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
    """One @composeDirective: the name it gives, if it gives one, and where."""

    name: str | None
    node: Node


@dataclass(frozen=True, slots=True)
class Federation1:
    """What a Federation 1 subgraph says that its upgrade leaves out.

    `based`: the types with a definition that is no extension; `extended`: the objects and interfaces that it
    only extends, by @extends or `extend`; `keyed`: its interfaces with a @key.
    """

    based: frozenset[str]
    extended: frozenset[str]
    keyed: frozenset[str]


@dataclass(frozen=True, slots=True)
class SubgraphSchema:
    """One subgraph, read. `federation` is the version of the federation spec it links (None: Federation 1).

    `composed` are the arguments of its @composeDirective; `routed` what stands on its schema for itself
    alone; `metadata` what the schema carries; `old` what its upgrade has left out.
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
        """The object types that a type of this subgraph may be."""
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
