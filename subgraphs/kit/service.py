"""A service, which is one subgraph: its schema, its database and its background parts.

A `Service` executes requests of callers in the same process (`execute`) and over HTTP (`asgi`). The function
`bootstrap` in the module `app` of each service makes it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from graphql import GraphQLError
from starlette.types import ASGIApp
from strawberry.exceptions import MissingQueryError
from strawberry.printer import print_schema
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from gateway.settings import UploadSettings
from subgraphs.kit import budget
from subgraphs.kit.asgi import NO_STORE, GraphQLEndpoint, Reply
from subgraphs.kit.bus import Bus
from subgraphs.kit.cache_tags import object_name
from subgraphs.kit.cause import Cause, because, correlation_of
from subgraphs.kit.database import Database
from subgraphs.kit.errors import BadUserInput, DomainError, Forbidden, Unauthenticated, format_error, refusal
from subgraphs.kit.graphql import Schema
from subgraphs.kit.identity import SERVICE, Identity, TokenVerifier, ValidToken
from subgraphs.kit.revocation import RevokedTokens


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a request: the identity in its token (None without a token), and its address, if known.

    `authorization` is the received header, for services that call others on behalf of the caller. `token`:
    the facts in it.
    """

    identity: Identity | None
    address: str | None
    authorization: str | None = field(default=None, repr=False)
    token: ValidToken | None = field(default=None, repr=False)


class ServiceContext:
    """What the resolvers of one request share: caller, database, bus; a service's subclass adds
    data loaders.
    """

    def __init__(self, caller: Caller, database: Database, bus: Bus) -> None:
        self.identity = caller.identity
        self.address = caller.address
        self.authorization = caller.authorization
        self.token = caller.token
        self.database = database
        self.bus = bus
        self.extensions: dict[str, Any] = {}
        """The response's `extensions`, to which resolvers may add; the gateway forwards keys that
        it allows.
        """
        self.may_store = True
        """Whether caches may store the response, if the service's replies may be stored at all."""

    def tag_reply(self, kind: str, key: UUID | None) -> None:
        """Tag the response with an object that a root field returns, so that its changes invalidate it.

        `key`: the id in the argument, also if there is no such object yet; None: it is not valid. The schema
        can't do this, since an id has several forms, and @cacheTag uses them as they are.
        """
        if key is not None:
            self.extensions.setdefault("apolloCacheTags", []).append(object_name(kind, key))

    def require(self) -> Identity:
        """Return the identity of the caller. Raises Unauthenticated if the request has no token."""
        if self.identity is None:
            raise Unauthenticated(
                "This operation needs a token: log in, and send it as 'Authorization: Bearer'"
            )
        return self.identity

    def require_role(self, *roles: str) -> Identity:
        """Return the identity of the caller, who must have one of these roles or be an admin.

        Raises Unauthenticated, Forbidden.
        """
        identity = self.require()
        if not identity.is_admin and identity.role not in roles:
            raise Forbidden(f"This operation needs the role {' or '.join(roles)}, you have {identity.role}")
        return identity

    def require_service(self) -> Identity:
        """Return the identity of the caller, which must have the role `service`.

        Raises Unauthenticated, and Forbidden for users, also for admins.
        """
        identity = self.require()
        if identity.role != SERVICE:
            raise Forbidden(f"This operation needs the role {SERVICE}, you have {identity.role}")
        return identity

    def require_owner_or_admin(self, *owners: UUID | None) -> Identity:
        """Return the identity of the caller, who must be one of `owners` (user ids) or an admin.

        Raises Unauthenticated, Forbidden.
        """
        identity = self.require()
        if not identity.is_owner_or_admin(*owners):
            raise Forbidden(
                "The object belongs to another user: only its owner and admins may see or change it"
            )
        return identity


class Part(Protocol):
    """A background component of a service, such as the relay or the inbox."""

    async def start(self) -> None:
        """Start the part in the background and return."""
        ...

    async def stop(self) -> None:
        """Stop the part; when the method returns, none of its tasks runs."""
        ...


