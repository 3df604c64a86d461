"""Commands that refresh and end sessions; the events are in `messages`."""

from dataclasses import dataclass, field
from uuid import UUID

from subgraphs.kit.messages import Command
from subgraphs.users.model import Account
from subgraphs.users.session_model import Client, OpenedSession, SessionRecord


@dataclass(frozen=True)
class RefreshSession(Command[OpenedSession | None]):
    """Replace a refresh token by new tokens of its session; returns None if it is not valid.

    `idempotency_key`: by which a repeated use is known as such.
    """

    refresh_token: str = field(repr=False)
    idempotency_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class LogOut(Command[bool]):
    """End the session of an access token; returns whether there was one, and open.

    `session_id`: None for a token without a session, of which only the token `token_id` is revoked.
    """

    user_id: UUID
    session_id: UUID | None
    token_id: str
    idempotency_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class LogOutEverywhere(Command[int]):
    """End all sessions of a user; returns how many were open."""

    user_id: UUID
    idempotency_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class EndSession(Command[SessionRecord]):
    """End one of a user's sessions; returns it."""

    user_id: UUID
    session_id: UUID
    idempotency_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class CloseAccount(Command[Account]):
    """Close the account of a user, who proves it with the password; returns the account."""

    user_id: UUID
    client: Client
    password: str = field(repr=False)
    idempotency_key: str | None = field(default=None, repr=False)
