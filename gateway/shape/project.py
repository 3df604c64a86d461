"""Projection: turns the merged response into the response's `data`, in the client's order.

The merged response also has fields that only the plan needs (key fields, inputs), and may lack failed fields.
A null in a non-null position makes its parent null, up to the nearest nullable value (GraphQL spec, 6.4.4).
If no subgraph has reported an error there, an error is added with its path.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from graphql import GraphQLEnumType, GraphQLObjectType, is_composite_type

from gateway.core.failure import Failure
from gateway.core.jsontext import encode_json
from gateway.request.operation import Field, Fragment, Operation, Selections, fields_of
from gateway.shape.introspect import INTROSPECTION, NESTED
from gateway.supergraph.model import Supergraph
from gateway.supergraph.scalars import SCALARS

Path = tuple[str | int, ...]


class _Null(Exception):
    """Raised for a null that propagates to the nearest nullable position."""


class Projector:
    """Projects the data of one operation. What depends on the operation alone is computed once."""

    def __init__(self, supergraph: Supergraph, operation: Operation) -> None:
        self.schema = supergraph.api
        self.operation = operation
        self._collected: dict[tuple[int, str | None], tuple[Field, ...]] = {}
        self._alive: list[Selections] = []
        self.possible = supergraph.shown

    def project(self, data: dict[str, Any], errors: list[dict[str, Any]]) -> dict[str, Any] | None:
        """Return the response's `data`; None if it is null as a whole.

        `errors`: entries for the response. Errors for failures and unexplained nulls are added; paths that
        the client did not select are shortened, or the error is removed (see `visible`).
        """
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

    def is_null(self, data: dict[str, Any], keys: Collection[str], errors: Sequence[dict[str, Any]]) -> bool:
        """Return whether one of the root fields `keys` makes the whole data null, whatever the other fields
        are.
        """
        run = _Run(self, [dict(error) for error in errors], {})
        try:
            for item in self.collected(self.operation.selections, self.operation.root):
                if item.key in keys:
                    run.complete(item, item.type, data.get(item.key), (item.key,))
        except _Null:
            return True
        return False

    def visible(self, path: list[str | int], data: Any) -> list[str | int] | None:
        """Return an error's path, as far as the client selected its keys.

        An error in a field that only the plan needs becomes an error of its object. None if the client
        selected the key only on other types: the failed field is not part of the response.
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
        """Return the selections of the field `key` of an object; None if the key is not selected.

        If the object's run-time type is not known, the selections in all fragments count.
        """
        typename = data.get("__typename") if isinstance(data, dict) else None
        fields: dict[str, Field] = {}
        if isinstance(typename, str) or not any(isinstance(item, Fragment) for item in selections):
            self._collect(selections, typename if isinstance(typename, str) else None, fields)
            return fields[key].selections if key in fields else None
        found = [item for item in fields_of(selections) if item.key == key]
        return tuple(below for item in found for below in item.selections) if found else None

    def collected(self, selections: Selections, typename: str | None) -> tuple[Field, ...]:
        """Return the fields to project for an object of this type, each key once (GraphQL spec,
        CollectFields).
        """
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
                denied = first.denied and item.denied  # a field is shown if any of its selections is allowed
                merged = (*first.selections, *item.selections)
                into[item.key] = replace(first, selections=merged, denied=denied)
            else:
                into[item.key] = item


def needs_type(selections: Selections) -> bool:
    """Return whether a selection can be projected only if the object's run-time type is known."""
    return any(isinstance(item, Fragment) or item.name == "__typename" for item in selections)


