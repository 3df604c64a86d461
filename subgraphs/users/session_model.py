"""The rules of sessions, without I/O: their lifetimes, their secrets, and who the client of a request is.

A session begins with a log-in. Its client gets a short-lived access token, and a refresh token for the next
pair of both. Each refresh token is used once: a second use means that somebody has copied it, and ends the
session. Only a client that got no answer may repeat the use at once, with the same idempotency key.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from subgraphs.kit import checks
from subgraphs.kit.identity import Token
from subgraphs.users.model import Account

EndReason = Literal["log_out", "ended", "password", "closed", "reused"]
JUST_BEFORE: Final = timedelta(milliseconds=1)
"""What a revocation of a user's tokens is earlier than now, so that it spares those issued now."""
REPEATABLE: Final = timedelta(minutes=1)
"""How long a refresh can be repeated with its idempotency key."""
UNKNOWN_DEVICE: Final = "Unknown device"
MAX_KNOWN_DEVICES: Final = 20
_LONGEST_TOKEN: Final = 200


@dataclass(frozen=True, slots=True)
class Client:
    """The program that sends a request, as far as it is known.

    `address`: its network address. `device`: the name that it gives itself, which its user sees in the list
    of sessions. `device_token`: the secret that it got at an earlier log-in.
    """

    address: str | None = None
    device: str | None = None
    device_token: str | None = field(default=None, repr=False)

    def device_name(self) -> str:
        """Return the checked name of the device. Raises BadUserInput."""
        return checks.optional_text(self.device, "device", 100) or UNKNOWN_DEVICE


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A row of the table `sessions`, without the reason of its end."""

    id: UUID
    user_id: UUID
    device: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """The tokens of a session that was opened or refreshed, and its account.

    `device_token`: None after a refresh.
    """

    account: Account
    access: Token
    refresh_token: str = field(repr=False)
    refresh_expires_at: datetime
    device_token: str | None = field(default=None, repr=False)


def new_secret() -> str:
    """Return a new secret of 256 random bits, for a client."""
    return secrets.token_urlsafe(32)


def hash_of(secret: str) -> bytes:
    """Return what is stored of a secret; a slow hash is not needed for 256 random bits."""
    return hashlib.sha256(secret[:_LONGEST_TOKEN].encode(errors="surrogatepass")).digest()
