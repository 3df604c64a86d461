"""What a reference function expects of representations: which fields, and as which Python types."""

import typing
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

from graphql import FieldNode, SelectionSetNode, parse
from strawberry.annotation import StrawberryAnnotation
from strawberry.federation.schema_directives import Key
from strawberry.schema import Schema

from gateway.strawberry_subgraphs.conversion import (
    Converter,
    InvalidRepresentation,
    Mismatch,
    members_of,
    plain,
)
from gateway.strawberry_subgraphs.records import entity_fields, record_fields

_WORDS = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class Parameters:
    """The parameters of a reference function, without `cls`.

    `values`: those that are neither `info` nor `**rest`, with the values' types (Any: not annotated).
    """

    has_info: bool
    has_rest: bool
    values: Mapping[str, Any]
    required: frozenset[str]

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "Parameters":
        """Return the parameters of a function. An annotation may be a text; it is evaluated in `kind`."""
        _, *rest = signature(function).parameters.values()
        values = {one.name: one for one in rest if one.kind in _WORDS and one.name != "info"}
        return cls(
            has_info=any(one.name == "info" for one in rest),
            has_rest=any(one.kind is Parameter.VAR_KEYWORD for one in rest),
            values={name: one.annotation for name, one in values.items()},
            required=frozenset(name for name, one in values.items() if one.default is Parameter.empty),
        )

    def kind(self, name: str, function: Callable[..., Any]) -> Any:
        """Return the type of a parameter; Any if it has no annotation. Raises NameError for unknown names."""
        annotation = self.values[name]
        if annotation is Parameter.empty:
            return Any
        return StrawberryAnnotation(annotation, namespace=function.__globals__).evaluate()


class KeyPlan:
    """Makes the keys of one batch function for one entity.

    `kind`: the type of the keys: a scalar if the entity has a single key of a single field, else a class with
    the key's fields, dict, or a union of classes for several keys. Raises TypeError if it does not fit.
    """

    def __init__(self, schema: Schema, entity: type, kind: Any) -> None:
        self.entity = entity
        self.converter = Converter(schema)
        self.name: str = typing.cast(Any, entity).__strawberry_definition__.name
        self.fields = entity_fields(entity, self.converter.names)
        self.names = {field.attribute: field.name for field in self.fields.values()}
        self.kind = kind
        self.known = self._known(kind)
        self.single = None if self.known is not None else self._single()

    def key(self, representation: Mapping[str, Any]) -> tuple[Any, Hashable]:
        """Return the key of a representation, and its shape.

        Two keys of one shape have the same type and the same fields. Raises InvalidRepresentation.
        """
        try:
            key = self._converted(dict(representation))
        except Mismatch as mismatch:
            raise InvalidRepresentation(self.name, mismatch) from mismatch
        known = {self.single} if self.known is None else self.known
        return key, (type(key), frozenset(known & representation.keys()))

    def _converted(self, given: dict[str, Any]) -> Any:
        if self.single is not None:
            name = self.single
            if name not in given:
                raise Mismatch((name,), self.converter.name_of(self.kind))
            return self.converter.convert(given[name], self.kind, (name,))
        if _is_dict(self.kind):
            fields = [self.fields[name] for name in given if name in self.fields]
            convert = self.converter.convert
            return {one.attribute: convert(given[one.name], one.kind, (one.name,)) for one in fields}
        return self.converter.convert(given, self.kind, (), self.names)

    def _known(self, kind: Any) -> frozenset[str] | None:
        """Return the names of the fields that keys of a type can have; None for a scalar."""
        kind = plain(kind)
        if _is_dict(kind):
            return frozenset(self.fields)
        if (members := members_of(kind)) is not None:
            parts = [self._known(member) for member in members]
            return None if None in parts else frozenset().union(*(part for part in parts if part))
        fields = record_fields(kind, self.converter.names, self.names)
        return None if fields is None else frozenset(field.name for field in fields)

    def _single(self) -> str:
        """Return the field of the entity's only key."""
        definition = typing.cast(Any, self.entity).__strawberry_definition__
        keys = [str(one.fields) for one in definition.directives or () if isinstance(one, Key)]
        names = _field_names(keys[0]) if len(keys) == 1 else []
        if len(names) != 1:
            found = " and ".join(f"`{key}`" for key in keys) or "none"
            kind = self.converter.name_of(self.kind)
            raise TypeError(
                f"the keys of {self.name} can't be values of {kind}, since it has not one key of one field"
                f" but "
                f"{found}; annotate a dataclass, a TypedDict or dict"
            )
        return names[0]


def plans_of(schema: Schema) -> dict[Any, Any]:
    """Return the plans that were made for a schema; they live as long as it does."""
    plans: dict[Any, Any] = vars(schema).setdefault("_reference_plans", {})
    return plans


class ArgumentPlan:
    """Makes the arguments of one function that resolves a single reference.

    A parameter without an annotation, and those of `**rest`, have the type of the entity's field.
    """

    def __init__(
        self, schema: Schema, entity: type, function: Callable[..., Any], parameters: Parameters
    ) -> None:
        self.converter = Converter(schema)
        self.name: str = typing.cast(Any, entity).__strawberry_definition__.name
        self.parameters = parameters
        self.fields = entity_fields(entity, self.converter.names)
        names = {field.attribute: field.name for field in self.fields.values()}
        rule = self.converter.names.apply_naming_config
        self.attributes = {field.name: field.attribute for field in self.fields.values()}
        self.attributes |= {names.get(one) or rule(one): one for one in parameters.values}
        self.kinds = {name: self._kind(name, function) for name in self.attributes}

    def _kind(self, name: str, function: Callable[..., Any]) -> Any:
        attribute = self.attributes[name]
        known = attribute in self.parameters.values
        kind = self.parameters.kind(attribute, function) if known else Any
        return self.fields[name].kind if kind is Any and name in self.fields else kind

    def arguments(self, representation: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments for a representation. Raises InvalidRepresentation."""
        parameters, found = self.parameters, {}
        try:
            for name, value in representation.items():
                attribute = self.attributes.get(name, name)
                if attribute in parameters.values or parameters.has_rest:
                    found[attribute] = self.converter.convert(value, self.kinds.get(name, Any), (name,))
            for name, attribute in self.attributes.items():
                if attribute in parameters.required and attribute not in found:
                    raise Mismatch((name,), self.converter.name_of(self.kinds[name]))
        except Mismatch as mismatch:
            raise InvalidRepresentation(self.name, mismatch) from mismatch
        return found


def _is_dict(kind: Any) -> bool:
    """Return whether keys of a type are dictionaries of what the entity's fields are."""
    return kind is Any or kind is dict or typing.get_origin(kind) in (dict, Mapping)


def _field_names(key: str) -> list[str]:
    """Return the fields of a key's field set; of a nested one, the empty list."""
    definition = parse(f"{{ {key} }}", no_location=True).definitions[0]
    selections = typing.cast(SelectionSetNode, typing.cast(Any, definition).selection_set).selections
    fields = [one for one in selections if isinstance(one, FieldNode)]
    return [] if any(one.selection_set for one in fields) else [one.name.value for one in fields]
