"""The supergraph as frozen values: each subgraph's own definition of its types, and what all have in common.

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
    """Return the type name in a type reference: `[Review!]!` gives `Review`."""
    return reference.strip("[]!")


@dataclass(frozen=True, slots=True)
class Key:
    """A key of an entity in one subgraph.

    One that is not resolvable can't be used for lookups in that subgraph.
    """

    fields: FieldSet
    resolvable: bool = True


@dataclass(frozen=True, slots=True)
class ContextArgument:
    """An argument whose value comes from a context (@fromContext).

    The value is that of `selection`, on the nearest enclosing object that sets the context. `type`: the
    argument's type reference in the subgraph.
    """

    name: str
    type: str
    context: str
    selection: FieldSet


@dataclass(frozen=True, slots=True)
class SubgraphField:
    """A field as one subgraph defines it.

    - `external`: the subgraph does not resolve the field, except where a @provides selects it.
    - `label`: of a progressive @override. The subgraph resolves the field while the label is active if
      `when_on`, otherwise while it is not active.
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
        """Return the name of the field's type without list and non-null."""
        return named(self.type)


@dataclass(frozen=True, slots=True)
class SubgraphType:
    """A type as one subgraph defines it.

    `possible`: the object types that a value of it may have in that subgraph.
    """

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
    - `roots`: the names of the root types. `kinds`: the kind of each type, by name.
    - `possible`: the object types of each type, @inaccessible ones included; `shown`: those that clients may
      see.
    - `field_types`: the type reference of each field, by type and field name.
    - `features`: the URLs of the linked specs.
    - `contexts`: the types that set each context. `labels`: the labels of all progressive @overrides.
    - `metadata`: access requirements, costs, cache hints and tags.
    - `unenforced`: the security features that the supergraph requires and the gateway does not enforce. Such
      a supergraph can be loaded and planned, but must not be served.
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
