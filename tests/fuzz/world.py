"""The data behind the monolith and all subgraphs: objects, the values of their fields, and which fields fail.

A field's value is the one in the data, changed by its arguments and by its @requires inputs, so that a wrong
argument or a wrong input is visible in the response. A mutation's value also depends on the number of
mutations before it.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    get_named_type,
    is_composite_type,
    print_ast,
)
from graphql.execution.values import get_argument_values
from graphql.language import FieldNode, InlineFragmentNode, SelectionSetNode


class Lacking(GraphQLError):
    """A field has no value, because it lacks an input."""


class _Null(Exception):
    """Raised for a null that propagates to the nearest nullable value."""


Data = Mapping[str, Sequence[Mapping[str, Any]]]
Requirements = Mapping[tuple[str, str], SelectionSetNode]
Contexts = Mapping[tuple[str, str], Mapping[str, tuple[str, SelectionSetNode]]]
MISSING = object()


@dataclass(frozen=True, slots=True)
class Fault:
    """A field of one object that fails.

    `kind`: "error", "null", or "item" for a null in the first place of its list.
    """

    object: str
    field: str
    kind: str


@dataclass(frozen=True, slots=True)
class Node:
    """An object during an execution.

    `face`: its type for a subgraph that has only an interface object. `above`: the enclosing object.
    """

    kind: str
    index: int
    face: str = ""
    provided: SelectionSetNode | None = None
    representation: Mapping[str, Any] | None = None
    above: "Node | None" = None

    @property
    def name(self) -> str:
        """Return the object's name in data and faults: "E0/3"."""
        return f"{self.kind}/{self.index}"


