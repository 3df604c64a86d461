"""The merged schema: every type with what each subgraph says of it, as it will stand in the supergraph. Frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.compose.model import Marks
from gateway.supergraph.model import Kind


@dataclass(frozen=True, slots=True)
class JoinArguments:
    """One @join__field: the subgraph (None: no subgraph, the field comes by an interface object) and its arguments."""

    subgraph: str | None
    type: str | None = None
    external: bool = False
    requires: str | None = None
    provides: str | None = None
    override: str | None = None
    used_overridden: bool = False


@dataclass(frozen=True, slots=True)
class MergedInput:
    """An argument or input field of the supergraph."""

    name: str
    type: str
    default: str | None
    marks: Marks
    joins: tuple[JoinArguments, ...] = ()


@dataclass(frozen=True, slots=True)
class MergedField:
    """A field of the supergraph; no joins: every subgraph with the type resolves it alike."""

    name: str
    type: str
    arguments: tuple[MergedInput, ...]
    marks: Marks
    joins: tuple[JoinArguments, ...] = ()


@dataclass(frozen=True, slots=True)
class MergedType:
    """A type of the supergraph. `joins` are the @join__type arguments as text, by subgraph."""

    name: str
    kind: Kind
    marks: Marks
    subgraphs: tuple[str, ...]
    joins: tuple[tuple[str, str], ...]
    fields: tuple[MergedField, ...] = ()
    inputs: tuple[MergedInput, ...] = ()
    values: tuple[tuple[str, Marks, tuple[str, ...]], ...] = ()
    members: tuple[tuple[str, tuple[str, ...]], ...] = ()
    interfaces: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class MergedSchema:
    """The whole supergraph before it is written. `directives` are executable ones that all subgraphs define, as SDL."""

    types: Mapping[str, MergedType]
    roots: Mapping[str, str]
    directives: tuple[str, ...] = field(default=())
