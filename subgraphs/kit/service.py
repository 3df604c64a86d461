"""A service: its schema, its database and its background parts, ready to be asked by a gateway or over
HTTP.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from graphql import GraphQLError
from starlette.types import ASGIApp
from strawberry.exceptions import MissingQueryError
from strawberry.printer import print_schema
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from subgraphs.kit import budget
from subgraphs.kit.asgi import GraphQLEndpoint
from subgraphs.kit.bus import Bus
from subgraphs.kit.cause import Cause, because, correlation_of
from subgraphs.kit.database import Database
from subgraphs.kit.errors import BadUserInput, DomainError, Forbidden, Unauthenticated, format_error, refusal
from subgraphs.kit.graphql import Schema
from subgraphs.kit.identity import SERVICE, Identity, TokenVerifier


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks (a valid token, or nobody), and from which address as far as it is known.

    `authorization` is the header as it came, for a service that asks another one on behalf of the caller.
    """

    identity: Identity | None
    address: str | None
    authorization: str | None = field(default=None, repr=False)


class ServiceContext:
    """What the resolvers of one request share; services add their data loaders in a subclass."""

    def __init__(self, caller: Caller, database: Database, bus: Bus) -> None:
        self.identity = caller.identity
        self.address = caller.address
        self.authorization = caller.authorization
        self.database = database
        self.bus = bus
        self.extensions: dict[str, Any] = {}
        """What resolvers have to say beside the data; it becomes the answer's `extensions`.

        The gateway passes allowed keys on.
        """

    def require(self) -> Identity:
        """The identity of the caller, who must be logged in."""
        if self.identity is None:
            raise Unauthenticated("Log in first")
        return self.identity

    def require_role(self, *roles: str) -> Identity:
        """The identity of the caller, who must have one of these roles (admins count as all)."""
        identity = self.require()
        if not identity.is_admin and identity.role not in roles:
            raise Forbidden(f"Only for: {', '.join(roles)}")
        return identity

    def require_service(self) -> Identity:
        """The identity of the caller, who must be a service that carries a saga.

        No person, not even an admin.
        """
        identity = self.require()
        if identity.role != SERVICE:
            raise Forbidden("Only for sagas")
        return identity

    def require_owner_or_admin(self, owner: Any) -> Identity:
        """The identity of the caller, who must be this owner or an admin."""
        identity = self.require()
        if not identity.is_owner_or_admin(owner):
            raise Forbidden("This belongs to somebody else")
        return identity


class Part(Protocol):
    """Something that runs beside the requests: a relay, an inbox."""

    async def start(self) -> None:
        """Begin."""
        ...

    async def stop(self) -> None:
        """End, and leave nothing running."""
        ...


ContextFactory = Callable[[Caller], ServiceContext]


class Service:
    """One subgraph. `execute` is its door for callers in the process, `asgi` the one over HTTP."""

    def __init__(
        self,
        name: str,
        *,
        schema: Schema,
        context: ContextFactory,
        verifier: TokenVerifier,
        database: Database,
        migrations: Path,
        parts: Sequence[Part] = (),
    ) -> None:
        self.name = name
        self.schema = schema
        self.database = database
        self._context = context
        self._verifier = verifier
        self._migrations = migrations
        self.parts = parts
        self._started: list[Part] = []
        self.asgi: ASGIApp = GraphQLEndpoint(self.execute, database.is_ready)

    def __repr__(self) -> str:
        return f"Service({self.name!r}, {self.database!r})"

    @property
    def sdl(self) -> str:
        """The schema as federation's SDL."""
        return print_schema(self.schema)

    async def start(self) -> None:
        """Bring the database up to date and start the parts; what was started is stopped when one fails."""
        await self.database.migrate(self._migrations)
        try:
            for part in self.parts:
                await part.start()
                self._started.append(part)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop the parts, newest first, and close the database."""
        while self._started:
            await self._started.pop().stop()
        await self.database.close()

    async def execute(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        operation_name: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Answer a GraphQL request; header names are lower-case.

        The last `x-forwarded-for` is the caller's address.
        """
        headers = headers or {}
        try:
            authorization = headers.get("authorization")
            identity = self._verifier.identity(authorization)
        except DomainError as error:
            return refusal(error)
        address = headers.get("x-forwarded-for", "").rpartition(",")[2].strip() or None
        context = self._context(Caller(identity, address, authorization))
        budget.begin()
        by = str(identity.user_id) if identity is not None else ""
        try:
            with because(Cause(by, correlation_of(headers.get("x-request-id")))):
                result = await self.schema.execute(
                    query, dict(variables or {}), context, None, operation_name
                )
        except (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError) as error:
            return refusal(BadUserInput(_reason(error)))
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [format_error(error) for error in _without_repeats(result.errors)]
        if context.extensions:
            answer["extensions"] = context.extensions
        return answer


def _without_repeats(errors: Sequence[GraphQLError]) -> list[GraphQLError]:
    """Errors, without the thousands that say the same: that the request wants too much."""
    same = [error for error in errors if isinstance(error.original_error, budget.TooManyElements)]
    return [error for error in errors if not isinstance(error.original_error, budget.TooManyElements)] + same[
        :1
    ]


def _reason(error: Exception) -> str:
    if isinstance(error, CannotGetOperationTypeError):
        return (
            f"There is no operation {error.operation_name!r} to execute"
            if error.operation_name
            else "No operation"
        )
    return str(error) if isinstance(error, MissingQueryError) else "There are no subscriptions here"
