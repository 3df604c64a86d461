"""Authorization: marks the fields of an operation that the caller may not see, so that they are not fetched.

A field needs the requirements of itself, of its type and, on a root type, of the root type; a fragment needs
those of its type. A field that lacks one is *denied*: it is null in the response, with an error at its path,
and nulls propagate as after an error of the field.

Example: for a caller without the scope that `name` needs, `{ me { id name } }` becomes `{ me { id } }` for
the subgraphs, and the response is `{"me": {"id": "1", "name": null}}`. If `name` is `String!`, every `me` is
null, so nothing is fetched.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from graphql import (
    DocumentNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    visit,
)
from graphql.language import FieldNode, FragmentDefinitionNode, InlineFragmentNode

from gateway.core.context import Identity
from gateway.core.errors import RequestError
from gateway.request.operation import Field, Fragment, Operation, Selections
from gateway.supergraph.metadata import Access, Alternatives
from gateway.supergraph.model import Supergraph

CODE = "UNAUTHORIZED_FIELD_OR_TYPE"
Requirements = tuple[Access, ...]
Keys = tuple[str, ...]
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class AccessIndex:
    """The access requirements of a supergraph; of an interface, also those of all its object types.

    `types`: by type name. `fields`: by type and field name, those of the field's type included.
    `introspection`: what reading the schema requires; None if nothing.
    """

    types: Mapping[str, Requirements] = field(default_factory=dict)
    fields: Mapping[tuple[str, str], Requirements] = field(default_factory=dict)
    introspection: Access | None = None

    def of(self, supergraph: Supergraph, document: DocumentNode) -> Requirements:
        """Return the requirements that a valid document touches, each once, in the order of the document."""
        found = self._of(supergraph, document)
        if self.introspection is None or not _reads_schema(document):
            return found
        return (*found, self.introspection)

    def _of(self, supergraph: Supergraph, document: DocumentNode) -> Requirements:
        if not self.types and not self.fields:
            return ()
        info = TypeInfo(supergraph.api)
        collector = _Collector(self, info)
        visit(document, TypeInfoVisitor(info, collector))
        return tuple(collector.found)


class _IntrospectionFinder(Visitor):
    """Finds whether a document reads the schema."""

    found = False

    def enter_field(self, node: FieldNode, *_: object) -> None:
        """Look at one field."""
        self.found |= node.name.value in ("__schema", "__type")


def _reads_schema(document: DocumentNode) -> bool:
    finder = _IntrospectionFinder()
    visit(document, finder)
    return finder.found


def index_access(supergraph: Supergraph, introspection_scope: str | None = None) -> AccessIndex:
    """Return the access requirements of a supergraph.

    `introspection_scope`: the scope that reading the schema requires; None if it requires none.
    """
    scope = introspection_scope
    introspection = Access(scopes=(frozenset({scope}),)) if scope is not None else None
    every = (*supergraph.metadata.types.values(), *supergraph.metadata.fields.values())
    if not any(one.access for one in every):
        return AccessIndex(introspection=introspection)
    types = {name: _of_type(supergraph, name) for name in supergraph.api.type_map}
    fields: dict[tuple[str, str], Requirements] = {}
    for name, kind in supergraph.api.type_map.items():
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) and not name.startswith("__"):
            fields |= _of_fields(supergraph, kind, types)
    return AccessIndex(_without_empty(types), _without_empty(fields), introspection)


def _of_fields(
    supergraph: Supergraph,
    kind: GraphQLObjectType | GraphQLInterfaceType,
    types: Mapping[str, Requirements],
) -> dict[tuple[str, str], Requirements]:
    own = types[kind.name] if kind.name in supergraph.roots.values() else ()
    return {
        (kind.name, name): tuple(
            dict.fromkeys(
                (*own, *_of_field(supergraph, kind.name, name), *types[get_named_type(item.type).name])
            )
        )
        for name, item in kind.fields.items()
    }


def _without_empty(found: Mapping[K, Requirements]) -> dict[K, Requirements]:
    return {name: requirements for name, requirements in found.items() if requirements}


def _of_type(supergraph: Supergraph, name: str) -> Requirements:
    kind = supergraph.api.type_map[name]
    members = supergraph.shown.of(name) if isinstance(kind, GraphQLInterfaceType) else ()
    every = [supergraph.metadata.of_type(one).access for one in (name, *sorted(members))]
    return tuple(dict.fromkeys(one for one in every if one is not None))


def _of_field(supergraph: Supergraph, type_name: str, name: str) -> Requirements:
    kind = supergraph.api.type_map[type_name]
    members = supergraph.shown.of(type_name) if isinstance(kind, GraphQLInterfaceType) else ()
    every = [supergraph.metadata.of_field(one, name).access for one in (type_name, *sorted(members))]
    return tuple(dict.fromkeys(one for one in every if one is not None))


class _Collector(Visitor):
    """Collects the requirements of a document's fields and fragments."""

    def __init__(self, index: AccessIndex, info: TypeInfo) -> None:
        super().__init__()
        self.index = index
        self.info = info
        self.found: dict[Access, None] = {}

    def enter_field(self, node: FieldNode, *_: object) -> None:
        """Collect the requirements of a field."""
        parent = self.info.get_parent_type()
        if parent is not None:
            self.found.update(dict.fromkeys(self.index.fields.get((parent.name, node.name.value), ())))

    def enter_inline_fragment(self, node: InlineFragmentNode, *_: object) -> None:
        """Collect the requirements of an inline fragment's type."""
        if node.type_condition is not None:
            self.found.update(dict.fromkeys(self.index.types.get(node.type_condition.name.value, ())))

    def enter_fragment_definition(self, node: FragmentDefinitionNode, *_: object) -> None:
        """Collect the requirements of a fragment's type."""
        self.found.update(dict.fromkeys(self.index.types.get(node.type_condition.name.value, ())))


