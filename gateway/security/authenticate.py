"""Finds the identity of a request: reads its token, verifies it, and caches the result until it expires."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from typing import Any

from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.core.context import ANONYMOUS, Identity
from gateway.core.errors import RequestError, SettingsError
from gateway.core.headers import raw_value
from gateway.core.lru import LruCache
from gateway.observe.facts import KeySetFailed
from gateway.observe.observer import Observer
from gateway.security.key_sets import KeySetError, KeySource, fetch_key_set, fitting, read_key_set
from gateway.security.revocation import Revocations
from gateway.security.tokens import InvalidToken, TokenHeader, check_claims, read_header, verified_payload
from gateway.settings import AuthenticationSettings

Digest = bytes
Forget = Callable[[Callable[[Mapping[str, Any]], bool]], None]


def unauthenticated(message: str, challenge: str | None) -> RequestError:
    """Return the error for a missing or refused token. `challenge`: the error of RFC 6750, None for none."""
    value = b"Bearer" if challenge is None else b'Bearer error="%b"' % challenge.encode()
    return RequestError(message, "UNAUTHENTICATED", headers=((b"www-authenticate", value),))


class Authenticator:
    """Verifies tokens by the keys of several issuers.

    Raises SettingsError INVALID_KEYS if a file with keys can't be used. Key sets at a URL are fetched when
    the first token arrives. `revocations`: makes the revoked tokens, from a function that forgets verified
    ones; None if no token is revoked.
    """

    def __init__(
        self,
        settings: AuthenticationSettings,
        observer: Observer,
        clock: Clock = SYSTEM_CLOCK,
        revocations: Callable[[Forget], Revocations] | None = None,
    ) -> None:
        self.settings = settings
        self.header = settings.header.encode("latin-1", "replace")
        self.prefix = f"{settings.prefix} ".lower().encode("latin-1", "replace") if settings.prefix else b""
        self.clock = clock
        self.observer = observer
        self.cache: LruCache[Digest, tuple[Identity, float]] = LruCache(settings.cache)
        self.revocations = revocations(self.forget) if revocations is not None else None
        self.sources = [
            KeySource(one, clock, self.key_set_failed, self.cache.values.clear) for one in settings.issuers
        ]
        for source in self.sources:
            if source.settings.jwks_file is not None:
                try:
                    source.load()
                except KeySetError as error:
                    name = source.settings.name
                    raise SettingsError(f"authentication, issuer {name}: {error}", "INVALID_KEYS") from error

    def start(self) -> None:
        """Start to read the key sets, so that the first token need not wait for them."""
        for source in self.sources:
            if not source.keys:
                source.start_refresh()

    def forget(self, revoked: Callable[[Mapping[str, Any]], bool]) -> None:
        """Forget the verified tokens with claims of which `revoked` is true."""
        for digest, (identity, _) in list(self.cache.values.items()):
            if revoked(identity.claims):
                self.cache.values.pop(digest, None)

    async def close(self) -> None:
        """Stop to listen for revoked tokens."""
        if self.revocations is not None:
            await self.revocations.close()

    def key_set_failed(self, issuer: str, reason: str) -> None:
        """Report that a key set could not be read; the old keys stay in use."""
        self.observer.emit(KeySetFailed(issuer, reason))

    def identify(self, headers: Mapping[str, str]) -> Identity | Awaitable[Identity]:
        """Return the identity of a request, at once if its token is known.

        Raises RequestError UNAUTHENTICATED if a token is required and missing; the awaitable raises it if the
        token is refused.
        """
        token = self.token_of(headers)
        if token is None:
            if self.settings.required:
                raise unauthenticated("this gateway needs a token, and the request has none", None)
            return ANONYMOUS
        digest = sha256(token).digest()
        found = self.cache.get(digest)
        if found is not None and found[1] > self.clock.now():
            time = self.clock.time()
            for source in self.sources:
                if time >= source.due:
                    source.start_refresh()
            return found[0]
        return self.verify(token.decode("latin-1"), digest)

    def token_of(self, headers: Mapping[str, str]) -> bytes | None:
        """Return the token of a request: from the header, after its prefix, or else from the cookie."""
        given = raw_value(headers, self.header)
        if given:
            start = given[: len(self.prefix)].lower()
            if start == self.prefix or start + b" " == self.prefix:  # the latter: a prefix without a token
                return given[len(start) :].strip()
        if self.settings.cookie is None or "cookie" not in headers:
            return None
        value = _cookie(headers.get("cookie", ""), self.settings.cookie)
        return None if value is None else value.encode("latin-1", "replace")

    async def verify(self, token: str, digest: Digest) -> Identity:
        """Return the identity of a new token, and cache it. Raises RequestError UNAUTHENTICATED."""
        try:
            header = read_header(token)
            identity, expires = await self.verified(token, header, digest)
            if self.revocations is not None and await self.revocations.are_revoked(identity.claims):
                raise InvalidToken("the token was revoked")
        except InvalidToken as error:
            raise unauthenticated(str(error), "invalid_token") from error
        self.cache.put(digest, (identity, expires))
        return identity

    async def verified(self, token: str, header: TokenHeader, digest: Digest) -> tuple[Identity, float]:
        """Return the identity and the end of a token's validity. Raises InvalidToken.

        For a key id that no key set has, the key sets are read again.
        """
        await self.refresh([source for source in self.sources if not source.keys])
        found = self.claims_of(token, header)
        if found is None and header.key_id is not None:
            await self.refresh(self.sources)
            found = self.claims_of(token, header)
        if found is None:
            raise InvalidToken(f"no issuer has the key {header.key_id!r} for {header.algorithm}")
        return self.identity_of(found[0], digest), found[1]

    def claims_of(self, token: str, header: TokenHeader) -> tuple[Mapping[str, Any], float] | None:
        """Return the claims of a token and the end of its validity; None if no issuer has a fitting key.

        Raises InvalidToken if an issuer has one, but no issuer accepts the token.
        """
        refused: InvalidToken | None = None
        for source in self.sources:
            keys = fitting(source.keys, header.key_id, header.algorithm)
            if keys and header.algorithm in source.settings.algorithms:
                try:
                    payload = verified_payload(token, header.algorithm, keys)
                    skew = self.settings.clock_skew
                    return check_claims(payload, source.settings, self.clock.now(), skew)
                except InvalidToken as error:
                    refused = error
        if refused is not None:
            raise refused
        return None

    async def refresh(self, sources: Iterable[KeySource]) -> None:
        """Read key sets again, except those for which unknown keys have caused too many fetches."""
        for source in sources:
            if source.may_refresh():
                await source.refresh()

    def identity_of(self, claims: Mapping[str, Any], digest: Digest) -> Identity:
        """Return the identity that verified claims give."""
        subject = claims.get("sub")
        return Identity(
            subject if isinstance(subject, str) else None,
            _names(claims.get(self.settings.scopes_claim)),
            claims,
            digest,
            authenticated=True,
            policies=_names(claims.get(self.settings.policies_claim)),
        )


def check_key_sets(settings: AuthenticationSettings) -> None:
    """Raise SettingsError INVALID_KEYS for a key set that can't be read now."""
    for issuer in settings.issuers:
        try:
            read_key_set(fetch_key_set(issuer))
        except KeySetError as error:
            message = f"authentication, issuer {issuer.name}: {error}"
            raise SettingsError(message, "INVALID_KEYS") from error


def _names(value: Any) -> frozenset[str]:
    """Return the names in a claim: a text with spaces between them, or a list of texts."""
    if isinstance(value, str):
        return frozenset(value.split())
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, list) else frozenset()


def _cookie(header: str, name: str) -> str | None:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return None
    return found.value if found is not None else None