ContextFactory = Callable[[Caller], ServiceContext]
"""Makes the context of a request from its caller."""


class Service:
    """One subgraph. `execute` serves callers in the same process, `asgi` serves HTTP.

    `migrations` is the folder of the service's SQL files. `parts` start in their order and stop in the
    reverse order.
    """

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
        is_shared: bool = False,
        uploads: UploadSettings | None = None,
    ) -> None:
        """`is_shared`: whether caches may reuse replies for other callers, where the schema's hints allow it
        (`kit/cache_hints`); otherwise they store nothing. `uploads`: the limits on files in requests over
        HTTP (`kit/uploads`); None: there are none.
        """
        self.name = name
        self.is_shared = is_shared
        self.schema = schema
        self.database = database
        self._context = context
        self._verifier = verifier
        self._migrations = migrations
        self.parts = parts
        self._started: list[Part] = []
        self.asgi: ASGIApp = GraphQLEndpoint(self.respond, database.is_ready, uploads)

    def __repr__(self) -> str:
        return f"Service({self.name!r}, {self.database!r})"

    @property
    def sdl(self) -> str:
        """The schema as SDL with federation's directives."""
        return print_schema(self.schema)

    def guard(self, revoked: RevokedTokens) -> "Service":
        """Refuse revoked tokens from now on, and return the service.

        `revoked` becomes the first of its parts.
        """
        self._verifier.revoked = revoked
        self.parts = [revoked, *self.parts]
        return self

    async def start(self) -> None:
        """Migrate the database and start the parts; if a part fails, stop those that run and raise
        its error.
        """
        await self.database.migrate(self._migrations)
        try:
            for part in self.parts:
                await part.start()
                self._started.append(part)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop the parts in reverse order, and close the database."""
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
        """Execute a GraphQL request and return the response.

        The names in `headers` are in lower case. The last address in `x-forwarded-for` is the caller's.
        """
        return (await self.respond(query, variables, operation_name, headers)).response

    async def respond(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        operation_name: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Execute a GraphQL request as `execute` does; return the response and its `Cache-Control`."""
        headers = headers or {}
        try:
            authorization = headers.get("authorization")
            token = self._verifier.token(authorization)
        except DomainError as error:
            return Reply(refusal(error), NO_STORE)
        address = headers.get("x-forwarded-for", "").rpartition(",")[2].strip() or None
        identity = token.identity if token is not None else None
        context = self._context(Caller(identity, address, authorization, token))
        budget.begin()
        by = str(identity.user_id) if identity is not None else ""
        try:
            with because(Cause(by, correlation_of(headers.get("x-request-id")))):
                result = await self.schema.execute(
                    query, dict(variables or {}), context, None, operation_name
                )
        except (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError) as error:
            return Reply(refusal(BadUserInput(_reason(error))), NO_STORE)
        response: dict[str, Any] = {"data": result.data}
        if result.errors:
            response["errors"] = [format_error(error) for error in _without_repeats(result.errors)]
        if context.extensions:
            response["extensions"] = context.extensions
        may_store = self.is_shared and context.may_store and not result.errors
        return Reply(response, "public" if may_store else NO_STORE)


def _without_repeats(errors: Sequence[GraphQLError]) -> list[GraphQLError]:
    """Return the errors without any TooManyElements but the first.

    Once the budget is exceeded, every list that a request loads raises this error.
    """
    same = [error for error in errors if isinstance(error.original_error, budget.TooManyElements)]
    return [error for error in errors if not isinstance(error.original_error, budget.TooManyElements)] + same[
        :1
    ]


def _reason(error: Exception) -> str:
    if isinstance(error, CannotGetOperationTypeError):
        return (
            f"The document has no operation {error.operation_name!r}"
            if error.operation_name
            else "The document has no operation, or several and no operationName"
        )
    return str(error) if isinstance(error, MissingQueryError) else "Subscriptions are not supported"
