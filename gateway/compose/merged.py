"""The merged schema, frozen: every type with what each subgraph defines of it, as it will be in the
supergraph.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.compose.model import Application
from gateway.supergraph.model import Kind


@dataclass(frozen=True, slots=True)
class MergedMetadata:
    """The metadata of an element of the supergraph. `routed`: pairs of a subgraph and a directive of that
    subgraph alone.
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
    """An argument that comes from a context: the context's name in the supergraph, and the selection
    on it.
    """

    name: str
    type: str
    context: str
    selection: str


@dataclass(frozen=True, slots=True)
class JoinArguments:
    """The arguments of one @join__field; `subgraph` None: the field exists only through an interface
    object.
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
    """A field of the supergraph. Without joins, every subgraph with the type resolves it in the same way."""

    name: str
    type: str
    arguments: tuple[MergedInput, ...]
    metadata: MergedMetadata
    joins: tuple[JoinArguments, ...] = ()


@dataclass(frozen=True, slots=True)
class MergedType:
    """A type of the supergraph. `joins`: the arguments of its @join__type directives as text, by subgraph."""

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
    """The results of @composeDirective: definitions and @links as SDL, and the names of the directives and of
    their specs' namespaces.
    """

    definitions: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MergedSchema:
    """The whole supergraph before it is written.

    `executable`: the definitions of executable directives as SDL. `names`: the local names of carried
    directives.
    """

    types: Mapping[str, MergedType]
    roots: Mapping[str, str]
    executable: tuple[str, ...] = ()
    composed: ComposedDirectives = field(default_factory=ComposedDirectives)
    names: Mapping[str, str] = field(default_factory=dict)
    metadata: MergedMetadata = MergedMetadata()
