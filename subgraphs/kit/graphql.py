"""Decorators and a schema class by which the services use strawberry.

The decorators make a class's or function's docstring its description in the schema, and the fields of
entities nullable; the schema limits and caches documents.
"""

import enum
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Optional, TypeVar, dataclass_transform

import strawberry
from strawberry.extensions import MaxTokensLimiter, ParserCache, ValidationCache
from strawberry.federation.schema import FederationAny
from strawberry.federation.schema_directives import Cost, Key, ListSize
from strawberry.federation.types import FieldSet
from strawberry.schema.config import StrawberryConfig
from strawberry.types.execution import ExecutionContext
from strawberry.types.field import StrawberryField
from strawberry.types.private import is_private

from subgraphs.kit import descriptions
from subgraphs.kit.cache_hints import NEVER_SHARED, CacheControl, directives_of
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.global_ids import encode
from subgraphs.kit.uploads import SCALARS

MAX_TOKENS = 15_000
_CACHED = 512
UNSET: Any = strawberry.UNSET

Class = TypeVar("Class", bound=type)
Enum = TypeVar("Enum", bound=type[enum.Enum])


@dataclass_transform(
    kw_only_default=True, field_specifiers=(strawberry.field, strawberry.federation.field, StrawberryField)
)
def object_type(
    *,
    keys: Sequence[str | Key] = (),
    name: str | None = None,
    cached: CacheControl | None = None,
    **directives: Any,
) -> Callable[[Class], Class]:
    """Return a decorator that makes a class a GraphQL object type, whose description is the docstring.

    A type that several services declare has its description in `kit/descriptions`. A class with the attribute
    `uuid` also gets the field `id`, the object's global id; `uuid` is hidden from clients.
    `keys` (field sets) make it an entity; `cached`: its cache hint (`kit/cache_hints`); `directives`: further
    arguments of `strawberry.federation.type`.
    The fields of an entity that have no resolver, except its keys, are nullable in the SDL, whatever their
    Python types: if a subgraph is down, its fields are null, but not the whole entity. Resolvers declare
    nullable types themselves.
    """

    def decorate(cls: Class) -> Class:
        if keys:
            _make_nullable(cls, {part for key in keys for part in _key_fields(key)})
        kind = name or cls.__name__
        if "uuid" in cls.__annotations__:
            _add_global_id(cls, kind, is_entity=bool(keys))
        text = descriptions.TYPES.get(kind) or _doc(cls)
        described: Class = strawberry.federation.type(
            cls,
            name=name,
            description=text,
            keys=list(keys),
            directives=directives_of(cached, ()),
            **directives,
        )
        return described

    return decorate


@dataclass_transform(
    kw_only_default=True, field_specifiers=(strawberry.field, strawberry.federation.field, StrawberryField)
)
def input_type(cls: Class) -> Class:
    """Decorate a class as a GraphQL input type; its docstring is the description."""
    return strawberry.input(cls, description=_doc(cls))


def _add_global_id(cls: Any, kind: str, *, is_entity: bool) -> None:
    """Hide the field `uuid` of a class from clients, and add the field `id`: the global id of the type
    `kind`.
    """

    def global_id(self: Any) -> strawberry.ID:
        return encode(kind, self.uuid)

    cls.uuid = strawberry.federation.field(inaccessible=True, description=descriptions.UUID)
    description = descriptions.ID if is_entity else descriptions.ID_OF_PART
    cls.id = strawberry.federation.field(
        resolver=global_id, name="id", shareable=is_entity, description=description
    )
    own = dict(cls.__annotations__)
    cls.__annotations__ = {"uuid": own.pop("uuid"), "id": strawberry.ID, **own}


def _key_fields(key: str | Key) -> list[str]:
    return (key if isinstance(key, str) else str(key.fields)).split()


def _make_nullable(cls: type, keys: set[str]) -> None:
    for attribute, annotation in list(cls.__annotations__.items()):
        if attribute not in keys and not is_private(annotation):
            cls.__annotations__[attribute] = Optional[annotation]  # noqa: UP045 - it may be a string


def enum_type(cls: Enum) -> Enum:
    """Decorate a class as a GraphQL enum; its docstring is the description."""
    return strawberry.enum(cls, description=_doc(cls))


REFERENCE: Any = Key(fields=FieldSet("uuid"), resolvable=False)
"""The key of an entity that this subgraph only references and does not resolve."""


def enum_value(value: str, description: str) -> Any:
    """Return the definition of an enum value with this description in the schema."""
    return strawberry.enum_value(value, description=description)


def resolver(function: Callable[..., Any]) -> StrawberryField:
    """Decorate a function as a field's resolver; its docstring is the field's description."""
    return field_with()(function)


def for_users(function: Callable[..., Any]) -> StrawberryField:
    """Decorate a function as the resolver of a field for callers with a token.

    The gateway refuses other callers before it asks the service; the resolver has to check them as well.
    """
    return field_with(authenticated=True)(function)


