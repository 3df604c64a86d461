"""Converts the JSON values of representations to Python types (strawberry#3809).

Example: for `keys: list[ByIsbn]`, where ByIsbn is a dataclass with `isbn: UUID` and `printed_on: date`,

    {"__typename": "Book", "isbn": "6e2...", "printedOn": "2026-05-01"}

becomes `ByIsbn(isbn=UUID("6e2..."), printed_on=date(2026, 5, 1))`.
"""

import enum
import json
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NewType

from graphql import GraphQLError
from strawberry.relay import GlobalID
from strawberry.scalars import is_scalar
from strawberry.schema import Schema
from strawberry.types.base import StrawberryList, StrawberryOptional
from strawberry.types.enum import StrawberryEnumDefinition, has_enum_definition
from strawberry.types.lazy_type import LazyType, StrawberryLazyReference
from strawberry.types.union import StrawberryUnion

from gateway.strawberry_subgraphs.records import OMITTED, REQUIRED, RecordField, maker, record_fields

CODE = "INVALID_REPRESENTATION"
SHOWN = 80  # characters of a wrong value that a message shows

Place = tuple[str | int, ...]
"""Where a value is in a representation: names of fields, and indices of lists."""

_LISTS: dict[Any, Callable[[Iterable[Any]], Any]] = {
    list: list,
    Sequence: list,
    Iterable: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
}
_NOTHING: Any = object()
_NO_NAMES: Mapping[str, str] = {}


class InvalidRepresentation(GraphQLError):
    """A value of a representation that is not of the type that the subgraph expects."""

    def __init__(self, entity: str, mismatch: "Mismatch") -> None:
        message = f"the representation of {entity} is wrong at `{mismatch.where}`: {mismatch}"
        extensions = {"code": CODE, "field": mismatch.where, "expected": mismatch.expected}
        super().__init__(message, extensions=extensions)


class Mismatch(ValueError):
    """A value that can't be converted: its place, and the type that was expected there."""

    def __init__(self, place: Place, expected: str, value: object = _NOTHING) -> None:
        found = "nothing" if value is _NOTHING else _shown(value)
        super().__init__(f"expected {expected}, found {found}")
        self.expected = expected
        self.where = ".".join(str(part) for part in place)


