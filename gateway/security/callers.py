"""Finds out who the caller is, by an API key, a token, or both."""

from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.core.context import ANONYMOUS, Identity
from gateway.security.api_keys import ApiKeys

if TYPE_CHECKING:
    from gateway.security.authenticate import Authenticator


class Callers:
    """Finds the identity of each request.

    A request with a key and a token is the user's: the rights come from the token, the limits from the key.
    """

    def __init__(self, keys: ApiKeys | None, tokens: "Authenticator | None") -> None:
        self.keys = keys
        self.tokens = tokens

    def identify(self, headers: Mapping[str, str]) -> Identity | Awaitable[Identity]:
        """Return the identity, at once or later.

        Raises RequestError UNAUTHENTICATED, or the awaitable does.
        """
        key = self.keys.identify(headers) if self.keys is not None else None
        tokens = self.tokens
        if tokens is None or (key is not None and tokens.token_of(headers) is None):
            return key or ANONYMOUS
        found = tokens.identify(headers)
        if key is None:
            return found
        return _with_key(found, key) if isinstance(found, Identity) else _later(found, key)

    def start(self) -> None:
        """Start to read the key sets of issuers."""
        if self.tokens is not None:
            self.tokens.start()

    async def close(self) -> None:
        """Stop to listen for revoked tokens."""
        if self.tokens is not None:
            await self.tokens.close()


def _with_key(identity: Identity, key: Identity) -> Identity:
    return replace(identity, api_key=key.api_key, rates=key.rates)


async def _later(identity: Awaitable[Identity], key: Identity) -> Identity:
    return _with_key(await identity, key)
