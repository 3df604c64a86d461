"""Global ids: the ids of objects as clients see them (Relay's Global Object Identification).

A global id names an object's type and its UUID. Clients treat it as opaque: its layout has a version, so that
it can change. Within the federation an object's key is the plain UUID (the field `uuid`, @inaccessible).

Layout before base64url, without padding: one byte with the version (1), one byte with the number of the
region (0: no region), the 16 bytes of the UUID, and the name of the GraphQL type.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import strawberry

VERSION: Final = 1
NO_REGION: Final = 0
_HEAD: Final = bytes((VERSION, NO_REGION))
_LONGEST: Final = 100


@dataclass(frozen=True, slots=True)
class GlobalId:
    """The parts of a global id: the name of the GraphQL type, and the object's UUID."""

    kind: str
    key: UUID


def encode(kind: str, key: UUID | str) -> strawberry.ID:
    """Return the global id of the object with the UUID `key`; `kind` is the name of its GraphQL type."""
    raw = key.bytes if isinstance(key, UUID) else bytes.fromhex(key.replace("-", ""))
    encoded = base64.urlsafe_b64encode(_HEAD + raw + kind.encode())
    return strawberry.ID(encoded.rstrip(b"=").decode())


def decode(value: str) -> GlobalId | None:
    """Return the parts of a global id; None for a text that is not a global id of this version."""
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    try:
        raw = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
        kind = raw[18:].decode("ascii")
    except (binascii.Error, ValueError):
        return None
    if not raw.startswith(_HEAD) or not kind.isalpha():
        return None
    found = GlobalId(kind, UUID(bytes=raw[2:18]))
    return found if encode(kind, found.key) == value else None


def key_of(value: object, kind: str | None = None) -> UUID | None:
    """Return the UUID in a global id of the type `kind`; None for any other text.

    A plain UUID is also accepted: services, logs, events and webhooks use UUIDs. `kind` None: only a plain
    UUID is accepted.
    """
    if not isinstance(value, str):
        return None
    if kind is not None and (found := decode(value)) is not None:
        return found.key if found.kind == kind else None
    try:
        return UUID(value) if len(value) <= 45 else None
    except ValueError:
        return None


def booking_key(value: object) -> str | None:
    """Return the UUID of a booking as events have it, from its global id or its UUID; None for other texts.

    The gateway calls this function and the next ones for the arguments of subscriptions (`gateway.yaml`).
    """
    return _text(key_of(value, "Booking"))


def request_key(value: object) -> str | None:
    """Return the UUID of a request, as `booking_key` does."""
    return _text(key_of(value, "MusicianRequest"))


def saga_key(value: object) -> str | None:
    """Return the UUID of a saga, as `booking_key` does."""
    return _text(key_of(value, "Saga"))


def skill_key(value: object) -> str | None:
    """Return the UUID of a skill, as `booking_key` does."""
    return _text(key_of(value, "Skill"))


def _text(key: UUID | None) -> str | None:
    return None if key is None else str(key)
