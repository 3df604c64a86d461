"""The merged tree becomes the answer.

The operation's fields in its order, nulls where they must be (GraphQL spec, 6.4.4).

The tree holds more than was asked (keys, inputs) and may lack what failed. A null in a non-null position
takes its parent with it, up to the nearest nullable one; when no subgraph explained it, an error at its path
does.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from graphql import GraphQLEnumType, GraphQLObjectType, is_composite_type

from gateway.core.failure import Failure
from gateway.request.operation import Field, Fragment, Operation, Selections, fields_of
from gateway.shape.introspect import INTROSPECTION, NESTED
from gateway.supergraph.model import Supergraph
from gateway.supergraph.scalars import SCALARS

Path = tuple[str | int, ...]


class _Null(Exception):
    """A null on its way up to the nearest nullable position."""


class Projector:
    """Projects answers of one operation; what depends on the operation alone is worked out once."""

    def __init__(self, supergraph: Supergraph, operation: Operation) -> None:
        self.schema = supergraph.api
        self.operation = operation
        self._collected: dict[tuple[int, str | None], tuple[Field, ...]] = {}
        self._alive: list[Selections] = []
        self.possible = supergraph.shown

    def project(self, data: dict[str, Any], errors: list[dict[str, Any]]) -> dict[str, Any] | None:
        """The answer's `data`; errors of failures and of unexplained nulls are added to `errors`."""
        for error in [error for error in errors if "path" in error]:
            path = self.visible(error.pop("path"), data)
            if path is None:
                errors.remove(error)
            else:
                error.update({"path": path} if path else {})
        run = _Run(self, errors, data.get(NESTED, {}))
        try:
            return run.object(self.operation.selections, self.operation.root, data, ())
        except _Null:
            return None

    def is_lost(self, data: dict[str, Any], keys: Collection[str], errors: Sequence[dict[str, Any]]) -> bool:
        """Whether one of these root fields makes the whole answer null, whatever else comes."""
        run = _Run(self, [dict(error) for error in errors], {})
        try:
            for item in self.collected(self.operation.selections, self.operation.root):
                if item.key in keys:
                    run.complete(item, item.type, data.get(item.key), (item.key,))
        except _Null:
            return True
        return False

    def visible(self, path: list[str | int], data: Any) -> list[str | int] | None:
        """A path as far as the client's own keys go.

        An error in what only the planner asked for is one of the object. None where the client asked for the
        key, but of objects of another type, here or further up: what failed there is no part of the answer.
        """
        here = anywhere = self.operation.selections
        for index, step in enumerate(path):
            if isinstance(step, str):
                wide = [item for item in fields_of(anywhere) if item.key == step]
                found = self.below(here, step, data)
                if found is None:
                    return None if wide else path[:index]
                here, anywhere = found, tuple(below for item in wide for below in item.selections)
                data = data.get(step) if isinstance(data, dict) else None
            else:
                data = data[step] if isinstance(data, list) and -1 < step < len(data) else None
        return path

    def below(self, selections: Selections, key: str, data: Any) -> Selections | None:
        """What is asked for below a key of this object, as far as its run-time type is known.

        None where the key is not asked for.
        """
        typename = data.get("__typename") if isinstance(data, dict) else None
        fields: dict[str, Field] = {}
        if isinstance(typename, str) or not any(isinstance(item, Fragment) for item in selections):
            self._collect(selections, typename if isinstance(typename, str) else None, fields)
            return fields[key].selections if key in fields else None
        found = [item for item in fields_of(selections) if item.key == key]
        return tuple(below for item in found for below in item.selections) if found else None

    def collected(self, selections: Selections, typename: str | None) -> tuple[Field, ...]:
        """The fields for an object of this type, each key once (GraphQL spec, CollectFields)."""
        key = (id(selections), typename)
        if key not in self._collected:
            fields: dict[str, Field] = {}
            self._collect(selections, typename, fields)
            self._alive.append(selections)
            self._collected[key] = tuple(fields.values())
        return self._collected[key]

    def _collect(self, selections: Selections, typename: str | None, into: dict[str, Field]) -> None:
        for item in selections:
            if isinstance(item, Fragment):
                if typename is not None and typename in self.possible.of(item.type):
                    self._collect(item.selections, typename, into)
            elif item.key in into:
                first = into[item.key]
                into[item.key] = replace(first, selections=(*first.selections, *item.selections))
            else:
                into[item.key] = item


def needs_type(selections: Selections) -> bool:
    """Whether a selection can only be answered for a known run-time type."""
    return any(isinstance(item, Fragment) or item.name == "__typename" for item in selections)


