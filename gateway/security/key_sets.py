"""JSON Web Key Sets (RFC 7517): read from a file or a URL, and read again while the gateway runs."""

import asyncio
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, OctKey

from gateway.core.clock import Clock
from gateway.core.jsontext import NotJson, read_json
from gateway.security.download import DownloadFailed, download
from gateway.settings import IssuerSettings

MAX_KEY_SET = 1_000_000  # bytes
MAX_KEYS = 100
MIN_RSA_BITS = 2048
FETCH_SECONDS = 5.0
UNKNOWN_KEY_BURST = 2  # fetches for tokens with an unknown key id, at once
UNKNOWN_KEY_SECONDS = 30.0  # after which one more such fetch is allowed
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "HS": "oct", "Ed": "OKP"}


class KeySetError(Exception):
    """A key set that can't be read or used; the message says why."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key that verifies signatures. `id`, `algorithm`: as in the key set, None if it has none."""

    key: Key
    id: str | None
    algorithm: str | None

    def fits(self, algorithm: str) -> bool:
        """Return whether the key is for this algorithm: its own one, its type and its curve."""
        if self.algorithm not in (None, algorithm) or self.key.key_type != _TYPES.get(algorithm[:2]):
            return False
        if algorithm.startswith("HS"):  # RFC 7518, 3.2: at least as long as the hash
            return isinstance(self.key, OctKey) and len(self.key.raw_value) * 8 >= int(algorithm[2:])
        curve = _CURVES.get(algorithm)
        return curve is None or self.key.as_dict(private=False).get("crv") == curve


def read_key_set(text: bytes | str) -> tuple[VerificationKey, ...]:
    """Return the keys of a key set (or a single key) that verify signatures; other keys are ignored.

    Raises KeySetError, also for a set of secret and public keys together: a public key used as a secret would
    let everybody sign.
    """
    keys = _members(text)
    if len(keys) > MAX_KEYS:
        raise KeySetError(f"expected at most {MAX_KEYS} keys, got {len(keys)}")
    if len({one.get("kty") == "oct" for one in keys}) > 1:
        raise KeySetError("expected either secret keys (kty oct) or public keys, got both")
    found = [_read_key(one) for one in keys if _verifies(one)]
    if not found:
        raise KeySetError("the key set has no key that verifies signatures")
    return tuple(found)


def _members(text: bytes | str) -> list[dict[str, Any]]:
    """Return the keys of a key set, or a single key, as JSON objects. Raises KeySetError."""
    try:
        value = read_json(text)
    except NotJson as error:
        raise KeySetError(f"the key set is not JSON: {error}") from error
    keys = value.get("keys", [value]) if isinstance(value, dict) else None
    if not isinstance(keys, list) or not all(isinstance(one, dict) for one in keys):
        raise KeySetError('expected a JSON Web Key Set such as {"keys": [...]}')
    return keys


def _verifies(key: Mapping[str, Any]) -> bool:
    operations = key.get("key_ops", ["verify"])
    if not isinstance(operations, list):
        raise KeySetError(f"expected a list as `key_ops` of the key {key.get('kid', '(without kid)')!r}")
    return key.get("use", "sig") == "sig" and "verify" in operations


def _read_key(value: Mapping[str, Any]) -> VerificationKey:
    shown = repr(value.get("kid", "(without kid)"))
    try:
        if value.get("kty") == "RSA":
            _check_modulus(int.from_bytes(urlsafe_b64decode(value["n"] + "==")), shown)
        key = JWKRegistry.import_key(dict(value))
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise KeySetError(f"the key {shown} can't be read: {error}") from error
    return VerificationKey(key, value.get("kid"), value.get("alg"))


def _check_modulus(modulus: int, shown: str) -> None:
    """Raise KeySetError for an RSA key that is too weak. `shown`: the key's id, for the message."""
    if modulus.bit_length() < MIN_RSA_BITS:
        message = f"expected an RSA key of at least {MIN_RSA_BITS} bits, got {modulus.bit_length()}"
        raise KeySetError(f"{message}: the key {shown}")
    if _is_weak(modulus):
        raise KeySetError(f"the key {shown} can be factored (ROCA); replace it")


def _is_weak(modulus: int) -> bool:
    """Return whether an RSA modulus has the form of keys that can be factored (CVE-2017-15361, ROCA).

    Such a modulus is a power of 65537 modulo each of these primes; another one hardly ever is.
    """
    return all(modulus % prime in powers for prime, powers in _ROCA.items())


_PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101)
_ROCA = {prime: {pow(65537, power, prime) for power in range(prime)} for prime in _PRIMES}


def fetch_key_set(settings: IssuerSettings) -> bytes:
    """Return the text of an issuer's key set, from its file or URL. Raises KeySetError."""
    if settings.jwks_file is not None:
        try:
            return Path(settings.jwks_file).read_bytes()
        except OSError as error:
            reason = error.strerror or error
            raise KeySetError(f"the file {settings.jwks_file} can't be read: {reason}") from error
    try:
        return download(settings.jwks_url or "", settings.headers, FETCH_SECONDS, MAX_KEY_SET)
    except DownloadFailed as error:
        raise KeySetError(str(error)) from error


class KeySource:
    """The current keys of one issuer. Old keys stay in use when a new key set can't be read.

    `failed`: called with the issuer's name and the reason of a failure. `changed`: called when the keys have
    changed.
    """

    def __init__(
        self,
        settings: IssuerSettings,
        clock: Clock,
        failed: Callable[[str, str], None],
        changed: Callable[[], None],
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.failed = failed
        self.changed = changed
        self.keys: tuple[VerificationKey, ...] = ()
        self.text = b""
        self.due = 0.0
        self.refreshing: asyncio.Task[None] | None = None
        self.allowed = float(UNKNOWN_KEY_BURST)
        self.allowed_since = clock.time()

    def load(self) -> None:
        """Read the key set now, without an event loop. Raises KeySetError."""
        self.due = self.clock.time() + self.settings.poll
        self.use(fetch_key_set(self.settings))

    def use(self, text: bytes) -> None:
        """Use the keys of a key set from now on. Raises KeySetError."""
        keys = read_key_set(text)
        if text != self.text and self.text:
            self.changed()
        self.keys, self.text = keys, text

    async def refresh(self) -> None:
        """Read the key set again, once for all who wait for it; a failure is reported."""
        await asyncio.shield(self.start_refresh())

    def start_refresh(self) -> "asyncio.Task[None]":
        """Start to read the key set again, unless that is under way; return its task."""
        if self.refreshing is None or self.refreshing.done():
            self.refreshing = asyncio.ensure_future(self._refresh())
        return self.refreshing

    async def _refresh(self) -> None:
        self.due = self.clock.time() + self.settings.poll
        try:
            self.use(await asyncio.to_thread(fetch_key_set, self.settings))
        except KeySetError as error:
            self.failed(self.settings.name, str(error))

    def may_refresh(self) -> bool:
        """Return whether a token with an unknown key id may cause a fetch now (a token bucket)."""
        now = self.clock.time()
        refill = (now - self.allowed_since) / UNKNOWN_KEY_SECONDS
        self.allowed, self.allowed_since = min(self.allowed + refill, float(UNKNOWN_KEY_BURST)), now
        if self.allowed < 1:
            return False
        self.allowed -= 1
        return True


def fitting(keys: Sequence[VerificationKey], key_id: str | None, algorithm: str) -> list[VerificationKey]:
    """Return the keys that may have signed a token; `key_id`: the token's, None if it names none."""
    return [one for one in keys if key_id in (None, one.id) and one.fits(algorithm)]
