"""What the types of the settings say about a value: its kind, its range, its unit.

`read` (values), `schema` (editors) and `reference` (people) look at the types through this module only.
"""

import collections.abc
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from msgspec import Meta

from gateway.settings import Secret

REQUIRED = object()
_RANGES = {"ge": "at least {}", "gt": "greater than {}", "le": "at most {}", "lt": "less than {}"}
_UNITS = {
    "seconds": "a duration such as 30s, 500ms or 5m",
    "bytes": "a size such as 1MB or 64kB",
    "file": "a path, relative to the file's folder",
    "header": "the name of an HTTP header",
    "caller": "address, client, key, subject, claim:NAME or header:NAME",
    "root field": "a root field such as Mutation.login",
    "name": "a name of letters, digits, _ and -",
}


class Kind(NamedTuple):
    """A type without its annotations.

    - `type`: a dataclass, a scalar type or Secret. `shape`: what is around it.
    - `nullable`: whether null is valid. `meta`: descriptions and ranges, the outermost last.
    """

    type: Any
    shape: Literal["one", "list", "set", "map", "choice"]
    nullable: bool
    meta: tuple[Meta, ...]

    @property
    def description(self) -> str:
        """Return the description; "" without one."""
        return next((one.description for one in reversed(self.meta) if one.description), "")

    @property
    def unit(self) -> str | None:
        """Return the kind of text or number, a key of _UNITS; None for a value without one."""
        return next((one.extra["unit"] for one in self.meta if one.extra and "unit" in one.extra), None)

    @property
    def is_table(self) -> bool:
        """Return whether the type is a dataclass, which has settings of its own."""
        return is_dataclass(self.type) and self.type is not Secret

    def expected(self) -> str:
        """Return what is valid, for an error: "a whole number of at least 1"."""
        if self.shape == "choice":
            return "one of " + ", ".join(map(str, self.type))
        if self.shape in ("list", "set"):
            return "a list such as [a, b]"
        if self.shape == "map" or self.is_table:
            return "settings such as `name: value`"
        if self.type is Secret:
            return "a text, or `file: PATH`"
        if any(one.pattern and "http" in one.pattern for one in self.meta):
            return "a URL that begins with http:// or https://"
        words = _UNITS.get(self.unit or "") or _SCALARS[self.type]
        return ", ".join([words, *self.ranges()])

    def ranges(self) -> list[str]:
        """Return the range of a number in words: ["at least 1 and at most 9"]; [] without one."""
        limits = {name: getattr(one, name) for one in self.meta for name in _RANGES if _has(one, name)}
        words = [text.format(limits[name]) for name, text in _RANGES.items() if name in limits]
        return [" and ".join(words)] if words else []


def _has(meta: Meta, name: str) -> bool:
    return getattr(meta, name) is not None


_SCALARS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def kind_of(hint: Any) -> Kind:
    """Return the kind of a type hint. Raises TypeError for a hint that a setting can't have."""
    plain, nullable, meta = _unwrapped(hint)
    origin, arguments = get_origin(plain), get_args(plain)
    if origin is Literal:
        return Kind(arguments, "choice", nullable, meta)
    if origin in (tuple, frozenset):
        return Kind(arguments[0], "list" if origin is tuple else "set", nullable, meta)
    if origin is collections.abc.Mapping:
        return Kind(arguments[1], "map", nullable, meta)
    if plain in _SCALARS or is_dataclass(plain):
        return Kind(plain, "one", nullable, meta)
    raise TypeError(f"a setting can't have the type {plain!r}")


def _unwrapped(hint: Any) -> tuple[Any, bool, tuple[Meta, ...]]:
    """Return a hint without Annotated and `| None`, whether it had the latter, and all Meta."""
    meta: tuple[Meta, ...] = ()
    nullable = False
    while True:
        if get_origin(hint) is Annotated:
            hint, *more = get_args(hint)
            meta = (*(one for one in more if isinstance(one, Meta)), *meta)
        elif get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint):
            (hint,) = (one for one in get_args(hint) if one is not NoneType)
            nullable = True
        else:
            return hint, nullable, meta


@cache
def settings_of(table: type[Any]) -> dict[str, Any]:
    """Return the type hints of a dataclass's fields, by name."""
    return get_type_hints(table, include_extras=True)


@cache
def defaults_of(table: type[Any]) -> dict[str, Any]:
    """Return the defaults of a dataclass's fields, by name; REQUIRED for a field without one."""
    found = {}
    for item in fields(table):
        if item.default is not MISSING:
            found[item.name] = item.default
        else:
            found[item.name] = item.default_factory() if item.default_factory is not MISSING else REQUIRED
    return found
