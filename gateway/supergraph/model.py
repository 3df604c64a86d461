"""The supergraph as metadata: each subgraph's own view of the types, frozen.

A subgraph is known by its name. Types are referred to by name, type references are GraphQL text
(`[Review!]!`).
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
    """The name inside a type reference: `[Review!]!` gives `Review`."""
    return reference.strip("[]!")


@dataclass(frozen=True, slots=True)
class Key:
    """An entity's key in one subgraph; one that is not resolvable only names the entity."""

    fields: FieldSet
    resolvable: bool = True


@dataclass(frozen=True, slots=True)
class ContextArgument:
    """An argument that comes from a context (@fromContext).

    A selection on the nearest object above that sets the context.

    `type` is the argument's type reference in the subgraph.
    """

    name: str
    type: str
    context: str
    selection: FieldSet


@dataclass(frozen=True, slots=True)
class SubgraphField:
    """A field as one subgraph has it.

    `external`: the subgraph names the field but does not resolve it (outside of @provides). `label`: of a
    progressive @override; the subgraph resolves the field while the label is on (`when_on`), or while it is
    off.
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
        """The name of the field's type without lists and non-null."""
        return named(self.type)


@dataclass(frozen=True, slots=True)
class SubgraphType:
    """A type as one subgraph has it. `possible` are the object types that may stand for it at run time."""

    name: str
    kind: Kind
    fields: Mapping[str, SubgraphField] = field(default_factory=dict)
    keys: tuple[Key, ...] = ()
    interface_object: bool = False
    interfaces: frozenset[str] = frozenset()
    possible: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Subgraph:
    """One subgraph: its name, the address in the supergraph (may be empty), and its types by name."""

    name: str
    url: str
    types: Mapping[str, SubgraphType]


@dataclass(frozen=True, slots=True)
class Supergraph:
    """All subgraphs, the schema that clients see, and what is hidden from them.

    `possible` are the object types behind every type, inaccessible ones included; `shown` those that clients
    may see. `roots` are the names of the root types. `contexts` are the types that set each context; `labels`
    those of all progressive overrides. `metadata`: access requirements, costs, cache hints and tags.
    `unenforced`: the features that the supergraph requires and the gateway does not enforce; such a
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
