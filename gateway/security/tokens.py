"""JSON Web Tokens (RFC 7519, 7515): the signature is verified first, then the claims."""

import binascii
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from joserfc import jws
from joserfc.errors import JoseError

from gateway.core.jsontext import NotJson, read_json
from gateway.security.key_sets import VerificationKey
from gateway.settings import IssuerSettings

MAX_TOKEN = 16_384  # characters


class InvalidToken(Exception):
    """A token that is refused; the message says why, for the log and the client."""


class TokenHeader(NamedTuple):
    """What a token says of its signature. `key_id`: None if it names no key."""

    algorithm: str
    key_id: str | None


def read_header(token: str) -> TokenHeader:
    """Return the header of a token, whose signature is not verified yet. Raises InvalidToken."""
    header = _object(_first_part(token), "header")
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or (key_id is not None and not isinstance(key_id, str)):
        raise InvalidToken("expected texts as `alg` and `kid` in the token's header")
    if "crit" in header:
        raise InvalidToken("the token's header has critical extensions (`crit`), which are not supported")
    return TokenHeader(algorithm, key_id)


def _first_part(token: str) -> str:
    if len(token) > MAX_TOKEN:
        raise InvalidToken(f"expected a token of at most {MAX_TOKEN:,} characters, got {len(token):,}")
    parts = token.split(".")
    if len(parts) != 3 or not parts[0] or not parts[2]:
        raise InvalidToken("expected a token of three parts with dots between them")
    return parts[0]


def _object(part: str, name: str) -> dict[str, Any]:
    try:
        value = read_json(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (NotJson, binascii.Error, ValueError) as error:
        raise InvalidToken(f"the token's {name} is not JSON in base64url") from error
    if not isinstance(value, dict):
        raise InvalidToken(f"expected a JSON object as the token's {name}")
    return value


def verified_payload(token: str, algorithm: str, keys: Sequence[VerificationKey]) -> bytes:
    """Return the payload of a token that one of the keys has signed. Raises InvalidToken."""
    for one in keys:
        try:
            found = jws.deserialize_compact(token, one.key, algorithms=[algorithm])
        except (JoseError, ValueError, TypeError):
            continue
        return bytes(found.payload)
    raise InvalidToken("the token's signature does not fit its content")


def check_claims(
    payload: bytes, issuer: IssuerSettings, now: float, skew: float
) -> tuple[Mapping[str, Any], float]:
    """Return the claims of a verified token, and the time until which it is valid (infinity without `exp`).

    `now`: seconds since 1970. `skew`: seconds that clocks may differ. Raises InvalidToken.
    """
    try:
        claims = read_json(payload)
    except NotJson as error:
        raise InvalidToken("the token's payload is not JSON") from error
    if not isinstance(claims, dict):
        raise InvalidToken("expected a JSON object as the token's payload")
    expires = _check_times(claims, issuer, now, skew)
    _check_names(claims, issuer)
    return claims, expires


def _check_times(claims: Mapping[str, Any], issuer: IssuerSettings, now: float, skew: float) -> float:
    """Return the time until which the claims are valid. Raises InvalidToken."""
    expires = _time(claims, "exp")
    if expires is None and not issuer.allow_missing_exp:
        raise InvalidToken("the token has no `exp`, so it would never expire")
    if expires is not None and now >= expires + skew:
        raise InvalidToken("the token has expired")
    if (_time(claims, "nbf") or 0) > now + skew:
        raise InvalidToken("the token is not valid yet (`nbf`)")
    return float("inf") if expires is None else expires + skew


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidToken(f"expected a number as `{name}`")
    return float(value)


def _check_names(claims: Mapping[str, Any], issuer: IssuerSettings) -> None:
    if issuer.issuers and claims.get("iss") not in issuer.issuers:
        raise InvalidToken("the token is from another issuer (`iss`)")
    given = claims.get("aud")
    audiences = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    if issuer.audiences and not set(issuer.audiences).intersection(map(str, audiences)):
        raise InvalidToken("the token is for another audience (`aud`)")
