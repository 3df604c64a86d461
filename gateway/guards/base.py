"""Guards: checks that a request passes before it is planned, and again before it is executed.

A guard that is not configured is not in the list, so it costs nothing. Each check returns at once where it
can; one that has to wait (for a key set, for Redis) returns an awaitable, and only then a task is made.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Protocol

from gateway.core.context import ANONYMOUS, Identity, RequestContext
from gateway.core.errors import RequestError
from gateway.prepared_operations import PlannedRequest
from gateway.request.graphql_request import GraphQLRequest


class Guard:
    """A check of each request. Subclasses override what they need; every method may raise RequestError."""

    def before_planning(
        self, request: GraphQLRequest, context: RequestContext
    ) -> GraphQLRequest | Awaitable[GraphQLRequest]:
        """Return the request to plan: the given one, or one with another document. It may set values of the
        context.
        """
        return request

    def before_execution(self, planned: PlannedRequest, context: RequestContext) -> Awaitable[None] | None:
        """Check a request whose plan is known. Return None, or an awaitable that ends when it may run."""
        return None

    def start(self) -> None:
        """Start work in the background; called in the event loop when the gateway begins to serve."""

    async def close(self) -> None:
        """End that work; called when no further request comes."""


class FindsIdentity(Protocol):
    """Finds out who the caller of a request is."""

    def identify(self, context: RequestContext) -> Identity | Awaitable[Identity]:
        """Return the identity. It, or the awaitable, raises RequestError UNAUTHENTICATED."""
        ...


class CountsConnections(Protocol):
    """Counts callers that connect for later requests, before anyone knows who they are."""

    def count_connection(self, context: RequestContext) -> Awaitable[None] | None:
        """Count a connection as a request. It, or the awaitable, raises RequestError RATE_LIMITED."""
        ...


class Guards:
    """The guards of a gateway, in the order in which they check.

    `all`: all of them. `planning`, `execution`: those that check before planning, and before execution.
    `identity`: finds out who a caller is; None if callers have no identity. `early`: counts those that are
    not identified yet; None if no rate does. `close_shared`: closes what several guards use; called after all
    of them are closed.
    """

    def __init__(
        self,
        guards: Iterable[Guard] = (),
        close_shared: Callable[[], Awaitable[None]] | None = None,
        identity: FindsIdentity | None = None,
        early: CountsConnections | None = None,
    ) -> None:
        given = tuple(guards)
        self.identity = identity
        self.early = early
        self.close_shared = close_shared
        self.all = given
        self.planning = tuple(one for one in given if _overrides(one, "before_planning"))
        self.execution = tuple(one for one in given if _overrides(one, "before_execution"))

    async def close(self) -> None:
        """Close the guards, then what they share."""
        for guard in self.all:
            await guard.close()
        if self.close_shared is not None:
            await self.close_shared()

    def connect(self, context: RequestContext, every: bool = False) -> Identity | Awaitable[Identity]:
        """Return the identity of a caller that opens a connection for later requests.

        A caller with a token or a key is counted as a request is: at once, whether the token is valid or not,
        in the rates that need no identity. So guessing is limited by this way, too. `every`: whether callers
        without either are counted as well. It, or the awaitable, raises RequestError UNAUTHENTICATED or
        RATE_LIMITED.
        """
        found = self._identified(context)
        counted = None
        if self.early is not None and (every or found is not ANONYMOUS):
            counted = self._counted(self.early, context, found)
        if counted is not None:
            return _when_counted(counted, found)
        if isinstance(found, RequestError):
            raise found
        return found

    def _identified(self, context: RequestContext) -> Identity | Awaitable[Identity] | RequestError:
        if self.identity is None:
            return ANONYMOUS
        try:
            return self.identity.identify(context)
        except RequestError as error:
            return error

    @staticmethod
    def _counted(early: CountsConnections, context: RequestContext, found: object) -> Awaitable[None] | None:
        """Count a caller. `found`: its identity, which is not waited for if the caller is refused."""
        try:
            return early.count_connection(context)
        except RequestError:
            if isinstance(found, Coroutine):
                found.close()
            raise

    async def pass_planning(
        self, waiting: Awaitable[GraphQLRequest], rest: int, context: RequestContext
    ) -> GraphQLRequest:
        """Return the request to plan, after a guard that waits and those from the position `rest` on.

        Raises RequestError.
        """
        request = await waiting
        for guard in self.planning[rest:]:
            checked = guard.before_planning(request, context)
            request = checked if isinstance(checked, GraphQLRequest) else await checked
        return request

    async def pass_execution(self, planned: PlannedRequest, context: RequestContext, rest: int = 0) -> None:
        """Have the guards from the position `rest` on check a planned request. Raises RequestError."""
        for guard in self.execution[rest:]:
            waiting = guard.before_execution(planned, context)
            if waiting is not None:
                await waiting


async def _when_counted(
    counted: Awaitable[None], found: Identity | Awaitable[Identity] | RequestError
) -> Identity:
    """Return an identity as soon as its caller is counted; an error counts, too."""
    try:
        await counted
    except BaseException:
        if isinstance(found, Coroutine):
            found.close()
        raise
    if isinstance(found, RequestError):
        raise found
    return found if isinstance(found, Identity) else await found


def _overrides(guard: Guard, method: str) -> bool:
    return getattr(type(guard), method) is not getattr(Guard, method)
