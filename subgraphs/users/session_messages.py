"""Commands that refresh and end sessions; the events are in `messages`."""

from dataclasses import dataclass, field
from uuid import UUID

from subgraphs.kit.messages import Command
from subgraphs.users.session_model import Client, OpenedSession


@dataclass(frozen=True)
class RefreshSession(Command[OpenedSession | None]):
    """Replace a refresh token by new tokens of its session; returns None if it is not valid."""

    refresh_token: str = field(repr=False)


@dataclass(frozen=True)
class LogOut(Command[bool]):
    """End the session of an access token; returns whether it was open.

    `session_id`: None for a token without a session, of which only the token `token_id` is revoked.
    """

    user_id: UUID
    session_id: UUID | None
    token_id: str


@dataclass(frozen=True)
class LogOutEverywhere(Command[int]):
    """End all sessions of a user; returns how many were open."""

    user_id: UUID


@dataclass(frozen=True)
class EndSession(Command[bool]):
    """End one of a user's sessions; returns True."""

    user_id: UUID
    session_id: UUID


@dataclass(frozen=True)
class CloseAccount(Command[bool]):
    """Close the account of a user, who proves it with the password; returns True."""

    user_id: UUID
    client: Client
    password: str = field(repr=False)
