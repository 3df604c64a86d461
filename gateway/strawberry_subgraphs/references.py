"""Decorators for an entity's `resolve_reference` (strawberry#4287, strawberry#3809)."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

from strawberry import Info

from gateway.strawberry_subgraphs.batches import collect
from gateway.strawberry_subgraphs.conversion import members_of
from gateway.strawberry_subgraphs.key_plan import ArgumentPlan, KeyPlan, Parameters, plans_of

Function = Callable[..., Any]


def batched_reference(function: Any) -> Function:
    """Decorate a class method that resolves many references of an entity in one call.

    Example:

        @strawberry.federation.type(keys=["id"])
        class Book:
            id: UUID

            @classmethod
            @batched_reference
            async def resolve_reference(cls, info: Info, keys: list[UUID]) -> list["Book | None"]:
                found = await books_by_id(keys)
                return [found.get(key) for key in keys]

    All references of one operation to the entity are one call, also those of several aliases of `_entities`;
    with several keys (@key), one call for each shape of a key. `keys` has no duplicates. The function returns
    a list with an element for each key, in the same order: an entity, None if there is none, or an exception,
    which then is an error of that entity alone. An exception that the function raises is an error of each
    entity. `info` is that of the first reference; the function may omit it, and may be synchronous.

    The type of `keys` says how values are converted: `list[UUID]` if the entity has a single key of a single
    field; else a list of a dataclass, TypedDict, NamedTuple or strawberry type with the key's fields (for
    several keys also a union of them); or `list[dict[str, Any]]`, with the types of the entity's fields. A
    wrong value is an error of its entity alone (InvalidRepresentation). Fields that the class of the keys
    does not have are ignored.

    Raises TypeError if the function has not one parameter for keys.
    """
    if isinstance(function, classmethod):
        return cast(Function, classmethod(batched_reference(function.__func__)))
    parameters = Parameters.of(function)
    if len(parameters.values) != 1:
        names = ", ".join(parameters.values) or "none"
        raise TypeError(
            f"{function.__qualname__} must have one parameter for the keys besides info: got {names}"
        )
    (parameter,) = parameters.values

    def resolve_reference(cls: Any, /, info: Info, **representation: Any) -> "asyncio.Future[Any]":
        plans: dict[Any, KeyPlan] = plans_of(info.schema)
        plan = plans.get((function, cls))
        if plan is None:
            kind = _element(parameters.kind(parameter, function))
            plan = plans[function, cls] = KeyPlan(info.schema, cls, kind)
        key, shape = plan.key(representation)
        first = {"info": info} if parameters.has_info else {}

        def ask(keys: list[Any]) -> Any:
            return function(cls, **first, **{parameter: keys})

        group = (function, cls, shape)
        return collect(info._raw_info.variable_values, group, key, ask, function.__qualname__)

    return _named(resolve_reference, function)


def converted_reference(function: Any) -> Function:
    """Decorate a class method that resolves one reference, so that its arguments have the annotated types.

    Example:

        @classmethod
        @converted_reference
        async def resolve_reference(cls, info: Info, id: UUID, printed_on: date) -> "Book | None": ...

    A parameter without an annotation has the type of the entity's field. Fields for which there is no
    parameter are ignored. A wrong value is an error of its entity alone (InvalidRepresentation).
    """
    if isinstance(function, classmethod):
        return cast(Function, classmethod(converted_reference(function.__func__)))
    parameters = Parameters.of(function)

    def resolve_reference(cls: Any, /, info: Info, **representation: Any) -> Any:
        plans: dict[Any, ArgumentPlan] = plans_of(info.schema)
        plan = plans.get((function, cls))
        if plan is None:
            plan = plans[function, cls] = ArgumentPlan(info.schema, cls, function, parameters)
        first: Mapping[str, Any] = {"info": info} if parameters.has_info else {}
        return function(cls, **first, **plan.arguments(representation))

    return _named(resolve_reference, function)


def _element(kind: Any) -> Any:
    """Return the type of the elements of a list's type; Any of a list that is not annotated further."""
    arguments = getattr(kind, "__args__", ())
    return arguments[0] if arguments and members_of(kind) is None else Any


def _named(made: Function, function: Function) -> Function:
    """Return a function with the name and text of another one, but its own signature, which strawberry
    reads.
    """
    made.__name__, made.__qualname__ = function.__name__, function.__qualname__
    made.__doc__, made.__module__ = function.__doc__, function.__module__
    return made
