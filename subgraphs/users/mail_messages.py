"""Commands about e-mail with tokens; the event for the notifications service is in `messages`."""

from dataclasses import dataclass, field
from uuid import UUID

from subgraphs.kit.messages import Command
from subgraphs.users.session_model import Client, OpenedSession


@dataclass(frozen=True)
class RequestConfirmation(Command[bool]):
    """Send a user the mail to confirm the address; returns False if it is confirmed."""

    user_id: UUID
    client: Client


@dataclass(frozen=True)
class ConfirmEmail(Command[bool]):
    """Confirm the address to which a mail with this token was sent; returns True."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class RequestReset(Command[bool]):
    """Send the user with this address the mail to choose a new password; returns True for any address."""

    email: str
    client: Client


@dataclass(frozen=True)
class ResetPassword(Command[OpenedSession]):
    """Replace the password of the user to whom a mail with this token was sent; opens a session."""

    token: str = field(repr=False)
    new_password: str = field(repr=False)
    client: Client
