"""The rules of e-mail about accounts, without I/O: kinds, lifetimes, and the tokens in it.

A token is computed from the id of the mail and a secret of the service, so that no event, no queue and no
database has it: the notifications service asks for it when it sends the mail. The database has its hash.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

from subgraphs.kit.errors import BadUserInput

Kind = Literal["confirm_email", "reset_password"]
LIFETIMES: Final[dict[Kind, timedelta]] = {
    "confirm_email": timedelta(days=3),
    "reset_password": timedelta(hours=1),
}
PER_EMAIL: Final = 3
"""How many mails an address gets within the window of log-ins."""
PER_NETWORK: Final = 20
_PURPOSE: Final = b"tokens in e-mail about accounts"


@dataclass(frozen=True, slots=True)
class MailRecord:
    """A row of the table `account_mail`, without the token's hash."""

    id: UUID
    user_id: UUID | None
    kind: str
    email: str
    expires_at: datetime
    used_at: datetime | None


class MailTokens:
    """Computes the tokens of mails, with a secret that follows from the service's private key."""

    def __init__(self, private_key_file: Path) -> None:
        self._secret = hmac.digest(private_key_file.read_bytes(), _PURPOSE, "sha256")

    def __repr__(self) -> str:
        return "MailTokens()"

    def token(self, mail_id: UUID) -> str:
        """Return the token of a mail: 43 characters."""
        digest = hmac.digest(self._secret, mail_id.bytes, hashlib.sha256)
        return urlsafe_b64encode(digest).decode().rstrip("=")


def mail_limits(email: str, network: str | None) -> dict[str, int]:
    """Return how many requests for mail are allowed within the window of log-ins, by subject."""
    limits = {f"mail:{email.lower()}": PER_EMAIL}
    return limits | ({f"mail-address:{network}": PER_NETWORK} if network else {})


def wrong_token() -> BadUserInput:
    """Return the error for a token that is unknown, expired or used."""
    return BadUserInput("The token is wrong, has expired or was used: request a new e-mail", "token")
