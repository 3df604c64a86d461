"""The normalised operation: what the client asks, without fragments spreads, conditions and repetitions.

Frozen.

Arguments are GraphQL text, variables in them by name. Conditions (@skip, @include) are settled before: an
operation is normalised for given values of the variables in its conditions. Other directives are kept as
text, for the subgraphs.

Example: `{ a @x { b } a { c } ...F @y } fragment F on Query { d }` becomes the field `a` with the directives
`("@x", "")` (one text for each of its two nodes) and the selections b and c, and a fragment around d with
`FragmentDirectives("@y", "")`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

OperationKind = Literal["query", "mutation", "subscription"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the answer: `key` is its name there, `type` a type reference of the API schema.

    `directives`: the directives of each of its nodes as text, every distinct text once; empty when no node
    has any. `variables` are those in arguments and directives.
    """

    key: str
    name: str
    parent: str
    type: str
    arguments: tuple[tuple[str, str], ...] = ()
    variables: frozenset[str] = frozenset()
    selections: "Selections" = ()
    directives: tuple[str, ...] = ()

    @property
    def type_name(self) -> str:
        """The name of the field's type without lists and non-null."""
        return self.type.strip("[]!")


@dataclass(frozen=True, slots=True)
class FragmentDirectives:
    """The directives of a fragment as text: where it is used (`here`), and at its definition.

    `definition` is None for an inline fragment, and empty for a definition without directives. `inline`: the
    directives may stand at an inline fragment.
    """

    here: str
    definition: str | None = None
    variables: frozenset[str] = frozenset()
    inline: bool = True


@dataclass(frozen=True, slots=True)
class Fragment:
    """Selections for objects of one type (an object type, an interface or a union).

    `directives` are None for a fragment without directives.
    """

    type: str
    selections: "Selections"
    directives: FragmentDirectives | None = None


Selections = tuple["Field | Fragment", ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """A normalised operation.

    `variables`: pairs of a variable's name and its declaration (type, default, directives) as text.
    `directives`: those on the operation itself.
    """

    kind: OperationKind
    name: str | None
    root: str
    variables: tuple[tuple[str, str], ...]
    selections: Selections
    directives: FragmentDirectives | None = None


def fields_of(selections: Selections) -> Iterator[Field]:
    """The fields of one level, those in fragments included."""
    for item in selections:
        if isinstance(item, Field):
            yield item
        else:
            yield from fields_of(item.selections)


def print_selections(selections: Selections) -> str:
    """The selections as GraphQL text, braces included; nothing for none."""
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
