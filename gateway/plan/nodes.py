"""The plan: frozen facts that the executor runs and that can be shown.

A Fetch is one request to one subgraph. Its lookups say where its answer belongs: a root lookup at the root of
the answer, entity lookups at a path, with representations made from what earlier fetches brought. Fetches
form a graph by `after`; those whose needs are met run at once.
"""

from dataclasses import dataclass, field

from gateway.request.operation import OperationKind


@dataclass(frozen=True, slots=True)
class PathStep:
    """One step of a path through the answer.

    A key, lists under it are flattened; then only objects of these types.
    """

    key: str
    types: frozenset[str] | None = None


Path = tuple[PathStep, ...]


@dataclass(frozen=True, slots=True)
class RepresentationField:
    """One field of a representation.

    Its name for the subgraph, the key under which the value lies, and what is below.

    `types`: only for objects of these types. `typed`: the objects below may be of several types, so each
    brings its `__typename` along if it is known. `type` is its type reference. `subgraph` is the one
    that brings the value.
    """

    name: str
    key: str
    below: "tuple[RepresentationField, ...]" = ()
    types: frozenset[str] | None = None
    typed: bool = False
    type: str = ""
    subgraph: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Representation:
    """How an object becomes a representation: for which run-time types, under which `__typename` (None.

    Its own). `inputs` are the fields that a @requires alone asks for; the others are keys.
    """

    types: frozenset[str] | None
    typename: str | None
    fields: tuple[RepresentationField, ...]
    inputs: frozenset[RepresentationField] = frozenset()


@dataclass(frozen=True, slots=True)
class ContextSource:
    """Where a context's value may lie.

    On the object `depth` steps down the lookup's path, under one of these fields.
    """

    depth: int
    fields: tuple[RepresentationField, ...]


@dataclass(frozen=True, slots=True)
class ContextInput:
    """A variable of a request whose value comes from further up in the answer (@fromContext).

    The nearest source comes first.
    """

    variable: str
    type: str
    sources: tuple[ContextSource, ...]


@dataclass(frozen=True, slots=True)
class ReplyField:
    """One field that a fetch brings: the key in the reply, the key where it is kept, and what is below."""

    reply_key: str
    key: str
    name: str
    below: "Selection | None" = None


@dataclass(frozen=True, slots=True)
class Selection:
    """What a fetch brings of an object: fields, and more fields for objects of some types."""

    fields: tuple[ReplyField, ...] = ()
    fragments: "tuple[tuple[frozenset[str], Selection], ...]" = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A place of the answer that a lookup fills, and how the objects there become representations (a root
    lookup has none).
    """

    path: Path
    representations: tuple[Representation, ...] = ()


@dataclass(frozen=True, slots=True)
class Lookup:
    """One selection of a fetch, for one place of the answer or for several that ask the same of their
    entities.

    `field` is the key of `_entities` in the reply; None for a root lookup, which has one target.
    """

    targets: tuple[Target, ...]
    selection: Selection
    variable: str | None = None
    field: str | None = None
    contexts: tuple[ContextInput, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestParts:
    """A request in pieces, for those that are put together at run time.

    Objects under different contexts are looked up apart.

    `lookups` are the texts in the order of the fetch's lookups, `directives` those of the operation.
    """

    head: str
    declared: tuple[str, ...]
    lookups: tuple[str, ...]
    directives: str = ""


@dataclass(frozen=True, slots=True)
class Fetch:
    """One subgraph request: its text, the client's variables in it, and what it waits for (ids of fetches).

    `shared`: equal entities may share the values that it brings; not where a context tells them apart.

    `fallback` is for the objects that lack an input of some of its fields: it looks up the fields of each set
    of inputs by themselves. None where all fields need the same inputs.
    """

    id: int
    subgraph: str
    text: str
    operation_name: str | None
    kind: OperationKind
    variables: tuple[str, ...]
    lookups: tuple[Lookup, ...]
    after: tuple[int, ...] = ()
    renames: bool = False
    pieces: RequestParts | None = None
    shared: bool = True
    fallback: "Fetch | None" = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole plan: stages that run one after the other.

    A query has one; a mutation has one for each root field or run of fields.

    `hasty` are the keys of fields that are asked of objects of more types than the client did, for the sake
    of a round: a subgraph that knows them as an interface object only can't tell. When one of them fails, it
    may take an object with it that the client did not ask it of. `careful` is a plan that does not do so.
    """

    kind: OperationKind
    stages: tuple[tuple[Fetch, ...], ...]
    explained: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    hasty: frozenset[str] = frozenset()
    careful: "Plan | None" = None

    @property
    def fetches(self) -> tuple[Fetch, ...]:
        """All fetches, in order."""
        return tuple(fetch for stage in self.stages for fetch in stage)
