"""The keys that an operation uses at each place of its answer, and free ones for what the planner adds."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from gateway.request.operation import Field, Fragment, Selections

Arguments = tuple[tuple[str, str], ...]
Meaning = tuple[str, Arguments, tuple[str, ...]]


@dataclass(slots=True, eq=False)
class ResponseKeys:
    """The keys taken at one place of the answer, over all type conditions.

    What each stands for (name, arguments, directives), what is selected below it by each that uses it, and
    the names below it.
    """

    keys: dict[str, set[Meaning]] = field(default_factory=dict)
    selected: dict[str, list[Selections]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    children: "dict[str, ResponseKeys]" = field(default_factory=dict)

    def child(self, key: str) -> "ResponseKeys":
        """The names below a key."""
        return self.children.setdefault(key, ResponseKeys())

    def take(self, item: Field) -> None:
        """Note that the client's operation uses a key."""
        self.keys.setdefault(item.key, set()).add((item.name, item.arguments, item.directives))
        self.selected.setdefault(item.key, []).append(item.selections)
        self.asked.add(item.key)

    def inner(self, item: Field, may_share: Callable[[str, Selections], bool]) -> str:
        """A key for a field that the planner needs.

        The client's own where it is the same field without directives (which may change its value), else a
        free one. `may_share` says whether a key may be shared with what is selected below it already.
        """
        meaning: set[Meaning] = {(item.name, item.arguments, ())}
        for key in self._candidates(item.name):
            known = self.selected.setdefault(key, [])
            if self.keys.get(key, meaning) != meaning:
                continue
            if item.selections in known or all(may_share(key, one) for one in known):
                self.keys[key] = meaning
                known.append(item.selections)
                return key
        raise AssertionError("candidates never end")

    @staticmethod
    def _candidates(name: str) -> Iterator[str]:
        yield name
        number = 0
        while True:
            number += 1
            yield f"_{name}_{number}"


def names_of(selections: Selections) -> ResponseKeys:
    """The keys that an operation uses, at every place of its answer."""
    names = ResponseKeys()
    _take(names, selections)
    return names


def _take(names: ResponseKeys, selections: Iterable[Field | Fragment]) -> None:
    for item in selections:
        if isinstance(item, Fragment):
            _take(names, item.selections)
        else:
            names.take(item)
            _take(names.child(item.key), item.selections)
