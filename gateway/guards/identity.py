"""The guard that finds out who the caller is."""

from collections.abc import Awaitable, Mapping
from typing import Protocol

from gateway.core.context import Identity, RequestContext
from gateway.guards.base import Guard
from gateway.request.graphql_request import GraphQLRequest


class Authenticates(Protocol):
    """Finds the identity of a request; implemented by `security.authenticate.Authenticator`."""

    def identify(self, headers: Mapping[str, str]) -> Identity | Awaitable[Identity]:
        """Return the identity, at once or later. Raises RequestError, or the awaitable does."""
        ...

    def start(self) -> None:
        """Start work in the background, in this event loop."""
        ...

    async def close(self) -> None:
        """Release what is held for it."""
        ...


class IdentityGuard(Guard):
    """Sets the identity of each request."""

    def __init__(self, authenticator: Authenticates) -> None:
        self.authenticator = authenticator

    def before_planning(
        self, request: GraphQLRequest, context: RequestContext
    ) -> GraphQLRequest | Awaitable[GraphQLRequest]:
        """Find the identity, at once if the token is known."""
        found = self.authenticator.identify(context.headers)
        if not isinstance(found, Identity):
            return self._identified(request, context, found)
        context.identity = found
        return request

    def identify(self, context: RequestContext) -> Identity | Awaitable[Identity]:
        """Return the identity of a request, outside of its turn: for long streams."""
        return self.authenticator.identify(context.headers)

    def start(self) -> None:
        """Start what finds identities."""
        self.authenticator.start()

    async def close(self) -> None:
        """Close what finds identities."""
        await self.authenticator.close()

    @staticmethod
    async def _identified(
        request: GraphQLRequest, context: RequestContext, identity: Awaitable[Identity]
    ) -> GraphQLRequest:
        context.identity = await identity
        return request
