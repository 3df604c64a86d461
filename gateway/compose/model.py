"""One subgraph's schema as composition reads it: `ingest` creates it, the rules check it, `merge` merges it.

Definitions and extensions of a type are already merged, and federation's directives are fields of these
classes. Directive names are canonical (`key`, even if the SDL imports it as `myKey`). Type references and
default values are GraphQL text ("[Int!]", "{a: 1}").
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
    """A directive on one element, which composition copies into the supergraph.

    - `name`: the canonical name. `local`: the name in this subgraph. `spec`: whether the directive is one of
      federation's; if not, it is copied because of @composeDirective or belongs to the connect spec.
    - `arguments`: pairs of name and value as GraphQL text. `defaults`: the same for the default of each
      argument of the definition ("null" if it has none).
    """

    name: str
    local: str
    arguments: tuple[tuple[str, str], ...] = ()
    spec: bool = True
    repeatable: bool = field(default=False, compare=False)
    defaults: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @property
    def value(self) -> Hashable:
        """Return a hashable key: two applications of a directive with equal arguments have equal keys.

        Missing arguments count with their defaults, and the order of arguments does not matter.
        """
        given = {**dict(self.defaults), **dict(self.arguments)}
        return frozenset((name, value_key(text)) for name, text in given.items())


@dataclass(frozen=True, slots=True)
class Metadata:
    """What any element (type, field, argument, enum value) has besides its type.

    - `specified_by`: the URL of @specifiedBy. `one_of`: whether the input object has @oneOf.
    - `applied`: the directives to merge with those of other subgraphs.
    - `routed`: directives that stay specific to this subgraph; the supergraph has them as @join__directive.
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
    """An argument or input field.

    `context`: the `field` argument of its @fromContext, such as "$user { id }".
    """

    name: str
    type: str
    default: str | None
    metadata: Metadata
    node: Node
    context: str | None = None

    @property
    def required(self) -> bool:
        """Return whether a client must give a value: the type is non-null and has no default."""
        return self.type.endswith("!") and self.default is None


@dataclass(frozen=True, slots=True)
class FieldDef:
    """A field of an object or interface.

    `requires` and `provides` are None if the field lacks the directive, or if its field set can't be parsed.
    `override`: the subgraph in `@override(from:)`; `label`: the label of a progressive @override.
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
        """Return the name of the field's type without list and non-null: `[User!]!` gives `User`."""
        return self.type.strip("[]!")


@dataclass(frozen=True, slots=True)
class KeyDef:
    """One @key. `fields` is None if its field set can't be parsed.

    `extension`: whether the type is an extension here (`extend type` or @extends).
    """

    fields: FieldSet | None
    resolvable: bool
    node: Node
    extension: bool = False


@dataclass(frozen=True, slots=True)
class TypeDef:
    """A type of one subgraph, its extensions included.

    - `base`: whether the SDL has a definition of the type, not only extensions.
    - `extends`: whether a definition or extension of it has @extends.
    - `contexts`: the names of its @context directives.
    - `values`, `members`, `inputs`: of an enum, a union, an input object.
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
    """One @composeDirective: the value of its argument `name` (None if missing), and its AST node."""

    name: str | None
    node: Node


@dataclass(frozen=True, slots=True)
class Federation1:
    """Properties of a Federation 1 subgraph that `upgrade` removes, stored for `check_federation_1`.

    `based`: the objects and interfaces with a definition. `extended`: those that the subgraph only extends,
    by `extend` or @extends, without root types. `keyed`: its interfaces with a @key.
    """

    based: frozenset[str]
    extended: frozenset[str]
    keyed: frozenset[str]


@dataclass(frozen=True, slots=True)
class SubgraphSchema:
    """One subgraph, ready for the rules and for merging.

    - `federation`: the version of the linked federation spec ("2.9"); None for Federation 1.
    - `graphql`: the SDL as a valid GraphQL schema. `directives`: the directive definitions of the SDL itself.
    - `composed`: its @composeDirectives. `routed`: directives of the schema definition that stay specific to
      this subgraph. `metadata`: of the schema definition.
    - `old`: for Federation 1, what the upgrade to Federation 2 has removed.
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
        """Return the object types that a value of this type can have in this subgraph.

        Those are an interface's implementations, a union's members, or the object type itself.
        """
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