def allows(identity: Identity, access: Access) -> bool:
    """Return whether a caller meets a requirement."""
    return (
        (identity.authenticated or not access.authenticated)
        and _has_one(access.scopes, identity.scopes)
        and _has_one(access.policies, identity.policies)
    )


def _has_one(alternatives: Alternatives, names: frozenset[str]) -> bool:
    """Return whether one of the alternative sets is complete; True if there are none."""
    return not alternatives or any(one <= names for one in alternatives)


class Unauthorized(RequestError):
    """An operation that is refused as a whole; `errors` has an error for each denied field."""

    def __init__(self, errors: Iterable[RequestError]) -> None:
        self._errors = tuple(errors)
        first = self._errors[0]
        super().__init__(first.message, CODE, path=first.path)

    @property
    def errors(self) -> tuple[RequestError, ...]:
        """Return an error for each denied field."""
        return self._errors


@dataclass(frozen=True, slots=True)
class Authorized:
    """An operation whose denied fields are marked, and an error for each denied place of the operation."""

    operation: Operation
    errors: tuple[RequestError, ...] = ()


def authorize(index: AccessIndex, operation: Operation, unmet: frozenset[Access]) -> Authorized:
    """Mark the denied fields of an operation. `unmet`: the requirements that the caller does not meet."""
    if not unmet:
        return Authorized(operation)
    run = _Authorization(index, unmet, operation)
    selections = run.select(operation.selections, ())
    if not run.denied:
        return Authorized(operation)
    if operation.kind == "query" and _make_null(selections):  # the whole data will be null
        selections = _deny_all(selections)
    errors = tuple(RequestError(message, CODE, path=path) for path, message in run.denied.items())
    return Authorized(replace(operation, selections=selections), errors)


class _Authorization:
    """One authorization. `denied`: the paths of denied fields, with messages."""

    def __init__(self, index: AccessIndex, unmet: frozenset[Access], operation: Operation) -> None:
        self.index = index
        self.unmet = unmet
        self.operation = operation
        self.denied: dict[Keys, str] = {}

    def select(self, selections: Selections, path: Keys) -> Selections:
        """Return selections with their denied fields marked. `path`: the response keys above them."""
        return tuple(
            self.field(item, path) if isinstance(item, Field) else self.fragment(item, path)
            for item in selections
        )

    def field(self, item: Field, path: Keys) -> Field:
        """Return a field, marked if it is denied or if denied fields make its value null in any case."""
        where = (*path, item.key)
        if self.unmet.intersection(self.index.fields.get((item.parent, item.name), ())):
            self.denied.setdefault(where, f"{item.parent}.{item.name} needs access rights that you lack")
            return _deny(item)
        if not item.selections:
            return item
        below = self.select(item.selections, where)
        executes = self.operation.kind == "mutation" and not path
        is_null = not executes and "[" not in item.type and _make_null(below)
        # its selections stay: they make it null where another selection of the same key is allowed
        return replace(item, selections=below, denied=is_null)

    def fragment(self, item: Fragment, path: Keys) -> Fragment:
        """Return a fragment; all its fields are denied if its type is, except `__typename`."""
        if self.unmet.intersection(self.index.types.get(item.type, ())):
            self.denied.setdefault(path, f"{item.type} needs access rights that you lack")
            return replace(item, selections=_deny_all(item.selections))
        return replace(item, selections=self.select(item.selections, path))


def _make_null(selections: Selections) -> bool:
    """Return whether selections make every object null: a denied non-null field that no fragment allows."""
    denied = {item.key for item in selections if isinstance(item, Field) and _is_null(item)}
    return bool(denied - set(_allowed_keys(selections)))


def _is_null(item: Field) -> bool:
    return item.denied and item.type.endswith("!")


def _allowed_keys(selections: Selections) -> Iterator[str]:
    """Yield the response keys of an object that are allowed for it or for some types of it."""
    for item in selections:
        if isinstance(item, Fragment):
            yield from _allowed_keys(item.selections)
        elif not item.denied:
            yield item.key


def _deny(item: Field) -> Field:
    return item if item.name == "__typename" else replace(item, denied=True, selections=())


def _deny_all(selections: Selections) -> Selections:
    return tuple(
        _deny(item) if isinstance(item, Field) else replace(item, selections=_deny_all(item.selections))
        for item in selections
    )


def without_denied(operation: Operation) -> Operation:
    """Return the operation that is fetched: without its denied fields.

    Where a whole selection or fragment is denied, `__typename` is fetched, so that it is known how many
    objects there are, and which of them the fragment applies to.
    """
    return replace(operation, selections=_fetched(operation.selections))


def _fetched(selections: Selections, parent: str | None = None) -> Selections:
    kept: list[Field | Fragment] = []
    complete = True
    for item in selections:
        if isinstance(item, Field) and item.denied:
            continue
        if isinstance(item, Field) and not item.selections:
            kept.append(item)
        else:
            below = _fetched(item.selections, item.type_name if isinstance(item, Field) else None)
            kept += (replace(item, selections=below),) if below else ()
            complete &= bool(below)
    if parent is not None and not (complete and kept) and not _has_typename(kept):
        kept.append(Field("__typename", "__typename", parent, "String!"))
    return tuple(kept)


def _has_typename(selections: Iterable[Field | Fragment]) -> bool:
    return any(isinstance(item, Field) and item.key == "__typename" for item in selections)
