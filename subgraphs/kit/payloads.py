"""What mutations return: a payload with the objects that changed, or with the user's mistakes.

`userErrors` is for what a person entered, with every wrong field at once; the response's `errors` are for
what went wrong: no token, a missing right, a service that is down.

Example: `@user_errors(PublishRequestPayload)` turns a BadUserInput of the resolver into a payload without a
request, with one user error per wrong field.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import strawberry

from subgraphs.kit.errors import BadUserInput, Conflict, DomainError, NotFound
from subgraphs.kit.graphql import object_type

Parameters = ParamSpec("Parameters")
_FOR_USERS = (BadUserInput, Conflict, NotFound)


def is_for_users(code: str | None) -> bool:
    """Return whether an error with this code is one that a person can correct.

    The code of an error that was stored and is repeated, or that another service has returned, is all that is
    left of its class.
    """
    return any(code in codes_of(kind) for kind in _FOR_USERS)


def codes_of(kind: type[DomainError]) -> set[str]:
    """Return the codes of an error class and of all its subclasses."""
    return {kind.code}.union(*(codes_of(further) for further in kind.__subclasses__()))


@object_type(shareable=True)
class UserError:
    """A mistake in what a person has entered, or a state that does not allow the change."""

    code: str = strawberry.field(
        description="The code, such as BAD_USER_INPUT, NOT_FOUND or CONFLICT; docs/errors.md has all codes."
    )
    field: str | None = strawberry.field(
        description="The argument or input field that is wrong, such as `price.amount`; null if none is."
    )
    message: str = strawberry.field(description="What is wrong, in English, for people.")


@strawberry.type
class Payload:
    """The base class of all payloads; a subclass adds the objects that changed, all with the default None."""

    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing has changed; empty if the mutation was executed."
    )


Result = TypeVar("Result", bound=Payload)


def user_errors(
    payload: type[Result],
) -> Callable[
    [Callable[Parameters, Awaitable[Result | None]]], Callable[Parameters, Awaitable[Result | None]]
]:
    """Return a decorator for a mutation's resolver that returns what the user did wrong in `payload`.

    BadUserInput, Conflict, NotFound and their subclasses become `userErrors`; other errors are raised.
    """

    def decorate(
        function: Callable[Parameters, Awaitable[Result | None]],
    ) -> Callable[Parameters, Awaitable[Result | None]]:
        @wraps(function)
        async def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result | None:
            try:
                return await function(*args, **kwargs)
            except DomainError as error:
                if not is_for_users(error.code):
                    raise
                failed = payload()
                failed.user_errors = mistakes(error)
                return failed

        return guarded

    return decorate


def mistakes(error: DomainError) -> list[UserError]:
    """Return an error as user errors: one for each wrong field."""
    return [
        UserError(code=one.code, field=one.extensions.get("field"), message=one.message)
        for one in error.parts
    ]