def shown(value: Any) -> str:
    """Return a value for an error message: a leaf as JSON, at most 40 characters of a string."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return encode_json(value[:40] if isinstance(value, str) else value).decode()


class _Run:
    """One projection.

    `nested`: the values of nested introspection fields. `error_prefixes`: the paths of all errors and every
    prefix of these; `error_paths`: the paths alone.
    """

    def __init__(self, projector: Projector, errors: list[dict[str, Any]], nested: Mapping[int, Any]) -> None:
        self.projector = projector
        self.nested = nested
        self.errors = errors
        self.error_prefixes = {
            tuple(error["path"][:end])
            for error in errors
            if "path" in error
            for end in range(len(error["path"]) + 1)
        }
        self.error_paths = {tuple(error["path"]) for error in errors if "path" in error}
        self.has_error_without_path = any("path" not in error for error in errors)

    def object(self, selections: Selections, static: str, data: dict[str, Any], path: Path) -> dict[str, Any]:
        """Project an object. `static`: the type of the field that has it."""
        typename = self.typename(static, data)
        out: dict[str, Any] = {}
        for item in self.projector.collected(selections, typename):
            if item.name == "__typename":
                out[item.key] = typename or data.get(item.key)
            else:
                where = (*path, item.key)
                if item.denied:  # the response has an error for all places of the field
                    self.note(where)
                    out[item.key] = self.complete(item, self.type_for(item, typename), None, where)
                    continue
                value = (
                    data.get(item.key)
                    if not (path and item.name in INTROSPECTION)
                    else self.nested.get(id(item))
                )
                out[item.key] = self.complete(item, self.type_for(item, typename), value, where)
        return out

    def typename(self, static: str, data: dict[str, Any]) -> str | None:
        """Return an object's run-time type; None if no subgraph has returned it."""
        kind = self.projector.schema.type_map.get(static)
        if isinstance(kind, GraphQLObjectType):
            return static
        found = data.get("__typename")
        return found if isinstance(found, str) else None

    def type_for(self, item: Field, typename: str | None) -> str:
        """Return the field's type reference; that of an object type may be narrower than the interface's."""
        if typename is None or typename == item.parent:
            return item.type
        kind = self.projector.schema.type_map.get(typename)
        definition = kind.fields.get(item.name) if isinstance(kind, GraphQLObjectType) else None
        return str(definition.type) if definition else item.type

    def complete(self, item: Field, reference: str, value: Any, path: Path) -> Any:
        """Project a value of any type (GraphQL spec, CompleteValue).

        Raises _Null for a null in a non-null position.
        """
        if reference.endswith("!"):
            result = self.complete(item, reference[:-1], value, path)
            if result is None:
                self.report_null(item, path)
                raise _Null
            return result
        try:
            return self.nullable(item, reference, value, path)
        except _Null:
            return None

    def nullable(self, item: Field, reference: str, value: Any, path: Path) -> Any:
        """Project a value of a nullable type."""
        if value is None:
            return None
        if isinstance(value, Failure):
            if not value.quiet:
                self.report(value.error(path), path)
            return None
        if reference.startswith("["):
            if not isinstance(value, list):
                return self.report_wrong_value(item, "a list", value, path)
            inner = reference[1:-1]
            return [self.complete(item, inner, one, (*path, index)) for index, one in enumerate(value)]
        if item.selections or is_composite_type(self.projector.schema.type_map.get(reference)):
            if not isinstance(value, dict):
                return self.report_wrong_value(item, "an object", value, path)
            typename = self.typename(reference, value)
            if typename is not None and typename not in self.projector.possible.of(reference):
                return self.report_forbidden_type(item, path)
            if typename is None and needs_type(item.selections):
                return self.report_unknown_type(item, path)
            return self.object(item.selections, reference, value, path)
        return self.leaf(item, reference, value, path)

    def report_forbidden_type(self, item: Field, path: Path) -> None:
        """Report an object whose type is @inaccessible or impossible; it becomes null.

        The error does not contain the type, which clients must not see.
        """
        message = (
            f"{item.parent}.{item.name}: the subgraph returned an object of a type that is not allowed here"
        )
        if path not in self.error_prefixes:
            self.report(
                {"message": message, "path": list(path), "extensions": {"code": "SUBGRAPH_WRONG_VALUE"}}, path
            )

    def report_unknown_type(self, item: Field, path: Path) -> None:
        """Report an object without a run-time type, which becomes null, unless there is an error at
        its path.
        """
        if path not in self.error_prefixes:
            message = f"{item.parent}.{item.name}: no subgraph returned the type (__typename) of the object"
            self.report(
                {"message": message, "path": list(path), "extensions": {"code": "SUBGRAPH_BAD_RESPONSE"}},
                path,
            )

    def leaf(self, item: Field, reference: str, value: Any, path: Path) -> Any:
        """Project a scalar or enum value; custom scalars are not checked."""
        scalar = SCALARS.get(reference)
        if scalar is not None:
            if not scalar.accepts(value):
                article = "an" if reference in ("Int", "ID") else "a"
                return self.report_wrong_value(item, f"{article} {reference}", value, path)
            return scalar.serialize(value)
        kind = self.projector.schema.type_map.get(reference)
        if isinstance(kind, GraphQLEnumType) and (not isinstance(value, str) or value not in kind.values):
            return self.report_wrong_value(item, f"a value of the enum {reference}", value, path)
        return value

    def report_wrong_value(self, item: Field, wanted: str, value: Any, path: Path) -> None:
        """Report a value of a wrong type, which becomes null."""
        message = f"{item.parent}.{item.name}: expected {wanted}, the subgraph returned {shown(value)}"
        self.report(
            {"message": message, "path": list(path), "extensions": {"code": "SUBGRAPH_WRONG_VALUE"}}, path
        )

    def report_null(self, item: Field, path: Path) -> None:
        """Report a null in a non-null position, unless an error at or around its path explains it."""
        if (
            path in self.error_prefixes
            or self.has_error_without_path
            or any(path[:end] in self.error_paths for end in range(len(path)))
        ):
            return
        message = f"{item.parent}.{item.name}: expected a non-null value, the subgraph returned null"
        self.report(
            {"message": message, "path": list(path), "extensions": {"code": "NULL_IN_NON_NULL"}}, path
        )

    def report(self, error: dict[str, Any], path: Path) -> None:
        """Add an error, and remember its path."""
        self.errors.append(error)
        self.note(path)

    def note(self, path: Path) -> None:
        """Remember that an error explains a null at a path."""
        self.error_paths.add(path)
        self.error_prefixes.update(path[:end] for end in range(len(path) + 1))
