"""The plan: frozen values that `execute` runs and `explain` prints.

A `Fetch` is one request to one subgraph. Its lookups say where in the response the reply's values belong: a
root lookup at the root, an entity lookup at a path, with representations made from values that earlier
fetches returned. `Fetch.after` contains the ids of the fetches that a fetch waits for; fetches whose
predecessors have ended run at the same time.
"""

from dataclasses import dataclass, field

from gateway.request.operation import OperationKind


@dataclass(frozen=True, slots=True)
class PathStep:
    """One step of a path through the response: the value at `key`; if it is a list, each of its items.

    `types`: only the objects of these run-time types; None for all objects.
    """

    key: str
    types: frozenset[str] | None = None


Path = tuple[PathStep, ...]


@dataclass(frozen=True, slots=True)
class RepresentationField:
    """One field of a representation.

    - `name`: its name in the representation. `key`: the key of the value in the merged response.
    - `below`: the fields to send of an object value.
    - `types`: the run-time types whose representations have the field; None for all.
    - `typed`: whether the object values may have several types, so that each includes its `__typename` if
      known.
    - `type`: the field's type reference. `subgraph`: the name of the subgraph that returns the value.
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
    """How an object becomes a representation for `_entities`.

    - `types`: the run-time types of the objects; None for all.
    - `typename`: the `__typename` to send; None for the object's own.
    - `fields`: the fields to send. `inputs`: those that only a @requires needs; the others are key fields.
    """

    types: frozenset[str] | None
    typename: str | None
    fields: tuple[RepresentationField, ...]
    inputs: frozenset[RepresentationField] = frozenset()


@dataclass(frozen=True, slots=True)
class ContextSource:
    """An object that encloses the lookup's objects and may set a context.

    `depth`: its place, as a number of steps from the root along the lookup's path. `fields`: the possible
    values; the first whose `types` include the object's run-time type is used.
    """

    depth: int
    fields: tuple[RepresentationField, ...]


@dataclass(frozen=True, slots=True)
class ContextInput:
    """A request variable for a @fromContext argument.

    `type`: the variable's type reference. `sources`: the places where the value may be, the nearest first.
    """

    variable: str
    type: str
    sources: tuple[ContextSource, ...]


@dataclass(frozen=True, slots=True)
class ReplyField:
    """A field of a reply, and where its value goes.

    `reply_key`: its key in the reply. `key`: its key in the merged response; it differs where the request
    needs an alias. `below`: the selection of a composite field.
    """

    reply_key: str
    key: str
    name: str
    below: "Selection | None" = None


@dataclass(frozen=True, slots=True)
class Selection:
    """The fields of one object in a reply.

    `fragments`: pairs of object types and the further fields that only objects of these types have.
    """

    fields: tuple[ReplyField, ...] = ()
    fragments: "tuple[tuple[frozenset[str], Selection], ...]" = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A place of the response that a lookup fills, and how the objects there become representations.

    A root lookup has no representations.
    """

    path: Path
    representations: tuple[Representation, ...] = ()


@dataclass(frozen=True, slots=True)
class Lookup:
    """A part of a fetch: root fields, or one `_entities` field.

    The entities of several places share an `_entities` field when the same fields are selected on them;
    `targets` are these places. `variable`: the variable with the representations. `field`: the key of
    `_entities` in the reply; None for a root lookup, which has one target.
    """

    targets: tuple[Target, ...]
    selection: Selection
    variable: str | None = None
    field: str | None = None
    contexts: tuple[ContextInput, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestParts:
    """The parts of a request text, for requests that are only completed at run time because of contexts.

    Objects with different context values need separate `_entities` fields with separate variables. `head`:
    the operation's kind and name. `declared`: the declarations of the client's variables. `lookups`: the text
    of each lookup, in the order of `Fetch.lookups`. `directives`: those on the operation.
    """

    head: str
    declared: tuple[str, ...]
    lookups: tuple[str, ...]
    directives: str = ""


@dataclass(frozen=True, slots=True)
class Fetch:
    """One subgraph request.

    - `text`: the GraphQL request. `variables`: the names of the client's variables in it.
    - `after`: the ids of the fetches that it waits for.
    - `renames`: whether some keys of the reply differ from the keys in the merged response.
    - `request_parts`: set if contexts change the text at run time; None for a fixed text.
    - `shared`: whether equal entities may share the returned values by reference; False when contexts may
      make the values differ.
    - `fallback`: the fetch for objects that lack a @requires input of some fields. It looks up the fields of
      each set of inputs separately, so that a missing input costs only the fields that need it. None if all
      fields need the same inputs.
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
    request_parts: RequestParts | None = None
    shared: bool = True
    fallback: "Fetch | None" = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan: stages of fetches that run one after the other.

    A query has one stage. A mutation has one for each root field, or for several neighbouring ones that one
    request can answer.

    A hasty plan saves a round by fetching fields for objects of more types than the client selected them on:
    a subgraph that knows objects only as an interface object can't distinguish their types. When such a
    non-null field fails, it makes null an object for which the client did not select it. `hasty`: the
    response keys of these fields. `careful`: a plan without such fetches, which runs when an error occurs at
    one of the keys.

    `explained`: pairs of a planning stage and the plan's text after it, for `gateway plan --explain`.
    """

    kind: OperationKind
    stages: tuple[tuple[Fetch, ...], ...]
    explained: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    hasty: frozenset[str] = frozenset()
    careful: "Plan | None" = None

    @property
    def fetches(self) -> tuple[Fetch, ...]:
        """Return all fetches, in the order of their ids."""
        return tuple(fetch for stage in self.stages for fetch in stage)
