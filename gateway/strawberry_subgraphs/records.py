"""The fields of the classes that can be a key or a part of it.

Such a class is a strawberry type, a dataclass, a TypedDict or a NamedTuple.
"""

import dataclasses
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import strawberry
from strawberry.schema.name_converter import NameConverter
from strawberry.types.base import StrawberryObjectDefinition, has_object_definition

REQUIRED: Any = object()
"""The value of `RecordField.absent` if a representation must have the field (unless it may be null)."""
OMITTED: Any = object()
"""The value of `RecordField.absent` if the class has a default."""

_NO_NAMES: Mapping[str, str] = {}


@dataclass(frozen=True)
class RecordField:
    """A field: its name in GraphQL, its name in Python, and its type.

    `absent`: its value if a representation lacks it, or REQUIRED, or OMITTED. `is_settable`: False if the
    class computes it by a resolver.
    """

    name: str
    attribute: str
    kind: Any
    absent: Any = REQUIRED
    is_settable: bool = True


def record_fields(
    kind: Any, converter: NameConverter, names: Mapping[str, str] = _NO_NAMES
) -> list[RecordField] | None:
    """Return the fields of a class; None if it is no class with fields.

    `names`: the names in GraphQL of some attributes. Other names follow the schema's rule, which is by
    default: `made_at` is `madeAt`.
    """
    if has_object_definition(kind):
        return _strawberry_fields(kind.__strawberry_definition__, converter)
    absences = _absences(kind)
    if absences is None:
        return None
    hints = typing.get_type_hints(kind, include_extras=True)
    return [
        RecordField(
            names.get(attribute) or converter.apply_naming_config(attribute),
            attribute,
            _without_requirement(hints[attribute]),
            absent,
        )
        for attribute, absent in absences.items()
    ]


def maker(kind: Any) -> Callable[..., Any]:
    """Return the function that makes an object of a class from its fields."""
    return dict if typing.is_typeddict(kind) else typing.cast(Callable[..., Any], kind)


def entity_fields(entity: Any, converter: NameConverter) -> dict[str, RecordField]:
    """Return the fields of a strawberry type by their names in GraphQL, those with resolvers included."""
    return {one.name: one for one in _strawberry_fields(entity.__strawberry_definition__, converter)}


def _strawberry_fields(definition: StrawberryObjectDefinition, converter: NameConverter) -> list[RecordField]:
    return [
        RecordField(
            converter.from_field(field),
            field.python_name,
            field.resolve_type(type_definition=definition),
            _absent(field, definition.is_input),
            field.init,
        )
        for field in definition.fields
    ]


def _absent(field: "dataclasses.Field[Any]", is_input: bool) -> Any:
    """Return what a field is if a representation lacks it.

    A representation has only the key's fields of an object, so the others are UNSET.
    """
    if _has_default(field) or not field.init:
        return OMITTED
    return REQUIRED if is_input else strawberry.UNSET


def _absences(kind: Any) -> dict[str, Any] | None:
    """Return for each attribute of a class that is no strawberry type what it is if it is absent."""
    if not isinstance(kind, type):
        return None
    if typing.is_typeddict(kind):
        required = typing.cast(Any, kind).__required_keys__
        return {name: REQUIRED if name in required else OMITTED for name in typing.get_type_hints(kind)}
    if dataclasses.is_dataclass(kind):
        fields = [field for field in dataclasses.fields(kind) if field.init]
        return {field.name: OMITTED if _has_default(field) else REQUIRED for field in fields}
    if issubclass(kind, tuple) and hasattr(kind, "_field_defaults"):
        names, defaults = kind.__annotations__, kind._field_defaults
        return {name: OMITTED if name in defaults else REQUIRED for name in names}
    return None


def _has_default(field: "dataclasses.Field[Any]") -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


def _without_requirement(kind: Any) -> Any:
    """Return a TypedDict's type of a field without `Required` or `NotRequired`."""
    if typing.get_origin(kind) in (typing.Required, typing.NotRequired):
        return typing.get_args(kind)[0]
    return kind
