"""Metadata: access requirements, costs, list sizes, cache hints and tags of a supergraph's types and fields.

They are read under the names by which the supergraph imports their directives. `request/authorize` enforces
access requirements; plugins can use the rest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from graphql import ConstDirectiveNode, value_from_ast_untyped
from graphql.language import (
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    TypeDefinitionNode,
)

from gateway.core.errors import Location, SupergraphError
from gateway.supergraph.features import Feature

Alternatives = tuple[frozenset[str], ...]
"""Alternative sets of names, of which one must be complete: `[["a", "b"], ["c"]]` is (a and b) or c."""


@dataclass(frozen=True, slots=True)
class Access:
    """Access requirements.

    `authenticated`: whether the caller must be authenticated. `scopes`, `policies`: which ones the caller
    must have; () for none.
    """

    authenticated: bool = False
    scopes: Alternatives = ()
    policies: Alternatives = ()

    def __str__(self) -> str:
        words = ["authenticated"] if self.authenticated else []
        for name, value in (("scopes", self.scopes), ("policies", self.policies)):
            words += [f"{name} {' or '.join('+'.join(sorted(one)) for one in value)}"] if value else []
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class ListSize:
    """The length of a list (IBM's cost specification, @listSize).

    - `assumed`: the number of elements if no argument gives it.
    - `slicing`: the arguments that give it (`first`); if `one_required`, exactly one of them must be used.
    - `sized`: the fields of the value that contain the list (`edges`); () if the value itself is the list.
    """

    assumed: int | None = None
    slicing: tuple[str, ...] = ()
    sized: tuple[str, ...] = ()
    one_required: bool = True


@dataclass(frozen=True, slots=True)
class CacheHint:
    """@cacheControl: `max_age` in seconds; `scope`: for all users or for one; `inherit`: use the parent's
    max_age.
    """

    max_age: int | None = None
    scope: Literal["PUBLIC", "PRIVATE"] | None = None
    inherit: bool = False


@dataclass(frozen=True, slots=True)
class ElementMetadata:
    """The metadata of a type or field.

    `cost`: in the units of @cost; None if not set. `cache_tags`: templates of names by which cached responses
    are invalidated (@cacheTag). `arguments`: the costs of arguments.
    """

    access: Access | None = None
    cost: int | None = None
    list_size: ListSize | None = None
    cache: CacheHint | None = None
    tags: frozenset[str] = frozenset()
    cache_tags: tuple[str, ...] = ()
    arguments: Mapping[str, int] = field(default_factory=dict)


NO_METADATA = ElementMetadata()
_SPEC_OF = {"listSize": "cost"}
_DIRECTIVES = (
    "authenticated",
    "requiresScopes",
    "policy",
    "cost",
    "listSize",
    "cacheControl",
    "tag",
    "cacheTag",
)
AppliedArguments = dict[str, list[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class MetadataTable:
    """The metadata of a supergraph. Types and fields without metadata are not in it.

    `fields`: by (type name, field name), those of input objects included.
    """

    types: Mapping[str, ElementMetadata] = field(default_factory=dict)
    fields: Mapping[tuple[str, str], ElementMetadata] = field(default_factory=dict)

    def of_type(self, name: str) -> ElementMetadata:
        """Return the metadata of a type; NO_METADATA if it has none."""
        return self.types.get(name, NO_METADATA)

    def of_field(self, type_name: str, name: str) -> ElementMetadata:
        """Return the metadata of a field; NO_METADATA if it has none."""
        return self.fields.get((type_name, name), NO_METADATA)


def local_names(features: Iterable[Feature]) -> dict[str, str]:
    """Return the canonical names of the directives with metadata, by their names in this supergraph.

    A directive that no link imports is recognized by its canonical name.
    """
    known = tuple(features)
    names: dict[str, str] = {}
    for directive in _DIRECTIVES:
        local = directive
        for feature in known:
            imported = any(theirs == f"@{directive}" for theirs, _ in feature.imports)
            if imported or feature.name == _SPEC_OF.get(directive, directive):
                local = feature.local(f"@{directive}")
        names[local] = directive
    return names


def read_metadata(types: Mapping[str, TypeDefinitionNode], features: Iterable[Feature]) -> MetadataTable:
    """Return the metadata of a supergraph's types and fields.

    Raises SupergraphError INVALID_SUPERGRAPH if the arguments of a directive do not fit its spec.
    """
    names = local_names(features)
    of_types: dict[str, ElementMetadata] = {}
    of_fields: dict[tuple[str, str], ElementMetadata] = {}
    for name, node in types.items():
        if found := _metadata(node.directives, names):
            of_types[name] = found
        if isinstance(node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
            for item in node.fields or ():
                if found := _field_metadata(item, names):
                    of_fields[name, item.name.value] = found
        elif isinstance(node, InputObjectTypeDefinitionNode):
            for given in node.fields or ():
                if found := _metadata(given.directives, names):
                    of_fields[name, given.name.value] = found
    return MetadataTable(of_types, of_fields)


def _field_metadata(node: FieldDefinitionNode, names: Mapping[str, str]) -> ElementMetadata | None:
    costs = {}
    for argument in node.arguments or ():
        for given in _applied(argument.directives, names).get("cost", ()):
            costs[argument.name.value] = int(given["weight"])
    return _metadata(node.directives, names, costs)


def _metadata(
    directives: Iterable[ConstDirectiveNode] | None,
    names: Mapping[str, str],
    costs: Mapping[str, int] | None = None,
) -> ElementMetadata | None:
    applied = _applied(directives, names)
    if not applied and not costs:
        return None
    nodes = list(directives or ())
    try:
        return ElementMetadata(
            access=_access(applied),
            cost=next((int(given["weight"]) for given in applied.get("cost", ())), None),
            list_size=next((_list_size(given) for given in applied.get("listSize", ())), None),
            cache=next((_cache_hint(given) for given in applied.get("cacheControl", ())), None),
            tags=frozenset(str(given["name"]) for given in applied.get("tag", ())),
            cache_tags=tuple(str(given["format"]) for given in applied.get("cacheTag", ())),
            arguments=costs or {},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        place = nodes[0].loc if nodes else None
        where = [Location(place.start_token.line, place.start_token.column)] if place else []
        used = ", ".join(f"@{name}" for name in applied)
        message = f"the arguments of {used} do not fit the directive's specification: {error}"
        raise SupergraphError(message, "INVALID_SUPERGRAPH", locations=where) from error


def _applied(directives: Iterable[ConstDirectiveNode] | None, names: Mapping[str, str]) -> AppliedArguments:
    """Return the arguments of each directive with metadata, by canonical name.

    A directive inside @join__directive counts like one on the element.
    """
    found: AppliedArguments = {}
    for node in directives or ():
        given = {one.name.value: value_from_ast_untyped(one.value) for one in node.arguments or ()}
        name = names.get(node.name.value)
        if node.name.value.endswith("__directive") and isinstance(given.get("name"), str):
            name = given["name"].rpartition("__")[2]
            given = given.get("args") or {}
        if name in _DIRECTIVES:
            found.setdefault(name, []).append(given)
    return found


def _access(applied: AppliedArguments) -> Access | None:
    scopes = [_alternatives(given["scopes"]) for given in applied.get("requiresScopes", ())]
    policies = [_alternatives(given["policies"]) for given in applied.get("policy", ())]
    authenticated = "authenticated" in applied
    if not (authenticated or scopes or policies):
        return None
    return Access(authenticated, _all_of(scopes), _all_of(policies))


def _alternatives(value: Any) -> Alternatives:
    return tuple(frozenset(_names(one)) for one in _list(value))


def _names(value: Any) -> tuple[str, ...]:
    """Return the names in a list. Scopes and policies are custom scalars, so they may also be numbers."""
    names = _list(value)
    if not all(isinstance(name, str | int | float) for name in names):
        raise TypeError(f"expected a list of names, got {value!r}")
    return tuple(str(name) for name in names)


def _list(value: Any) -> list[Any]:
    """Return a value as a list; a single value becomes a list of one (GraphQL spec, 3.12)."""
    if value is None:
        raise TypeError("expected a list, got null")
    return value if isinstance(value, list) else [value]


def _all_of(demands: list[Alternatives]) -> Alternatives:
    """Return one requirement that demands all of several: (a or b) and c becomes (a and c) or (b and c)."""
    together: Alternatives = ()
    for one in demands:
        together = tuple(a | b for a in together for b in one) if together else one
    return together


def _list_size(given: Mapping[str, Any]) -> ListSize:
    assumed = given.get("assumedSize")
    return ListSize(
        None if assumed is None else int(assumed),
        _names(given.get("slicingArguments") or []),
        _names(given.get("sizedFields") or []),
        given.get("requireOneSlicingArgument", True) is not False,
    )


def _cache_hint(given: Mapping[str, Any]) -> CacheHint:
    age, scope = given.get("maxAge"), given.get("scope")
    if scope not in (None, "PUBLIC", "PRIVATE"):
        raise ValueError(f"expected the scope PUBLIC or PRIVATE, got {scope!r}")
    return CacheHint(None if age is None else int(age), scope, given.get("inheritMaxAge") is True)
