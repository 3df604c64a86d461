"""The supergraph as frozen values: each subgraph's own definition of its types.

Subgraphs and types are referred to by name; type references are GraphQL text (`[Review!]!`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from graphql import GraphQLSchema

from gateway.federation.field_set import FieldSet
from gateway.supergraph.metadata import MetadataTable
from gateway.supergraph.possible import PossibleTypes

Kind = Literal["object", "interface", "union", "enum", "input", "scalar"]
RootKind = Literal["query", "mutation", "subscription"]


def named(reference: str) -> str:
    """The type name in a type reference: `[Review!]!` gives `Review`."""
    return reference.strip("[]!")


@dataclass(frozen=True, slots=True)
class Key:
    """A key of an entity in one subgraph; one that is not resolvable can't be used for lookups there."""

    fields: FieldSet
    resolvable: bool = True


@dataclass(frozen=True, slots=True)
class ContextArgument:
    """An argument whose value comes from a context (@fromContext): a selection on the nearest object above
    that sets the context.

    `type`: the argument's type reference in the subgraph.
    """

    name: str
    type: str
    context: str
    selection: FieldSet


@dataclass(frozen=True, slots=True)
class SubgraphField:
    """A field as one subgraph defines it.

    - `external`: the subgraph does not resolve the field, except below a @provides.
    - `label`: of a progressive @override; the subgraph resolves the field while the label is active
      (`when_on`), or while it is not.
    """

    name: str
    type: str
    external: bool = False
    requires: FieldSet = ()
    provides: FieldSet = ()
    contexts: tuple[ContextArgument, ...] = ()
    label: str | None = None
    when_on: bool = False

    @property
    def type_name(self) -> str:
        """The name of the type without list and non-null."""
        return named(self.type)


@dataclass(frozen=True, slots=True)
class SubgraphType:
    """A type as one subgraph defines it. `possible`: the object types that it may be at run time."""

    name: str
    kind: Kind
    fields: Mapping[str, SubgraphField] = field(default_factory=dict)
    keys: tuple[Key, ...] = ()
    interface_object: bool = False
    interfaces: frozenset[str] = frozenset()
    possible: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Subgraph:
    """One subgraph: its name, its URL in the supergraph ("" if there is none), and its types by name."""

    name: str
    url: str
    types: Mapping[str, SubgraphType]


@dataclass(frozen=True, slots=True)
class Supergraph:
    """A supergraph.

    - `api`: the schema that clients see.
    - `roots`: the names of the root types. `kinds`: the kind of each type.
    - `possible`: the object types of each type, inaccessible ones included; `shown`: those that clients may
      see.
    - `field_types`: the type reference of each field, by type and field name.
    - `features`: the URLs of the linked specs.
    - `contexts`: the types that set each context. `labels`: the labels of all progressive overrides.
    - `metadata`: access requirements, costs, cache hints and tags.
    - `unenforced`: the features that the supergraph requires and the gateway does not enforce; such a
      supergraph can be loaded and planned, and must not be served.
    """

    sdl: str
    subgraphs: Mapping[str, Subgraph]
    api: GraphQLSchema
    roots: Mapping[RootKind, str]
    kinds: Mapping[str, Kind]
    possible: Mapping[str, frozenset[str]]
    shown: PossibleTypes
    field_types: Mapping[str, Mapping[str, str]]
    features: tuple[str, ...] = ()
    contexts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()
    metadata: MetadataTable = MetadataTable()
    unenforced: tuple[str, ...] = ()
