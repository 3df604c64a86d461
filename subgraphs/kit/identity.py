"""The identity of a caller, which services read only from the signed bearer token (JWT); and its signing.

The algorithm is fixed here and never read from the token. So a token with the algorithm `none`, or with HS256
and the public key as its secret, is refused.
"""

import hashlib
import math
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from subgraphs.kit.clock import SYSTEM_CLOCK, Clock
from subgraphs.kit.errors import Unauthenticated
from subgraphs.kit.keys import ALGORITHM, key_id, load_key

AUDIENCE = "mussikon"
ISSUER = "mussikon"
SERVICE = "service"
SERVICE_PRIVATE, SERVICE_PUBLIC = "service.pem", "service.pub.pem"
ROLES = ("client", "musician", "admin", SERVICE)
LIFETIME_SECONDS = 15 * 60
LONGEST_LIFETIME_SECONDS = 8 * 3600
"""A token of users is valid for at most this time, so a revocation has to be stored no longer."""
CACHED_TOKENS = 4096
_INVALID = "The token is not valid or has expired: log in again"
_REVOKED = "The session of this token has ended: log in again"


@dataclass(frozen=True, slots=True)
class Identity:
    """The id of the user or service in a valid token, and its role."""

    user_id: UUID
    role: str

    @property
    def is_admin(self) -> bool:
        """Whether the role is `admin`, which may see and change the objects of all users."""
        return self.role == "admin"

    def is_owner_or_admin(self, *owners: UUID | None) -> bool:
        """Return whether the user is one of `owners` (user ids) or an admin."""
        return self.is_admin or self.user_id in owners


@dataclass(frozen=True, slots=True)
class Token:
    """A signed token, its id (`jti`), and the time at which it expires."""

    value: str
    expires_at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class ValidToken:
    """The facts in a token that was verified.

    `id`: the claim `jti`, "" if the token has none. `session_id`: the session for which it was issued.
    `issued_at` and `expires_at`: seconds since 1970.
    """

    identity: Identity
    id: str
    session_id: UUID | None
    issued_at: float
    expires_at: float


class Revoked(Protocol):
    """Knows the revoked tokens (`kit/revocation`)."""

    def covers(self, token: ValidToken) -> bool:
        """Return whether a token is revoked."""
        ...


class TokenVerifier:
    """Verifies tokens with the public key, and caches identities: a verification costs more than a request.

    The cache has up to CACHED_TOKENS tokens, as digests, each until it expires.

    Tokens of services are signed with a key of their own, whose public file is in the same folder as that for
    users. A token with the role `service` that is signed with the users' key is refused, and vice versa.

    `revoked`: the revoked tokens, which are refused although they are in the cache; None: no token is revoked
    (`Service.guard` sets it).
    """

    revoked: Revoked | None = None

    def __init__(self, public_key_file: Path, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._key = load_key(public_key_file)
        self._service_key_file = public_key_file.with_name(SERVICE_PUBLIC)
        self._service_key: ECKey | None = None
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: math.ceil(clock.now().timestamp()),  # `iat` has fractions of a second
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            exp={"essential": True},
            sub={"essential": True},
        )
        self._cached: OrderedDict[bytes, ValidToken] = OrderedDict()

    def identity(self, authorization: str | None) -> Identity | None:
        """Return the identity in the value of an `authorization` header; None without a header.

        Raises Unauthenticated for a token that is not valid, has expired or is revoked.
        """
        token = self.token(authorization)
        return token.identity if token is not None else None

    def token(self, authorization: str | None) -> ValidToken | None:
        """Return the facts of the token in an `authorization` header; None without a header.

        Raises Unauthenticated for a token that is not valid, has expired or is revoked.
        """
        if not authorization:
            return None
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("The authorization header must be 'Bearer <token>'")
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        found = self._cached.get(digest) or self._cache(digest, self._verify(token))
        if found.expires_at <= self._clock.now().timestamp():
            self._cached.pop(digest, None)
            raise Unauthenticated(_INVALID)
        if self.revoked is not None and self.revoked.covers(found):
            raise Unauthenticated(_REVOKED)
        return found

    def _cache(self, digest: bytes, token: ValidToken) -> ValidToken:
        self._cached[digest] = token
        if len(self._cached) > CACHED_TOKENS:
            self._cached.popitem(last=False)
        return token

    def _verify(self, token: str) -> ValidToken:
        try:
            decoded = jwt.decode(token, self._key_for, algorithms=[ALGORITHM])
            claims = decoded.claims
            self._claims.validate(claims)
            if (claims["role"] == SERVICE) != (decoded.header.get("kid") == SERVICE):
                raise ValueError("the token is not signed with the key for its role")
            session = claims.get("sid")
            return ValidToken(
                Identity(UUID(claims["sub"]), _role(claims)),
                str(claims.get("jti", "")),
                UUID(session) if session is not None else None,
                float(claims.get("iat", 0)),
                float(claims["exp"]),
            )
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, OSError) as error:
            raise Unauthenticated(_INVALID) from error

    def _key_for(self, token: Any) -> ECKey:
        if token.headers().get("kid") != SERVICE:
            return self._key
        if self._service_key is None:
            self._service_key = load_key(self._service_key_file)
        return self._service_key


class TokenSigner:
    """Signs tokens with a private key.

    The users service has the key for users; services that call others have the key for services.
    """

    def __init__(
        self, private_key_file: Path, lifetime_seconds: int = LIFETIME_SECONDS, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._clock = clock
        self._key: ECKey = load_key(private_key_file)
        self._key_id = key_id(self._key)
        self._lifetime = lifetime_seconds

    def sign(self, user_id: UUID, role: str, session_id: UUID | None = None) -> Token:
        """Return a new token for the user or service with this id.

        The gateway reads `scope` (RFC 9068); services read `role`. `iat` has fractions of a second, so that a
        revocation of all earlier tokens of a user spares a token that is issued in the same second.
        """
        now = self._clock.now().timestamp()
        expires, token_id = int(now) + self._lifetime, uuid4().hex
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "role": role,
            "scope": role,
            "iat": now,
            "exp": expires,
            "jti": token_id,
            **({"sid": str(session_id)} if session_id is not None else {}),
        }
        header = {"alg": ALGORITHM, "typ": "JWT", "kid": SERVICE if role == SERVICE else self._key_id}
        value = jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])
        return Token(value, datetime.fromtimestamp(expires, UTC), token_id)


def _role(claims: dict[str, Any]) -> str:
    role = claims["role"]
    if role not in ROLES:
        raise ValueError(role)
    return str(role)