class _Run:
    """One projection."""

    def __init__(self, projector: Projector, errors: list[dict[str, Any]], nested: Mapping[int, Any]) -> None:
        self.projector = projector
        self.nested = nested
        self.errors = errors
        self.explained = {
            tuple(error["path"][:end])
            for error in errors
            if "path" in error
            for end in range(len(error["path"]) + 1)
        }
        self.exact = {tuple(error["path"]) for error in errors if "path" in error}
        self.unplaced = any("path" not in error for error in errors)

    def object(self, selections: Selections, static: str, data: dict[str, Any], path: Path) -> dict[str, Any]:
        """One object."""
        typename = self.typename(static, data)
        out: dict[str, Any] = {}
        for item in self.projector.collected(selections, typename):
            if item.name == "__typename":
                out[item.key] = typename or data.get(item.key)
            else:
                where = (*path, item.key)
                value = (
                    data.get(item.key)
                    if not (path and item.name in INTROSPECTION)
                    else self.nested.get(id(item))
                )
                out[item.key] = self.complete(item, self.type_for(item, typename), value, where)
        return out

    def typename(self, static: str, data: dict[str, Any]) -> str | None:
        """An object's run-time type; None when nobody said it."""
        kind = self.projector.schema.type_map.get(static)
        if isinstance(kind, GraphQLObjectType):
            return static
        found = data.get("__typename")
        return found if isinstance(found, str) else None

    def type_for(self, item: Field, typename: str | None) -> str:
        """The field's type; an object type may promise more than the interface that it was asked on."""
        if typename is None or typename == item.parent:
            return item.type
        kind = self.projector.schema.type_map.get(typename)
        definition = kind.fields.get(item.name) if isinstance(kind, GraphQLObjectType) else None
        return str(definition.type) if definition else item.type

    def complete(self, item: Field, reference: str, value: Any, path: Path) -> Any:
        """A value of some type (GraphQL spec, CompleteValue)."""
        if reference.endswith("!"):
            result = self.complete(item, reference[:-1], value, path)
            if result is None:
                self.explain(item, path)
                raise _Null
            return result
        try:
            return self.nullable(item, reference, value, path)
        except _Null:
            return None

    def nullable(self, item: Field, reference: str, value: Any, path: Path) -> Any:
        """A value where null may stand."""
        if value is None:
            return None
        if isinstance(value, Failure):
            if not value.quiet:
                self.report(value.error(path), path)
            return None
        if reference.startswith("["):
            if not isinstance(value, list):
                return self.wrong(item, "a list", path)
            inner = reference[1:-1]
            return [self.complete(item, inner, one, (*path, index)) for index, one in enumerate(value)]
        if item.selections or is_composite_type(self.projector.schema.type_map.get(reference)):
            if not isinstance(value, dict):
                return self.wrong(item, "an object", path)
            typename = self.typename(reference, value)
            if typename is not None and typename not in self.projector.possible.of(reference):
                return self.out_of_place(item, path)
            if typename is None and needs_type(item.selections):
                return self.untyped(item, path)
            return self.object(item.selections, reference, value, path)
        return self.leaf(item, reference, value, path)

    def out_of_place(self, item: Field, path: Path) -> None:
        """An object of a type that clients may not see, or that can't stand here, is null with an error.

        The error does not name the type, which may be hidden.
        """
        message = f"the object for {item.parent}.{item.name} is of a type that the schema does not have here"
        if path not in self.explained:
            self.report(
                {"message": message, "path": list(path), "extensions": {"code": "SUBGRAPH_WRONG_VALUE"}}, path
            )

    def untyped(self, item: Field, path: Path) -> None:
        """An object of which nobody said what it is can't be answered by type.

        Null, with an error unless one explains it.
        """
        if path not in self.explained:
            message = f"no subgraph said which type {item.parent}.{item.name} has"
            self.report(
                {"message": message, "path": list(path), "extensions": {"code": "SUBGRAPH_BAD_RESPONSE"}},
                path,
            )

    def leaf(self, item: Field, reference: str, value: Any, path: Path) -> Any:
        """A scalar or an enum value; custom scalars pass as they are."""
        scalar = SCALARS.get(reference)
        if scalar is not None:
            if not scalar.accepts(value):
                return self.wrong(item, f"a valid {reference}", path)
            return scalar.written(value)
        kind = self.projector.schema.type_map.get(reference)
        if isinstance(kind, GraphQLEnumType) and (not isinstance(value, str) or value not in kind.values):
            return self.wrong(item, f"a value of {reference}", path)
        return value

    def wrong(self, item: Field, wanted: str, path: Path) -> None:
        """A value that does not fit its type is null, with an error."""
        message = f"{item.parent}.{item.name} was to be {wanted}"
        self.report(
            {"message": message, "path": list(path), "extensions": {"code": "SUBGRAPH_WRONG_VALUE"}}, path
        )

    def explain(self, item: Field, path: Path) -> None:
        """Say why a null went up, unless an error did."""
        if (
            path in self.explained
            or self.unplaced
            or any(path[:end] in self.exact for end in range(len(path)))
        ):
            return
        message = f"null came for {item.parent}.{item.name}, which can't be null"
        self.report(
            {"message": message, "path": list(path), "extensions": {"code": "NULL_IN_NON_NULL"}}, path
        )

    def report(self, error: dict[str, Any], path: Path) -> None:
        """Add an error."""
        self.errors.append(error)
        self.exact.add(path)
        self.explained.update(path[:end] for end in range(len(path) + 1))
