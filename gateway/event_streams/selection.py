"""Writes what a field returns for an event, as a reply to the subgraph request of a plan.

Example: the request `subscription { b: bookingUpdated(id: "1") { uuid } }` and the value
`{"__typename": "Booking", "uuid": "{payload.id}"}` give `{"data": {"b": {"uuid": "7"}}}` for an event with
the payload `{"id": "7"}`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    parse,
)
from graphql.execution.values import VariableValues, get_argument_values

from gateway.event_streams.entries import Event, at_path

TYPENAME = "__typename"
_PLACE = re.compile(r"\{([\w.-]+)\}")


def filled(template: Any, event: Event) -> Any:
    """Return a template with values of an event in it.

    A text that is only one place, such as `{payload.id}`, becomes the value itself, whatever its type is.
    """
    if isinstance(template, Mapping):
        return {key: filled(value, event) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, event) for value in template]
    if not isinstance(template, str) or "{" not in template:
        return template
    whole = _PLACE.fullmatch(template)
    if whole is not None:
        return at_path(event, whole[1].split("."))
    return _PLACE.sub(lambda found: str(at_path(event, found[1].split(".")) or ""), template)


@dataclass(frozen=True, slots=True)
class Selected:
    """A selected field: its key in the reply, its name, and the selection of an object.

    `type`: the name of the type of an object; None for a scalar. `on`: only of objects of this type; None for
    all.
    """

    key: str
    name: str
    type: str | None
    below: "tuple[Selected, ...]"
    on: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A subscription as a plan sends it: its only field, and the values of that field's arguments."""

    field: Selected
    definition: GraphQLField
    node: FieldNode

    def values(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments' values, with defaults. `variables`: those of the request.

        Raises GraphQLError for a value that does not fit.
        """
        given = VariableValues({}, dict(variables))
        return dict(get_argument_values(self.definition, self.node, given))

    def reply(self, value: Any) -> dict[str, Any]:
        """Return the reply for a value of the field."""
        return {"data": {self.field.key: projected(value, self.field)}}


@lru_cache(maxsize=1_000)
def read_request(text: str, schema: GraphQLSchema) -> Request:
    """Return the field that a subgraph request subscribes to. `schema`: that of the supergraph.

    Raises ValueError for a request with no or several fields.
    """
    document = parse(text, no_location=True)
    fragments = {
        one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
    }
    operation = next(one for one in document.definitions if isinstance(one, OperationDefinitionNode))
    reader = _Reader(schema, fragments)
    root = schema.subscription_type
    if root is None:
        raise ValueError("the supergraph has no subscriptions")
    found = reader.selected(operation.selection_set, root, None)
    if len(found) != 1:
        raise ValueError(f"expected one field in a subscription, got {len(found)}")
    node = next(one for one in operation.selection_set.selections if isinstance(one, FieldNode))
    return Request(found[0], root.fields[found[0].name], node)


class _Reader:
    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self.schema = schema
        self.fragments = fragments

    def selected(
        self, selections: SelectionSetNode | None, parent: GraphQLNamedType, on: str | None
    ) -> tuple[Selected, ...]:
        """Return the fields of a selection set, those in fragments included."""
        found: list[Selected] = []
        for node in selections.selections if selections is not None else ():
            if isinstance(node, FieldNode):
                found.append(self._field(node, parent, on))
                continue
            inner = self.fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
            if not isinstance(inner, InlineFragmentNode | FragmentDefinitionNode):
                continue
            name = inner.type_condition.name.value if inner.type_condition is not None else parent.name
            below = self.schema.type_map.get(name, parent)
            found += self.selected(inner.selection_set, below, on if name == parent.name else name)
        return tuple(found)

    def _field(self, node: FieldNode, parent: GraphQLNamedType, on: str | None) -> Selected:
        name = node.name.value
        key = node.alias.value if node.alias is not None else name
        fields = getattr(parent, "fields", {})
        kind = get_named_type(fields[name].type) if name in fields else None
        if kind is None or not node.selection_set:
            return Selected(key, name, None if name != TYPENAME else parent.name, (), on)
        return Selected(key, name, kind.name, self.selected(node.selection_set, kind, None), on)


def projected(value: Any, field: Selected) -> Any:
    """Return the selected parts of a value."""
    if isinstance(value, list):
        return [projected(one, field) for one in value]
    if not field.below or not isinstance(value, Mapping):
        return value
    kind = value.get(TYPENAME, field.type)
    found: dict[str, Any] = {}
    for one in field.below:
        if one.on is not None and one.on != kind:
            continue
        given = kind if one.name == TYPENAME else projected(value.get(one.name), one)
        if one.key in found and isinstance(given, dict) and isinstance(found[one.key], dict):
            found[one.key] = {**found[one.key], **given}
        else:
            found[one.key] = given
    return found
