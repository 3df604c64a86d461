"""What the users service is asked to do, and what it tells the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from subgraphs.kit.messages import Command, Event
from subgraphs.users.model import Account


@dataclass(frozen=True)
class Register(Command[Account]):
    """Open an account."""

    username: str
    email: str
    password: str
    user_type: str


@dataclass(frozen=True)
class LogIn(Command[Account]):
    """Check a name (or email address) and a password; the address of the caller limits attempts."""

    login: str
    password: str
    address: str | None


@dataclass(frozen=True)
class UpdateProfile(Command[Account]):
    """Change the columns of a profile that are named."""

    user_id: UUID
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class ChangePassword(Command[Account]):
    """Replace the password; the present one proves that the owner asks."""

    user_id: UUID
    current_password: str
    new_password: str
    address: str | None


@dataclass(frozen=True)
class SetActive(Command[Account]):
    """Close an account, or open it again."""

    user_id: UUID
    is_active: bool


@dataclass(frozen=True, kw_only=True)
class UserRegistered(Event):
    """Somebody has an account."""

    aggregate_type: ClassVar[str] = "user"
    aggregate_key: ClassVar[str] = "user_id"
    user_id: UUID
    username: str
    user_type: str


@dataclass(frozen=True, kw_only=True)
class UserUpdated(Event):
    """An account or its profile changed."""

    aggregate_type: ClassVar[str] = "user"
    aggregate_key: ClassVar[str] = "user_id"
    user_id: UUID
    username: str
    user_type: str
    is_active: bool
