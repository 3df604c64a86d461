"""Commands about e-mail with tokens; the event for the notifications service is in `messages`."""

from dataclasses import dataclass, field
from uuid import UUID

from subgraphs.kit.messages import Command
from subgraphs.users.model import Account
from subgraphs.users.session_model import Client, OpenedSession


@dataclass(frozen=True)
class RequestConfirmation(Command[bool]):
    """Send a user the mail to confirm the address; returns False if it is confirmed."""

    user_id: UUID
    client: Client
    idempotency_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ConfirmEmail(Command[Account]):
    """Confirm the address to which a mail with this token was sent; returns the account."""

    token: str = field(repr=False)
    idempotency_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class RequestReset(Command[str]):
    """Send the user with this address the mail to choose a new password; returns the normalised address,
    whether an account has it or not.
    """

    email: str
    client: Client
    idempotency_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ResetPassword(Command[OpenedSession]):
    """Replace the password of the user to whom a mail with this token was sent; opens a session."""

    token: str = field(repr=False)
    new_password: str = field(repr=False)
    client: Client
    idempotency_key: str | None = field(default=None, repr=False)
