"""The identity of a caller, which services read only from the signed bearer token (JWT); and its signing.

The algorithm is fixed here and never read from the token. So a token with the algorithm `none`, or with HS256
and the public key as its secret, is refused.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
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
LIFETIME_SECONDS = 8 * 3600
CACHED_TOKENS = 4096
_INVALID = "The token is not valid or has expired: log in again"


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
    """A signed token, and the time at which it expires."""

    value: str
    expires_at: datetime


class TokenVerifier:
    """Verifies tokens with the public key, and caches identities: a verification costs more than a request.

    The cache has up to CACHED_TOKENS tokens, as digests, each until it expires.

    Tokens of services are signed with a key of their own, whose public file is in the same folder as that for
    users. A token with the role `service` that is signed with the users' key is refused, and vice versa.
    """

    def __init__(self, public_key_file: Path, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._key = load_key(public_key_file)
        self._service_key_file = public_key_file.with_name(SERVICE_PUBLIC)
        self._service_key: ECKey | None = None
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(clock.now().timestamp()),
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            exp={"essential": True},
            sub={"essential": True},
        )
        self._cached: OrderedDict[bytes, tuple[float, Identity]] = OrderedDict()

    def identity(self, authorization: str | None) -> Identity | None:
        """Return the identity in the value of an `authorization` header; None without a header.

        Raises Unauthenticated for a token that is not valid or has expired.
        """
        if not authorization:
            return None
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("The authorization header must be 'Bearer <token>'")
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        expires, identity = self._cached.get(digest) or self._cache(digest, self._verify(token))
        if expires <= self._clock.now().timestamp():
            self._cached.pop(digest, None)
            raise Unauthenticated(_INVALID)
        return identity

    def _cache(self, digest: bytes, entry: tuple[float, Identity]) -> tuple[float, Identity]:
        self._cached[digest] = entry
        if len(self._cached) > CACHED_TOKENS:
            self._cached.popitem(last=False)
        return entry

    def _verify(self, token: str) -> tuple[float, Identity]:
        try:
            decoded = jwt.decode(token, self._key_for, algorithms=[ALGORITHM])
            claims = decoded.claims
            self._claims.validate(claims)
            if (claims["role"] == SERVICE) != (decoded.header.get("kid") == SERVICE):
                raise ValueError("the token is not signed with the key for its role")
            return float(claims["exp"]), Identity(UUID(claims["sub"]), _role(claims))
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

    def sign(self, user_id: UUID, role: str) -> Token:
        """Return a new token for the user or service with this id.

        The gateway reads `scope` (RFC 9068); services read `role`.
        """
        now = int(self._clock.now().timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "role": role,
            "scope": role,
            "iat": now,
            "exp": now + self._lifetime,
            "jti": uuid4().hex,
        }
        header = {"alg": ALGORITHM, "typ": "JWT", "kid": SERVICE if role == SERVICE else self._key_id}
        value = jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])
        return Token(value, datetime.fromtimestamp(now + self._lifetime, UTC))


def _role(claims: dict[str, Any]) -> str:
    role = claims["role"]
    if role not in ROLES:
        raise ValueError(role)
    return str(role)