@dataclass(slots=True)
class World:
    """The data with the monolith's schema, and what is active in an execution.

    - `requirements`: the @requires inputs of fields. `contexts`, `setters`: the context arguments, and their
      types.
    - `unknown`: objects that subgraphs do not have ("s1 E0/2"). `mutations`: the number of executed mutation
      fields.
    - `spelling`: whether 169.0 is another input than 169, as for a gateway that preserves the text of
      numbers; gateways in JavaScript can't.
    """

    schema: GraphQLSchema
    data: Data
    requirements: Requirements
    faults: Mapping[tuple[str, str], str] = field(default_factory=dict)
    contexts: Contexts = field(default_factory=dict)
    setters: Mapping[str, set[str]] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    spelling: bool = True
    mutations: int = 0
    touched: set[tuple[str, str]] = field(default_factory=set)
    _found: dict[tuple[str, str], dict[str, Node]] = field(default_factory=dict)

    def begin(
        self, faults: Sequence[Fault] = (), labels: Collection[str] = (), unknown: Collection[str] = ()
    ) -> None:
        """Reset the state before each execution, and set what is active in it."""
        self.labels = frozenset(labels)
        self.unknown = frozenset(unknown)
        self.mutations = 0
        self.touched.clear()
        self.faults = {(one.object, one.field): one.kind for one in faults}

    def value(self, node: Node, name: str, arguments: Mapping[str, Any], inputs: Any = None) -> Any:
        """Return the value of a field of an object, objects as nodes.

        Raises the error of an injected fault.
        """
        self.touched.add((node.kind, name))
        fault = self.faults.get((node.name, name))
        if node.kind == "Mutation":
            self.mutations += 1
            arguments = {**arguments, " before": self.mutations}
        if fault == "error":
            raise GraphQLError(f"{node.name}.{name} fails")
        reference = self.object_type(node.kind).fields[name].type
        raw = None if fault == "null" else self.data[node.kind][node.index][name]
        if arguments or inputs is not None:
            text = json.dumps([arguments, inputs if self.spelling else _plain(inputs)], sort_keys=True)
            raw = self._stir(
                raw, int(hashlib.blake2s(text.encode(), digest_size=4).hexdigest(), 16), reference
            )
        value = _nodes(raw) if is_composite_type(get_named_type(reference)) else raw
        return [None, *value[1:]] if fault == "item" and isinstance(value, list) else value

    def object_type(self, kind: str) -> GraphQLObjectType:
        """Return an object type of the monolith."""
        found = self.schema.type_map[kind]
        assert isinstance(found, GraphQLObjectType)
        return found

    def _stir(self, raw: Any, token: int, reference: Any) -> Any:
        if raw is None:
            return None
        if isinstance(raw, list):
            return [self._stir(item, token + place, reference) for place, item in enumerate(raw)]
        named = get_named_type(reference)
        if is_composite_type(named):
            kind, _, index = raw.partition("/")
            return f"{kind}/{(int(index) + token) % len(self.data[kind])}"
        if isinstance(named, GraphQLEnumType):
            values = list(named.values)
            return values[(values.index(raw) + token) % len(values)]
        if isinstance(raw, bool):
            return raw ^ bool(token % 2)
        if isinstance(raw, int) and raw >= 2**64:
            return raw + token % 1000
        return (raw + token) % 1000 if isinstance(raw, int | float) else f"{raw}~{token % 10000}"

    def marks(self, info: GraphQLResolveInfo[Any]) -> dict[str, Any]:
        """Return the directives of a field's nodes, as an argument that changes its value."""
        found = {
            print_ast(one)
            for node in info.field_nodes
            for one in node.directives or ()
            if one.name.value == "mark"
        }
        return {" marks": sorted(found)} if found else {}

    def from_contexts(self, node: Node, name: str) -> dict[str, Any]:
        """Return the arguments of a field that come from the nearest enclosing object that sets their
        context.
        """
        given = {}
        for argument, (context, wanted) in self.contexts.get((node.kind, name), {}).items():
            above = node.above
            while above is not None and above.kind not in self.setters[context]:
                above = above.above
            if above is not None:
                given[argument] = next(iter(self.project(above, wanted).values()))
        return given

    def inputs(self, node: Node, name: str) -> Any:
        """Return the true @requires inputs of a field; None if it has none.

        Raises Lacking if a non-null input is null: then the field has no value.
        """
        wanted = self.requirements.get((node.kind, name))
        try:
            return None if wanted is None else self._read(node, wanted)
        except _Null:
            raise Lacking(f"{node.name}.{name} fails for want of an input") from None

    def _read(self, node: Node, wanted: SelectionSetNode) -> dict[str, Any]:
        """Return what a field set selects on an object, with GraphQL's null propagation. Raises _Null."""
        found: dict[str, Any] = {}
        for item in wanted.selections:
            if isinstance(item, InlineFragmentNode):
                if item.type_condition is None or item.type_condition.name.value == node.kind:
                    found.update(self._read(node, item.selection_set))
            elif isinstance(item, FieldNode) and item.name.value == "__typename":
                found["__typename"] = node.kind
            elif isinstance(item, FieldNode):
                name = item.name.value
                field = self.object_type(node.kind).fields[name]
                try:
                    value = self.value(node, name, get_argument_values(field, item), self.inputs(node, name))
                except GraphQLError:
                    value = None
                found[name] = self._completed(value, field.type, item)
        return found

    def _completed(self, value: Any, reference: Any, item: FieldNode) -> Any:
        """Return a value of a type, with GraphQL's null propagation. Raises _Null."""
        if isinstance(reference, GraphQLNonNull):
            done = self._completed(value, reference.of_type, item)
            if done is None:
                raise _Null
            return done
        try:
            if isinstance(value, list):
                return [self._completed(one, reference.of_type, item) for one in value]
            if isinstance(value, Node) and item.selection_set:
                return self._read(value, item.selection_set)
        except _Null:
            return None
        return value

    def project(self, node: Node, wanted: SelectionSetNode) -> dict[str, Any]:
        """Return what a field set selects on an object; what fails is null, as gateways send it."""
        found: dict[str, Any] = {}
        for item in wanted.selections:
            if isinstance(item, InlineFragmentNode):
                if item.type_condition is None or item.type_condition.name.value == node.kind:
                    found.update(self.project(node, item.selection_set))
            elif isinstance(item, FieldNode):
                typename = item.name.value == "__typename"
                found[item.name.value] = node.kind if typename else self._projected(node, item)
        return found

    def _projected(self, node: Node, item: FieldNode) -> Any:
        name = item.name.value
        arguments = get_argument_values(self.object_type(node.kind).fields[name], item)
        try:
            return self._below(self.value(node, name, arguments, self.inputs(node, name)), item)
        except GraphQLError:
            return None

    def _below(self, value: Any, item: FieldNode) -> Any:
        if isinstance(value, list):
            return [self._below(one, item) for one in value]
        return (
            self.project(value, item.selection_set)
            if isinstance(value, Node) and item.selection_set
            else value
        )

    def failing_input(self, node: Node, wanted: SelectionSetNode) -> bool:
        """Return whether anything that a field set selects fails."""
        for item in wanted.selections:
            if isinstance(item, InlineFragmentNode):
                applies = item.type_condition is None or item.type_condition.name.value == node.kind
                if applies and self.failing_input(node, item.selection_set):
                    return True
            elif isinstance(item, FieldNode) and self._fails(node, item):
                return True
        return False

    def _fails(self, node: Node, item: FieldNode) -> bool:
        name = item.name.value
        if name == "__typename":
            return False
        deeper = self.requirements.get((node.kind, name))
        if deeper is not None and self.failing_input(node, deeper):
            return True
        arguments = get_argument_values(self.object_type(node.kind).fields[name], item)
        try:
            value = self.value(node, name, arguments, self.inputs(node, name))
        except GraphQLError:
            return True
        if _violates(value, self.object_type(node.kind).fields[name].type):
            return True
        below = item.selection_set
        return below is not None and any(self.failing_input(one, below) for one in _flat(value))

    def find(
        self, kinds: Sequence[str], key: str, wanted: SelectionSetNode, given: Mapping[str, Any]
    ) -> Node | None:
        """Return the object of one of these types that has the given key; None if there is none."""
        place = (",".join(kinds), key)
        if place not in self._found:
            nodes = [Node(kind, index) for kind in kinds for index in range(len(self.data[kind]))]
            faults, self.faults = self.faults, {}
            self._found[place] = {_mark(self.project(node, wanted)): node for node in nodes}
            self.faults = faults
        return self._found[place].get(_mark(restricted(given, wanted)))


