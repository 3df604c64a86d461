"""Commands and events of the users service.

`schema` makes the commands from GraphQL inputs, and `handlers` publishes the events. The handler of each
command returns the account after the change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from subgraphs.kit.messages import Command, Event
from subgraphs.users.model import Account


@dataclass(frozen=True)
class Register(Command[Account]):
    """Create an account; `user_type` is "client" or "musician"."""

    username: str
    email: str
    password: str
    user_type: str


@dataclass(frozen=True)
class LogIn(Command[Account]):
    """Check a name (or email address) and a password.

    `address`: the caller's network address, by which attempts are limited; None: unknown.
    """

    login: str
    password: str
    address: str | None


@dataclass(frozen=True)
class UpdateProfile(Command[Account]):
    """Change a user's profile; `changes`: the new values by column."""

    user_id: UUID
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class ChangePassword(Command[Account]):
    """Replace a password; `current_password` proves that the caller is the user.

    `address`: the caller's network address, by which attempts are limited; None: unknown.
    """

    user_id: UUID
    current_password: str
    new_password: str
    address: str | None


@dataclass(frozen=True)
class SetActive(Command[Account]):
    """Activate or deactivate an account."""

    user_id: UUID
    is_active: bool


@dataclass(frozen=True, kw_only=True)
class UserRegistered(Event):
    """An account was created."""

    aggregate_type: ClassVar[str] = "user"
    aggregate_key: ClassVar[str] = "user_id"
    user_id: UUID
    username: str
    user_type: str


@dataclass(frozen=True, kw_only=True)
class UserUpdated(Event):
    """An account or its profile was changed."""

    aggregate_type: ClassVar[str] = "user"
    aggregate_key: ClassVar[str] = "user_id"
    user_id: UUID
    username: str
    user_type: str
    is_active: bool
