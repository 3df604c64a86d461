"""Tests of tokens: valid ones are accepted, and every forgery is refused."""

import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from joserfc.util import urlsafe_b64encode

from gateway.config.load import read_config
from gateway.core.clock import SYSTEM_CLOCK
from gateway.core.context import Identity as GatewayIdentity
from gateway.core.errors import RequestError
from gateway.observe.observer import Observer
from gateway.security.authenticate import Authenticator
from subgraphs.kit.clock import FakeClock
from subgraphs.kit.errors import Unauthenticated
from subgraphs.kit.identity import (
    CACHED_TOKENS,
    SERVICE,
    SERVICE_PUBLIC,
    Identity,
    TokenSigner,
    TokenVerifier,
)
from subgraphs.kit.keys import load_key, main, make_key_pair
from subgraphs.kit.testing import SigningKeys
from subgraphs.platform.options import GATEWAY_CONFIG

USER = uuid4()


def claims(**changes: Any) -> dict[str, Any]:
    """Return valid claims with these changes; None removes a claim."""
    right = {
        "iss": "mussikon",
        "aud": "mussikon",
        "sub": str(USER),
        "role": "client",
        "exp": int(time.time()) + 60,
    }
    return {name: value for name, value in {**right, **changes}.items() if value is not None}


def signed(keys: SigningKeys, **changes: Any) -> str:
    """Return a token with these claims, signed with the right key."""
    return jwt.encode({"alg": "ES256"}, claims(**changes), load_key(keys.private), algorithms=["ES256"])


def unsigned(algorithm: str) -> str:
    """Return a token whose header says that it needs no signature."""
    parts = ({"alg": algorithm, "typ": "JWT"}, claims(role="admin"))
    return ".".join(urlsafe_b64encode(orjson.dumps(part)).decode() for part in parts) + "."


def keyed_with_public_key(keys: SigningKeys) -> str:
    """Return a token signed by HS256 with the text of the public key as its secret."""
    secret = OctKey.import_key(keys.public.read_bytes().replace(b"-----", b""))
    return jwt.encode({"alg": "HS256"}, claims(role="admin"), secret, algorithms=["HS256"])


def signed_by_another() -> str:
    """Return a token signed with another key."""
    return jwt.encode(
        {"alg": "ES256"}, claims(role="admin"), ECKey.generate_key("P-256"), algorithms=["ES256"]
    )


def test_a_signed_token_names_its_user(keys: SigningKeys) -> None:
    """A signed token gives its identity, also the second time, from the cache."""
    verifier = TokenVerifier(keys.public)
    token = TokenSigner(keys.private).sign(USER, "musician")
    for _ in range(2):
        assert verifier.identity(f"Bearer {token.value}") == Identity(USER, "musician")
    assert verifier.identity(f"bearer   {token.value} ") == Identity(USER, "musician")


def test_nobody_is_no_error(keys: SigningKeys) -> None:
    """Without a header, or with an empty one, the identity is None."""
    assert TokenVerifier(keys.public).identity(None) is None
    assert TokenVerifier(keys.public).identity("") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": int(time.time()) - 1},
        {"exp": None},
        {"exp": "tomorrow"},
        {"aud": "elsewhere"},
        {"aud": None},
        {"iss": "elsewhere"},
        {"iss": None},
        {"sub": "1 or 1=1"},
        {"sub": None},
        {"sub": 7},
        {"role": "root"},
        {"role": None},
        {"role": ["admin"]},
        {"nbf": int(time.time()) + 3600},
    ],
)
def test_claims_must_be_right(keys: SigningKeys, changes: dict[str, Any]) -> None:
    """A token of the right key with missing, wrong or expired claims is refused."""
    with pytest.raises(Unauthenticated, match="log in again"):
        TokenVerifier(keys.public).identity(f"Bearer {signed(keys, **changes)}")


def test_forged_tokens_are_refused(keys: SigningKeys) -> None:
    """`none`, HS256 with the public key, another key and a changed payload are refused."""
    token = signed(keys)
    header, _, signature = token.split(".")
    promoted = urlsafe_b64encode(orjson.dumps(claims(role="admin"))).decode()
    forged = [
        unsigned("none"),
        unsigned("None"),
        unsigned("ES256"),
        keyed_with_public_key(keys),
        signed_by_another(),
    ]
    for value in [
        *forged,
        f"{header}.{promoted}.{signature}",
        token[:-4],
        token + "x",
        "a.b.c",
        "null",
        "ü",
        "." * 999,
    ]:
        with pytest.raises(Unauthenticated):
            TokenVerifier(keys.public).identity(f"Bearer {value}")


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer  ", "token"])
def test_other_schemes_are_refused(keys: SigningKeys, header: str) -> None:
    """A header that is no bearer token raises an error."""
    with pytest.raises(Unauthenticated):
        TokenVerifier(keys.public).identity(header)