def for_role(*roles: str, **directives: Any) -> Callable[[Callable[..., Any]], StrawberryField]:
    """Return a decorator like `for_users`, for callers with one of these roles and for admins.

    `directives`: as for `field_with`.
    """
    scopes = [[role] for role in dict.fromkeys((*roles, "admin"))]
    return field_with(requires_scopes=scopes, **directives)


def field_with(
    *,
    cost: int | None = None,
    list_size: int | None = None,
    cached: CacheControl | None = None,
    cache_tags: tuple[str, ...] = (),
    **directives: Any,
) -> Callable[[Callable[..., Any]], StrawberryField]:
    """Return a decorator like `resolver` that adds directives, such as `requires=["hourlyRate"]`.

    `cached`, `cache_tags`: how long the gateway may reuse the field's value, and by which names it is
    invalidated (`kit/cache_hints`); a field for some callers only is not cached by default.

    The gateway computes the cost of a request from `cost` (@cost: of the field itself; 1 is the cost of an
    object) and `list_size` (@listSize: the usual or maximum length of a list). A field with the argument
    `first` has a @listSize without it; a field with `last`, too, is a connection.
    """

    def decorate(function: Callable[..., Any]) -> StrawberryField:
        weights = [] if cost is None else [Cost(weight=cost)]
        is_restricted = "authenticated" in directives or "requires_scopes" in directives
        hint = NEVER_SHARED if cached is None and is_restricted else cached
        field: StrawberryField = strawberry.federation.field(
            resolver=function,
            description=_doc(function),
            directives=[
                *weights,
                *_list_sizes(function, list_size),
                *directives_of(hint, cache_tags),
            ],
            **directives,
        )
        return field

    return decorate


def _list_sizes(function: Callable[..., Any], assumed: int | None) -> list[ListSize]:
    """Return the @listSize of a field: an argument is the length of the list, or else `assumed` is."""
    signature = inspect.signature(function)
    if "last" in signature.parameters:
        return [
            ListSize(
                assumed_size=20,
                slicing_arguments=["first", "last"],
                sized_fields=["edges"],
                require_one_slicing_argument=False,
            )
        ]
    if "first" in signature.parameters:
        return [_list_size(slicing_arguments=["first"])]
    return [] if assumed is None else [_list_size(assumed_size=assumed)]


def _list_size(*, assumed_size: Any = UNSET, slicing_arguments: Any = UNSET) -> ListSize:
    """Return a @listSize that is printed without the arguments that are not given."""
    return ListSize(
        assumed_size=assumed_size,
        slicing_arguments=slicing_arguments,
        sized_fields=UNSET,
        require_one_slicing_argument=UNSET,
    )


def provided(changes: object) -> dict[str, Any]:
    """Return those fields of an input that the caller provided (which are not `UNSET`), by name."""
    return {name: value for name, value in vars(changes).items() if value is not strawberry.UNSET}


def _doc(thing: Any) -> str | None:
    return inspect.getdoc(thing)


class Schema(strawberry.federation.Schema):
    """A federation schema that caches parsing and validation, and limits the tokens of a document.

    A representation that is not valid is an error of its entity only, not of the whole request.
    """

    def __init__(self, query: type, mutation: type | None = None, types: Sequence[type] = ()) -> None:
        super().__init__(
            query=query,
            mutation=mutation,
            types=types,
            extensions=[
                lambda: MaxTokensLimiter(max_token_count=MAX_TOKENS),
                lambda: ParserCache(maxsize=_CACHED),
                lambda: ValidationCache(maxsize=_CACHED),
            ],
            config=StrawberryConfig(scalar_map=SCALARS),
            federation_version="2.9",
        )
        self._describe_arguments()

    def _describe_arguments(self) -> None:
        """Describe arguments that have no description by their names (`kit/descriptions`)."""
        for item in self._schema.type_map.values():
            for field in getattr(item, "fields", {}).values():
                for name, argument in getattr(field, "args", {}).items():
                    argument.description = argument.description or descriptions.ARGUMENTS.get(name)

    def process_errors(self, errors: list[Any], execution_context: ExecutionContext | None = None) -> None:
        """Log nothing: `errors.format_error` logs the errors that it masks."""

    def entities_resolver(
        self, info: strawberry.Info, representations: list[FederationAny]
    ) -> list[FederationAny]:
        """Resolve each representation by its type's `resolve_reference`.

        Unlike strawberry's method it does not change the caller's variables. References are batched by the
        services' loaders (`kit/loaders`), not by `gateway.strawberry_subgraphs`: fields load the same
        objects, so that one statement serves references and fields of a request. Keys are converted by
        `loaders.uuid_of`, for which an id that no object can have is no error.
        """
        return [self._entity(info, representation) for representation in representations]

    def _entity(self, info: strawberry.Info, representation: Any) -> Any:
        try:
            fields = dict(representation)
            definition: Any = self.schema_converter.type_map[fields.pop("__typename")].definition
            return definition.origin.resolve_reference(info=info, **fields)
        except (KeyError, TypeError, ValueError, AttributeError):
            return BadUserInput(
                "A representation must have the __typename of an entity of this service, and its key"
            )
        except Exception as error:
            return error
