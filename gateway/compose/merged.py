"""The merged schema: every type with what each subgraph says of it, as it will stand in the supergraph.

Frozen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.compose.model import Application
from gateway.supergraph.model import Kind


@dataclass(frozen=True, slots=True)
class MergedMetadata:
    """What an element of the supergraph carries.

    `routed` are pairs of a subgraph and what it says for itself alone.
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
    """An argument that a subgraph takes from a context.

    The context's name in the supergraph, and the selection on it.
    """

    name: str
    type: str
    context: str
    selection: str


@dataclass(frozen=True, slots=True)
class JoinArguments:
    """One @join__field: the subgraph (None.

    No subgraph, the field comes by an interface object) and its arguments.
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
    """An argument or input field of the supergraph."""

    name: str
    type: str
    default: str | None
    metadata: MergedMetadata
    joins: tuple[JoinArguments, ...] = ()


@dataclass(frozen=True, slots=True)
class MergedField:
    """A field of the supergraph; no joins: every subgraph with the type resolves it alike."""

    name: str
    type: str
    arguments: tuple[MergedInput, ...]
    metadata: MergedMetadata
    joins: tuple[JoinArguments, ...] = ()


@dataclass(frozen=True, slots=True)
class MergedType:
    """A type of the supergraph. `joins` are the @join__type arguments as text, by subgraph."""

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
    """What @composeDirective brings.

    Definitions and @links to their specs, as SDL, and the directives' names.

    `namespaces` are those of the specs.
    """

    definitions: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MergedSchema:
    """The whole supergraph before it is written.

    `executable` are the definitions of directives for operations, as SDL.

    `names` is what the subgraphs call the directives of carried specs.
    """

    types: Mapping[str, MergedType]
    roots: Mapping[str, str]
    executable: tuple[str, ...] = ()
    composed: ComposedDirectives = field(default_factory=ComposedDirectives)
    names: Mapping[str, str] = field(default_factory=dict)
    metadata: MergedMetadata = MergedMetadata()