def _violates(value: Any, reference: Any) -> bool:
    """Return whether a value has a null where its type forbids it."""
    if isinstance(reference, GraphQLNonNull):
        return value is None or _violates(value, reference.of_type)
    return isinstance(value, list) and any(_violates(one, reference.of_type) for one in value)


def restricted(given: Any, wanted: SelectionSetNode) -> Any:
    """Return what a field set selects on a representation; MISSING if a field is absent."""
    if isinstance(given, list):
        out = [restricted(item, wanted) for item in given]
        return MISSING if any(item is MISSING for item in out) else out
    if not isinstance(given, dict):
        return given
    found: dict[str, Any] = {}
    for item in wanted.selections:
        if isinstance(item, InlineFragmentNode):
            if item.type_condition is None or item.type_condition.name.value == given.get("__typename"):
                below = restricted(given, item.selection_set)
                if below is MISSING:
                    return MISSING
                found.update(below)
        elif isinstance(item, FieldNode):
            value = given.get(item.name.value, MISSING)
            if item.selection_set:
                value = restricted(value, item.selection_set)
            if value is MISSING:
                return MISSING
            found[item.name.value] = value
    return found


def _plain(value: Any) -> Any:
    """Return a value with 169 instead of 169.0."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _nodes(raw: Any) -> Any:
    if isinstance(raw, list):
        return [_nodes(item) for item in raw]
    if raw is None:
        return None
    kind, _, index = raw.partition("/")
    return Node(kind, int(index))


def _flat(value: Any) -> list[Node]:
    if isinstance(value, list):
        return [node for item in value for node in _flat(item)]
    return [value] if isinstance(value, Node) else []


def dressed(value: Any, **along: Any) -> Any:
    """Return objects with further attributes set."""
    if isinstance(value, list):
        return [dressed(item, **along) for item in value]
    return replace(value, **along) if isinstance(value, Node) else value


def _mark(value: Any) -> str:
    return "" if value is MISSING else json.dumps(value, sort_keys=True)
