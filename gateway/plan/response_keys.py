"""The response keys that an operation uses at each place, and unused keys for fields that the planner adds.

The planner adds key fields and @requires inputs, whose names the client may use for other fields.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gateway.request.operation import Field, Fragment, Selections

Arguments = tuple[tuple[str, str], ...]
Meaning = tuple[str, Arguments, tuple[str, ...]]
PossibleTypes = Mapping[str, frozenset[str]]


@dataclass(slots=True, eq=False)
class ResponseKeys:
    """The response keys at one place, whatever the type conditions.

    - `keys`: for each key the distinct fields that use it, as (name, arguments, directives).
    - `selected`: for each key the selections of its fields, one for each use.
    - `client_types`: for each key of the client's operation the object types on which it is selected.
    - `children`: the response keys at the places of composite fields.
    """

    keys: dict[str, set[Meaning]] = field(default_factory=dict)
    selected: dict[str, list[Selections]] = field(default_factory=dict)
    client_types: dict[str, frozenset[str]] = field(default_factory=dict)
    children: "dict[str, ResponseKeys]" = field(default_factory=dict)

    def child(self, key: str) -> "ResponseKeys":
        """Return the response keys at the place of the field with this key."""
        return self.children.setdefault(key, ResponseKeys())

    def add_client_field(self, item: Field, types: frozenset[str]) -> None:
        """Add a field that the client's operation selects on objects of these types."""
        self.keys.setdefault(item.key, set()).add((item.name, item.arguments, item.directives))
        self.selected.setdefault(item.key, []).append(item.selections)
        self.client_types[item.key] = self.client_types.get(item.key, frozenset()) | types

    def is_ambiguous(self, key: str) -> bool:
        """Return whether a key stands for fields that differ in name, arguments or directives."""
        return len(self.keys.get(key, ())) > 1

    def key_for(self, item: Field, may_share_key: Callable[[str, Selections], bool]) -> str:
        """Return the key for a field that a representation needs.

        It is the field's name if the client uses that key for the same field without directives (a directive
        may change the value) or not at all, else an unused key such as `_id_1`. `may_share_key(key,
        selections)` decides whether the field may use a key under which other selections exist already.
        """
        meaning: set[Meaning] = {(item.name, item.arguments, ())}
        for key in self._candidates(item.name):
            known = self.selected.setdefault(key, [])
            if self.keys.get(key, meaning) != meaning:
                continue
            if item.selections in known or all(may_share_key(key, one) for one in known):
                self.keys[key] = meaning
                known.append(item.selections)
                return key
        raise AssertionError("unreachable: the candidate keys are endless")

    @staticmethod
    def _candidates(name: str) -> Iterator[str]:
        yield name
        number = 0
        while True:
            number += 1
            yield f"_{name}_{number}"


def names_of(root: str, selections: Selections, possible: PossibleTypes) -> ResponseKeys:
    """Return the response keys of an operation's root selection, those of all places below included.

    `possible`: the object types of each type.
    """
    names = ResponseKeys()
    _add_client_fields(names, selections, frozenset({root}), possible)
    return names


def _add_client_fields(
    names: ResponseKeys,
    selections: Iterable[Field | Fragment],
    types: frozenset[str],
    possible: PossibleTypes,
) -> None:
    for item in selections:
        if isinstance(item, Fragment):
            narrowed = types & possible.get(item.type, frozenset())
            _add_client_fields(names, item.selections, narrowed, possible)
            continue
        names.add_client_field(item, types)
        below = possible.get(item.type_name, frozenset())
        _add_client_fields(names.child(item.key), item.selections, below, possible)