async def test_a_remembered_token_still_ends(keys: SigningKeys) -> None:
    """A cached token is refused after it has expired."""
    clock = FakeClock()
    verifier = TokenVerifier(keys.public, clock)
    header = f"Bearer {TokenSigner(keys.private, 60, clock).sign(USER, 'client').value}"
    await clock.advance(59)
    assert verifier.identity(header) == verifier.identity(header) == Identity(USER, "client")
    await clock.advance(1)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            verifier.identity(header)


def test_what_is_remembered_of_tokens(keys: SigningKeys) -> None:
    """The cache has a limited number of digests, and no token can be read from it."""
    verifier, signer = TokenVerifier(keys.public), TokenSigner(keys.private)
    tokens = [signer.sign(USER, "client").value for _ in range(CACHED_TOKENS + 3)]
    for token in tokens:
        verifier.identity(f"Bearer {token}")
    known = vars(verifier)["_cached"]
    assert len(known) == CACHED_TOKENS
    assert not set(tokens) & set(map(str, known))


def test_keys_are_made_once(keys: SigningKeys) -> None:
    """A second start does not change the keys, and restores a lost public file; only the owner may read the
    private one.
    """
    before = keys.private.read_bytes(), keys.public.read_bytes()
    keys.public.unlink()
    make_key_pair(keys.private, keys.public)
    assert (keys.private.read_bytes(), keys.public.read_bytes()) == before
    assert keys.private.stat().st_mode & 0o077 == 0


async def test_the_gateway_accepts_users_tokens_only(keys: SigningKeys, tmp_path: Path) -> None:
    """The gateway knows user and scope of a token; it refuses tokens of services and of other keys."""
    assert main([str(keys.private), str(keys.public), str(tmp_path / "jwks.json")]) == 0
    settings = read_config(
        GATEWAY_CONFIG, {"MUSSIKON_KEY_SET": str(tmp_path / "jwks.json"), "MUSSIKON_API_KEYS": "unused"}
    )
    gateway = Authenticator(settings.authentication, Observer(), SYSTEM_CLOCK)
    for role in ("client", "musician", "admin"):
        token = TokenSigner(keys.private).sign(USER, role).value
        found = gateway.identify({"authorization": f"Bearer {token}"})
        identity = found if isinstance(found, GatewayIdentity) else await found
        assert (identity.subject, identity.scopes) == (str(USER), frozenset({role}))
    make_key_pair(tmp_path / "other.pem", tmp_path / "other.pub.pem")
    for key, role in ((keys.service, SERVICE), (tmp_path / "other.pem", "admin")):
        token = TokenSigner(key).sign(USER, role).value
        with pytest.raises(RequestError, match="no issuer has the key"):
            await cast(Awaitable[Any], gateway.identify({"authorization": f"Bearer {token}"}))


def test_who_may_see() -> None:
    """`is_owner_or_admin` is True for owners and admins only."""
    other = UUID(int=1)
    assert Identity(USER, "client").is_owner_or_admin(USER)
    assert not Identity(USER, "client").is_owner_or_admin(other)
    assert not Identity(USER, "client").is_owner_or_admin(None)
    assert Identity(USER, "admin").is_owner_or_admin(other)
    assert Identity(USER, "client").is_owner_or_admin(other, USER)
    assert not Identity(USER, "client").is_owner_or_admin(other, None)
    assert not Identity(USER, "client").is_owner_or_admin()


def test_people_and_services_have_keys_of_their_own(tmp_path: Path) -> None:
    """A token for a service needs the services' key, a token for a user the users' key; without a services'
    key file no service's token is valid.
    """
    keys = SigningKeys.make(tmp_path)
    verifier = TokenVerifier(keys.public)
    service = TokenSigner(keys.service).sign(uuid4(), SERVICE).value
    found = verifier.identity(f"Bearer {service}")
    assert found is not None
    assert found.role == SERVICE
    for signer, role in ((TokenSigner(keys.private), SERVICE), (TokenSigner(keys.service), "admin")):
        with pytest.raises(Unauthenticated):
            verifier.identity(f"Bearer {signer.sign(uuid4(), role).value}")
    keys.public.with_name(SERVICE_PUBLIC).unlink()
    with pytest.raises(Unauthenticated):
        TokenVerifier(keys.public).identity(f"Bearer {service}")