class Converter:
    """Converts values by the scalars, the enums and the rule of names of one schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema.schema_converter
        self.names = schema.config.name_converter

    def convert(self, value: Any, kind: Any, place: Place = (), names: Mapping[str, str] = _NO_NAMES) -> Any:
        """Return a JSON value as a Python type.

        `kind`: a type as in an annotation, or a type of strawberry. `names`: for `record_fields`. Raises
        Mismatch, or TypeError for a type to which no value can be converted.
        """
        kind = plain(kind)
        if kind is Any or kind is object:
            return value
        members = members_of(kind)
        if members is not None:
            return self._member(value, members, place, names)
        if value is None:
            raise Mismatch(place, self.name_of(kind), value)
        if (element := _element(kind)) is not None:
            return self._elements(value, kind, element, place)
        if is_scalar(kind, self.schema.scalar_registry):
            return self._scalar(value, kind, place)
        if isinstance(kind, NewType):
            return self.convert(value, kind.__supertype__, place)
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return self._enum(value, kind, place)
        fields = record_fields(kind, self.names, names)
        if fields is not None:
            return self._record(value, kind, fields, place)
        return self._mapping(value, kind, place)

    def name_of(self, kind: Any) -> str:
        """Return the name of a type for a message: in GraphQL if it has one there."""
        kind = plain(kind)
        members = members_of(kind)
        if members is not None:
            return " or ".join("null" if one is type(None) else self.name_of(one) for one in members)
        if (element := _element(kind)) is not None:
            return f"a list of {self.name_of(element)}"
        if is_scalar(kind, self.schema.scalar_registry):
            return self.schema.from_scalar(kind).name
        definition = getattr(kind, "__strawberry_definition__", None)
        name = getattr(kind, "__name__", str(kind)) if definition is None else definition.name
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return f"{name} ({', '.join(self._values(kind))})"
        return "an object" if kind is dict or typing.get_origin(kind) is dict else str(name)

    def _member(self, value: Any, members: Sequence[Any], place: Place, names: Mapping[str, str]) -> Any:
        """Return a value as the first member of a union to which it can be converted."""
        if value is None and type(None) in members:
            return None
        others = [member for member in members if member is not type(None)]
        failures = []
        for member in others:
            try:
                return self.convert(value, member, place, names)
            except Mismatch as mismatch:
                failures.append(mismatch)
        if len(failures) == 1:
            raise failures[0]
        raise Mismatch(place, " or ".join(self.name_of(member) for member in others), value)

    def _elements(self, value: Any, kind: Any, element: Any, place: Place) -> Any:
        if not isinstance(value, list):
            raise Mismatch(place, self.name_of(kind), value)
        make = _LISTS.get(typing.get_origin(kind), list)
        return make(self.convert(one, element, (*place, index)) for index, one in enumerate(value))

    def _scalar(self, value: Any, kind: Any, place: Place) -> Any:
        """Return what the scalar's `parse_value` returns."""
        try:
            parsed = self.schema.from_scalar(kind).parse_value(value)
            return GlobalID.from_id(parsed) if kind is GlobalID else parsed
        except Exception as error:
            raise Mismatch(place, self.name_of(kind), value) from error

    def _enum(self, value: Any, kind: type[enum.Enum], place: Place) -> enum.Enum:
        found = self._values(kind).get(value) if isinstance(value, str) else None
        if found is None:
            raise Mismatch(place, self.name_of(kind), value)
        return found

    def _values(self, kind: type[enum.Enum]) -> dict[str, enum.Enum]:
        """Return an enum's members by their names in GraphQL."""
        if not has_enum_definition(kind):
            return {member.name: member for member in kind}
        definition = typing.cast(Any, kind).__strawberry_definition__
        of, make = self.names.from_enum_value, typing.cast(Callable[[Any], enum.Enum], kind)
        return {of(definition, one): make(one.value) for one in definition.values}

    def _record(self, value: Any, kind: Any, fields: list[RecordField], place: Place) -> Any:
        if not isinstance(value, dict):
            raise Mismatch(place, self.name_of(kind), value)
        given = {field.attribute: self._field(value, field, place) for field in fields}
        try:
            return maker(kind)(**{name: one for name, one in given.items() if one is not OMITTED})
        except ValueError as error:  # of a class that checks its values
            raise Mismatch(place, self.name_of(kind), value) from error

    def _field(self, value: dict[str, Any], field: RecordField, place: Place) -> Any:
        here = (*place, field.name)
        if field.name not in value:
            if field.absent is not REQUIRED:
                return field.absent
            if type(None) in (members_of(plain(field.kind)) or ()):
                return None
            raise Mismatch(here, self.name_of(field.kind))
        if not field.is_settable:
            raise TypeError(
                f"a resolver computes `{'.'.join(map(str, here))}`, so an object can't be made of its value; "
                "annotate a dataclass, a TypedDict or dict"
            )
        return self.convert(value[field.name], field.kind, here)

    def _mapping(self, value: Any, kind: Any, place: Place) -> dict[str, Any]:
        if kind is not dict and typing.get_origin(kind) not in (dict, Mapping):
            raise TypeError(f"no value of a representation can be converted to {kind!r}")
        if not isinstance(value, dict):
            raise Mismatch(place, "an object", value)
        _, kind_of_values = typing.get_args(kind) or (str, Any)
        return {name: self.convert(one, kind_of_values, (*place, name)) for name, one in value.items()}


def plain(kind: Any) -> Any:
    """Return a type without what wraps it: annotations, lazy references, definitions of enums."""
    if isinstance(kind, LazyType):
        return plain(kind.resolve_type())
    if isinstance(kind, StrawberryEnumDefinition):
        return kind.wrapped_cls
    if typing.get_origin(kind) is typing.Annotated:
        first, *rest = typing.get_args(kind)
        lazy = next((one for one in rest if isinstance(one, StrawberryLazyReference)), None)
        return plain(first if lazy is None else lazy.resolve_forward_ref(first))
    return kind


def members_of(kind: Any) -> tuple[Any, ...] | None:
    """Return the members of a union or an optional type; None if the type is neither."""
    if isinstance(kind, StrawberryOptional):
        return (kind.of_type, type(None))
    if isinstance(kind, StrawberryUnion):
        return tuple(kind.types)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return typing.get_args(kind)
    return None


def _element(kind: Any) -> Any:
    """Return the type of a list's elements; None if the type is no list."""
    if isinstance(kind, StrawberryList):
        return kind.of_type
    if kind in (list, tuple, set, frozenset):
        return Any
    return typing.get_args(kind)[0] if typing.get_origin(kind) in _LISTS else None


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
