"""The normalized operation, frozen: no fragment spreads, conditions, or duplicate fields.

Arguments are GraphQL text; variables in them have their names. Conditions (@skip, @include) are already
evaluated for the values of their variables. Other directives are stored as text, for the subgraphs.

Example: `{ a @x { b } a { c } ...F @y } fragment F on Query { d }` becomes the field `a` with the directives
`("@x", "")` (one text for each of its two nodes) and the selections b and c, and a fragment around d with
`FragmentDirectives("@y", "")`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

OperationKind = Literal["query", "mutation", "subscription"]


@dataclass(frozen=True, slots=True)
class Deferred:
    """The mark of a fragment with @defer. `number`: distinguishes the fragments of one operation."""

    label: str | None
    number: int


@dataclass(frozen=True, slots=True)
class Streamed:
    """The mark of a list field with @stream. `initial`: how many elements the first response has."""

    label: str | None
    initial: int


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the response.

    - `key`: the response key. `parent`: the type that it is selected on. `type`: a type reference of the API
      schema.
    - `arguments`: pairs of name and GraphQL text. `variables`: those in arguments and directives.
    - `directives`: the directives of each of its nodes as text, each distinct text once; empty if no node has
      any.
    - `denied`: whether the caller may not see it (see `authorize`); it is not fetched, and null.
    - `streamed`: set for a list whose later elements may be sent later.
    """

    key: str
    name: str
    parent: str
    type: str
    arguments: tuple[tuple[str, str], ...] = ()
    variables: frozenset[str] = frozenset()
    selections: "Selections" = ()
    directives: tuple[str, ...] = ()
    denied: bool = False
    streamed: Streamed | None = None

    @property
    def type_name(self) -> str:
        """Return the name of the field's type without list and non-null."""
        return self.type.strip("[]!")


@dataclass(frozen=True, slots=True)
class FragmentDirectives:
    """The directives of a fragment as text: at its use (`here`), and at its definition.

    `definition`: None for an inline fragment, "" for a definition without directives. `inline`: whether the
    directives are allowed on an inline fragment.
    """

    here: str
    definition: str | None = None
    variables: frozenset[str] = frozenset()
    inline: bool = True


@dataclass(frozen=True, slots=True)
class Fragment:
    """Selections for objects of one type (object, interface or union).

    `directives`: None if the fragment has none. `deferred`: set if its fields may be sent later.
    """

    type: str
    selections: "Selections"
    directives: FragmentDirectives | None = None
    deferred: Deferred | None = None


Selections = tuple["Field | Fragment", ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """A normalized operation.

    `root`: the name of its root type. `variables`: pairs of a variable's name and its declaration (type,
    default, directives) as text. `directives`: those on the operation itself.
    """

    kind: OperationKind
    name: str | None
    root: str
    variables: tuple[tuple[str, str], ...]
    selections: Selections
    directives: FragmentDirectives | None = None


def fields_of(selections: Selections) -> Iterator[Field]:
    """Yield the fields of a selection set, those in fragments included."""
    for item in selections:
        if isinstance(item, Field):
            yield item
        else:
            yield from fields_of(item.selections)


def print_selections(selections: Selections) -> str:
    """Return the selections as GraphQL text with braces; "" for an empty selection."""
    if not selections:
        return ""
    return "{" + " ".join(_print(item) for item in selections) + "}"


def _print(item: Field | Fragment) -> str:
    below = print_selections(item.selections)
    if isinstance(item, Fragment):
        return f"... on {item.type}{below}"
    name = item.name if item.key == item.name else f"{item.key}: {item.name}"
    arguments = ", ".join(f"{name}: {value}" for name, value in item.arguments)
    return f"{name}({arguments}){below}" if arguments else name + below
