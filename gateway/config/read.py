"""Converts the tree of a configuration to a settings dataclass, and collects every mistake on the way.

A dataclass may have a method `problems`, which yields the name of a field and a message for values that do
not fit each other; they are reported at the place of the field.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import msgspec

from gateway.config.document import Items, Node, Place, Scalar, Table
from gateway.config.types import REQUIRED, Kind, defaults_of, kind_of, settings_of
from gateway.settings import Secret

FAILED = object()
_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(kB|KB|MB|GB|KiB|MiB|GiB|B)")
_BYTES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake. `setting`: the path of the setting, such as "limits.depth"; "" for the whole file."""

    message: str
    place: Place
    setting: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.setting + ': ' if self.setting else ''}{self.message}"


@dataclass(slots=True)
class Reader:
    """Reads values. `folder`: the folder of the file, where relative paths begin."""

    folder: Path
    mistakes: list[Mistake] = field(default_factory=list)

    def table(self, node: Node, kind: Any, path: tuple[str, ...] = ()) -> Any:
        """Return a table as the dataclass `kind`, without the fields that have mistakes.

        Returns FAILED if the dataclass can't be made.
        """
        if not isinstance(node, Table):
            return self.wrong(node, "expected settings such as `name: value`", path)
        found = self.fields(node, kind, path)
        missing = [name for name, default in defaults_of(kind).items() if default is REQUIRED]
        for name in missing:
            if node.get(name) is None:
                self.wrong(node, f"the setting `{name}` is missing", path)
        if any(name not in found for name in missing):
            return FAILED
        table = kind(**found)
        for name, message in self.problems_of(table):
            self.wrong(node.get(name) or node, message, (*path, name))
        return table

    def fields(self, node: Table, kind: Any, path: tuple[str, ...]) -> dict[str, Any]:
        """Return the valid fields of a dataclass that a table has."""
        hints, found = settings_of(kind), dict[str, Any]()
        for key, value in node.entries:
            if key.text not in hints:
                self.unknown(key, hints, path)
                continue
            made = self.value(value, kind_of(hints[key.text]), (*path, key.text))
            if made is not FAILED:
                found[key.text] = made
        return found

    @staticmethod
    def problems_of(table: Any) -> Iterable[tuple[str, str]]:
        """Return what does not fit together in a dataclass: pairs of a field and a message."""
        problems = getattr(table, "problems", None)
        return problems() if problems is not None else ()

    def value(self, node: Node, kind: Kind, path: tuple[str, ...]) -> Any:
        """Return a value of this kind; FAILED after a mistake, which is then reported."""
        if isinstance(node, Scalar) and node.value is None and not node.quoted:
            if kind.nullable:
                return None
            if kind.shape == "map":
                return {}
            if kind.is_table and kind.shape == "one":
                return self.table(Table((), node.place), kind.type, path)
        if kind.shape in ("list", "set"):
            return self.items(node, kind, path)
        if kind.shape == "map":
            return self.entries(node, kind, path)
        if kind.type is Secret:
            return self.secret(node, kind, path)
        if kind.is_table:
            return self.table(node, kind.type, path)
        return self.scalar(node, kind, path)

    def items(self, node: Node, kind: Kind, path: tuple[str, ...]) -> Any:
        """Return the values of a list as a tuple or frozenset."""
        if not isinstance(node, Items):
            return self.wrong(node, f"expected {kind.expected()}, got {_shown(node)}", path)
        inner = kind_of(kind.type)
        found = [self.value(one, inner, (*path, str(index))) for index, one in enumerate(node.items)]
        if any(one is FAILED for one in found):
            return FAILED
        return tuple(found) if kind.shape == "list" else frozenset(found)

    def entries(self, node: Node, kind: Kind, path: tuple[str, ...]) -> Any:
        """Return a mapping as a dict of its values by key. `kind`: the mapping's, with the values' type."""
        if not isinstance(node, Table):
            return self.wrong(node, f"expected {kind.expected()}, got {_shown(node)}", path)
        inner = kind_of(kind.type)
        found = {key.text: self.value(one, inner, (*path, key.text)) for key, one in node.entries}
        return FAILED if any(one is FAILED for one in found.values()) else found

    def secret(self, node: Node, kind: Kind, path: tuple[str, ...]) -> Any:
        """Return a secret: a text, or the content of the file in `file: PATH` without its last line break."""
        if isinstance(node, Scalar) and isinstance(node.value, str):
            return Secret(node.value)
        if isinstance(node, Table) and [key.text for key, _ in node.entries] == ["file"]:
            place = node.entries[0][1]
            if isinstance(place, Scalar) and isinstance(place.value, str):
                return self.secret_file(place, path)
        return self.wrong(node, f"expected {kind.expected()}", path)  # a wrong value may be the secret itself

    def secret_file(self, node: Scalar, path: tuple[str, ...]) -> Any:
        """Return the secret in the file that a node names."""
        try:
            return Secret((self.folder / node.text).read_text("utf-8").rstrip("\r\n"))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            return self.wrong(node, f"the file {node.text} can't be read: {reason}", path)

    def scalar(self, node: Node, kind: Kind, path: tuple[str, ...]) -> Any:
        """Return a single value, in the unit of its kind."""
        if not isinstance(node, Scalar):
            return self.wrong(node, f"expected {kind.expected()}, got {_shown(node)}", path)
        if kind.shape == "choice":
            return self.choice(node, kind, path)
        value = _in_unit(node.value, kind) if isinstance(node.value, str) else node.value
        try:
            found = msgspec.convert(value, _annotated(kind), strict=True)
        except (msgspec.ValidationError, OverflowError):
            return self.wrong(node, f"expected {kind.expected()}, got {_shown(node)}", path)
        if kind.unit == "file":
            return str(self.folder / found)
        return found.lower() if kind.unit == "header" else found

    def choice(self, node: Scalar, kind: Kind, path: tuple[str, ...]) -> Any:
        """Return a value that must be one of several, as it is written: YAML reads `off` as false."""
        if node.text in kind.type:
            return node.text
        near = get_close_matches(str(node.value), [str(one) for one in kind.type], 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return self.wrong(node, f"expected {kind.expected()}, got {_shown(node)}{hint}", path)

    def unknown(self, key: Scalar, known: Iterable[str], path: tuple[str, ...]) -> None:
        """Report a setting that does not exist, with the nearest one that does."""
        names = list(known)
        near = get_close_matches(key.text, names, 1, 0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"expected one of {', '.join(names)}"
        self.wrong(key, f"there is no such setting; {hint}", (*path, key.text))

    def wrong(self, node: Node, message: str, path: tuple[str, ...]) -> Any:
        """Report a mistake at a node, unless one is reported there already; return FAILED."""
        if any(one.place == node.place for one in self.mistakes):
            return FAILED
        self.mistakes.append(Mistake(message, node.place, ".".join(path)))
        return FAILED


def _annotated(kind: Kind) -> Any:
    """Return the type of a kind with its ranges, as msgspec checks them."""
    hint = kind.type
    for one in kind.meta:
        hint = Annotated[hint, one]
    return hint


def _in_unit(text: str, kind: Kind) -> str | int | float:
    """Return `30s` as 30.0 and `1MB` as 1,000,000; any other text unchanged."""
    if kind.unit == "seconds" and (found := _DURATION.fullmatch(text)):
        return float(found[1]) * _SECONDS[found[2]]
    if kind.unit == "bytes" and (found := _SIZE.fullmatch(text)):
        return int(float(found[1]) * _BYTES[found[2]])
    return text


def _shown(node: Node) -> str:
    """Return a node for an error message, shortened."""
    if isinstance(node, Items):
        return "a list"
    if isinstance(node, Table):
        return "a mapping"
    return "nothing" if node.value is None else f"{node.text[:60]!r}"


def lines_of(mistakes: Iterable[Mistake]) -> Iterator[str]:
    """Yield a line for each mistake, in the order of the file."""
    ordered = sorted(mistakes, key=lambda one: (one.place.variable or "", one.place.line, one.place.column))
    yield from map(str, dict.fromkeys(ordered))
