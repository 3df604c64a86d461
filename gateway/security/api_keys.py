"""API keys: for partners whose programs have no user and no token.

A key is `gk_ID_SECRET`. The file has only the SHA-256 of the secret, which is random and long, so that a slow
hash would add nothing. `gateway keys` writes the file.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hmac import compare_digest
from pathlib import Path
from typing import Annotated

import msgspec

from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.core.context import Identity
from gateway.core.errors import RequestError, SettingsError
from gateway.observe.facts import KeySetFailed
from gateway.observe.observer import Observer
from gateway.settings import KeySettings, RateRule

PREFIX = "gk"
MAX_FILE = 10_000_000  # bytes
MAX_KEY = 200  # characters of a key in a request
Sha256 = Annotated[str, msgspec.Meta(pattern="^sha256:[0-9a-f]{64}$")]
KeyId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{12}$")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class KeyLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a key's owner may ask in any `window` seconds: requests, or their estimated cost."""

    window: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    requests: Annotated[int, msgspec.Meta(ge=1)] | None = None
    cost: Annotated[int, msgspec.Meta(ge=1)] | None = None


class KeyRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One API key as the file has it.

    `hash`: of its secret. `expires`: None if it does not. `revoked`: whether it is refused.
    """

    id: KeyId
    name: Name
    hash: Sha256
    created: datetime
    expires: datetime | None = None
    scopes: tuple[str, ...] = ()
    limits: tuple[KeyLimit, ...] = ()
    revoked: bool = False

    def identity(self) -> Identity:
        """Return the identity of a request with this key."""
        claims = {"sub": self.name, "api_key": self.id, "scope": " ".join(self.scopes)}
        rates = tuple(
            RateRule(f"key-{position}", one.requests, one.cost, one.window, ("key",))
            for position, one in enumerate(self.limits, 1)
        )
        return Identity(
            self.name,
            frozenset(self.scopes),
            claims,
            ("api key", self.id),
            authenticated=True,
            api_key=self.id,
            rates=rates,
        )


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of API keys."""

    keys: tuple[KeyRecord, ...] = ()


def _unreadable(path: Path, error: OSError) -> SettingsError:
    message = f"the file of API keys {path} can't be read: {error.strerror or error}"
    return SettingsError(message, "INVALID_KEYS")


def read_keys(path: Path) -> KeyFile:
    """Return the keys of a file. Raises SettingsError INVALID_KEYS."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(text) > MAX_FILE:
        raise SettingsError(f"{path}: expected at most {MAX_FILE:,} bytes, got more", "INVALID_KEYS")
    try:
        found = msgspec.json.decode(text, type=KeyFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{path} is not a file of API keys: {error}", "INVALID_KEYS") from error
    ids = [one.id for one in found.keys]
    if len(set(ids)) < len(ids):
        raise SettingsError(f"{path}: two keys have one id", "INVALID_KEYS")
    return found


def write_keys(path: Path, keys: KeyFile) -> None:
    """Write a file of keys; a reader sees the old file or the new one. Only its owner may read it."""
    text = msgspec.json.format(msgspec.json.encode(keys), indent=2)
    new = path.with_name(path.name + ".new")
    new.touch(mode=0o600)
    new.write_bytes(text + b"\n")
    new.replace(path)


def new_key(
    name: str,
    scopes: Sequence[str],
    limits: Sequence[KeyLimit],
    created: datetime,
    expires: datetime | None,
) -> tuple[KeyRecord, str]:
    """Return the record of a new key, and the key itself, which is nowhere else."""
    secret = secrets.token_urlsafe(32)
    id_ = secrets.token_hex(6)
    record = KeyRecord(id_, name, _hash(secret), created, expires, tuple(scopes), tuple(limits))
    return record, f"{PREFIX}_{id_}_{secret}"


def _hash(secret: str) -> str:
    return "sha256:" + hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class ApiKeys:
    """The keys of a file, read again when it changes; the old ones stay in use if that fails.

    Raises SettingsError INVALID_KEYS.
    """

    def __init__(self, settings: KeySettings, observer: Observer, clock: Clock = SYSTEM_CLOCK) -> None:
        self.path = Path(settings.file or "")
        self.settings = settings
        self.observer = observer
        self.clock = clock
        self.due = clock.time() + settings.poll
        self.version = self._version()
        self.known = self._read()

    def identify(self, headers: Mapping[str, str]) -> Identity | None:
        """Return the identity of the key in a request; None if it has none.

        Raises RequestError UNAUTHENTICATED for a key that is unknown, revoked or expired.
        """
        given = headers.get(self.settings.header.lower())
        if given is None:
            return None
        if self.clock.time() >= self.due:
            self.refresh()
        found = self._find(given)
        if found is None:
            raise _refused("the API key is not known, or was revoked")
        record, identity = found
        if record.expires is not None and record.expires.timestamp() <= self.clock.now():
            raise _refused(f"the API key {record.id} has expired")
        return identity

    def refresh(self) -> None:
        """Read the file again if it has changed; a failure is reported."""
        self.due = self.clock.time() + self.settings.poll
        try:
            version = self._version()
            if version != self.version:
                self.known = self._read()
                self.version = version
        except SettingsError as error:
            self.observer.emit(KeySetFailed("API keys", error.message))

    def _find(self, given: str) -> tuple[KeyRecord, Identity] | None:
        prefix, _, rest = given.partition("_")
        id_, _, secret = rest.partition("_")
        found = self.known.get(id_) if prefix == PREFIX and len(given) <= MAX_KEY else None
        if found is None or found[0].revoked or not compare_digest(found[0].hash, _hash(secret)):
            return None
        return found

    def _read(self) -> dict[str, tuple[KeyRecord, Identity]]:
        return {one.id: (one, one.identity()) for one in read_keys(self.path).keys}

    def _version(self) -> tuple[int, int, int]:
        try:
            state = self.path.stat()
        except OSError as error:
            raise _unreadable(self.path, error) from error
        return state.st_mtime_ns, state.st_size, state.st_ino


def _refused(message: str) -> RequestError:
    return RequestError(message, "UNAUTHENTICATED", headers=((b"www-authenticate", b"ApiKey"),))


def utc(seconds: float) -> datetime:
    """Return a time as a date. `seconds`: since 1970."""
    return datetime.fromtimestamp(seconds, UTC)
