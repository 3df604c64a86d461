"""The merged schema, frozen: `merge` creates it, `emit` writes it as SDL.

Each element has its merged form and, by subgraph, the arguments of its join directives (@join__field, ...),
from which the planner reads which subgraph resolves what.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.compose.model import Application
from gateway.supergraph.model import Kind


@dataclass(frozen=True, slots=True)
class MergedMetadata:
    """The metadata of an element of the supergraph; the fields are those of `model.Metadata`.

    `routed`: pairs of a subgraph and a directive that stays specific to it (as @join__directive).
    """

    description: str | None = None
    deprecated: str | None = None
    inaccessible: bool = False
    tags: tuple[str, ...] = ()
    specified_by: str | None = None
    one_of: bool = False
    applied: tuple[Application, ...] = ()
    routed: tuple[tuple[str, Application], ...] = ()


@dataclass(frozen=True, slots=True)
class MergedContextArgument:
    """An argument with @fromContext.

    `context`: the context's name in the supergraph. `selection`: the fields to read on the object that sets
    it.
    """

    name: str
    type: str
    context: str
    selection: str


@dataclass(frozen=True, slots=True)
class JoinArguments:
    """The arguments of one @join__field, which describes a field in one subgraph.

    `subgraph` is None for a field of an object type that only an @interfaceObject of its interface resolves.
    `type` is None if it is the merged type. `override`, `label`, `used_overridden`: from @override.
    """

    subgraph: str | None
    type: str | None = None
    external: bool = False
    requires: str | None = None
    provides: str | None = None
    override: str | None = None
    used_overridden: bool = False
    label: str | None = None
    contexts: tuple[MergedContextArgument, ...] = ()


@dataclass(frozen=True, slots=True)
class MergedInput:
    """An argument or input field of the supergraph. `default`: GraphQL text, None if it has no default."""

    name: str
    type: str
    default: str | None
    metadata: MergedMetadata
    joins: tuple[JoinArguments, ...] = ()


@dataclass(frozen=True, slots=True)
class MergedField:
    """A field of the supergraph.

    If `joins` is empty, every subgraph that has the type resolves the field alike.
    """

    name: str
    type: str
    arguments: tuple[MergedInput, ...]
    metadata: MergedMetadata
    joins: tuple[JoinArguments, ...] = ()


@dataclass(frozen=True, slots=True)
class MergedType:
    """A type of the supergraph.

    - `joins`: pairs of a subgraph and the further arguments of its @join__type as text (', key: "id"').
    - `values`: tuples of an enum value, its metadata, and the subgraphs that have it.
    - `members`, `interfaces`: pairs of a name and the subgraphs in which the type has it.
    """

    name: str
    kind: Kind
    metadata: MergedMetadata
    subgraphs: tuple[str, ...]
    joins: tuple[tuple[str, str], ...]
    fields: tuple[MergedField, ...] = ()
    inputs: tuple[MergedInput, ...] = ()
    values: tuple[tuple[str, MergedMetadata, tuple[str, ...]], ...] = ()
    members: tuple[tuple[str, tuple[str, ...]], ...] = ()
    interfaces: tuple[tuple[str, tuple[str, ...]], ...] = ()
    contexts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ComposedDirectives:
    """The directives of all @composeDirectives.

    `definitions` and `links`: SDL texts. `names`: the directives' names. `namespaces`: the prefixes of their
    specs.
    """

    definitions: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MergedSchema:
    """The whole supergraph before it is written as SDL.

    `executable`: the definitions of directives for operations, as SDL. `names`: the name in the subgraphs of
    each federation directive that the supergraph copies (@tag, @cost, ...), by its canonical name.
    """

    types: Mapping[str, MergedType]
    roots: Mapping[str, str]
    executable: tuple[str, ...] = ()
    composed: ComposedDirectives = field(default_factory=ComposedDirectives)
    names: Mapping[str, str] = field(default_factory=dict)
    metadata: MergedMetadata = MergedMetadata()
