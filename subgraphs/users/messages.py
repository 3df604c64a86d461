"""Commands and events of the users service.

`mutations` makes the commands from GraphQL inputs, and `handlers` publishes the events. The handler of each
command returns the account after the change, or the session that it opens. Those of sessions, of e-mail alone
and of pictures are in `session_messages`, `mail_messages` and `pictures/messages`. `idempotency_key`: the
caller's key, which the handlers claim in the transaction of the change (`kit/mutation_keys`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from subgraphs.kit.messages import Command, Event
from subgraphs.users.model import Account, NewAccount
from subgraphs.users.session_model import Client, OpenedSession


@dataclass(frozen=True)
class Register(Command[OpenedSession]):
    """Create an account, whose input is checked."""

    account: NewAccount
    client: Client
    idempotency_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class LogIn(Command[OpenedSession]):
    """Check a name (or email address) and a password.

    `client`: the caller's program and address, by which attempts are limited.
    """

    login: str
    password: str = field(repr=False)
    client: Client
    idempotency_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class UpdateProfile(Command[Account]):
    """Change a user's profile; `changes`: the checked new values by column."""

    user_id: UUID
    changes: Mapping[str, Any]
    idempotency_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ChangePassword(Command[OpenedSession]):
    """Replace a password; `current_password` proves that the caller is the user.

    `client`: the caller's program and address, by which attempts are limited.
    """

    user_id: UUID
    current_password: str = field(repr=False)
    new_password: str = field(repr=False)
    client: Client
    idempotency_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class SetActive(Command[Account]):
    """Activate or deactivate an account; `by`: the admin."""

    user_id: UUID
    is_active: bool
    by: UUID
    idempotency_key: str | None = field(default=None, repr=False)


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


@dataclass(frozen=True, kw_only=True)
class AccountClosed(Event):
    """An account was closed: it cannot log in, and its tokens have ended.

    `closed_by`: its user or an admin; None: somebody at the database's prompt.
    """

    aggregate_type: ClassVar[str] = "user"
    aggregate_key: ClassVar[str] = "user_id"
    user_id: UUID
    username: str
    user_type: str
    closed_by: UUID | None


@dataclass(frozen=True, kw_only=True)
class AccountMailRequested(Event):
    """A mail with a token is to be sent; its address and token are asked for by its id.

    `user_id`: None if no account has the address: nothing is sent. `kind`: confirm_email, reset_password.
    """

    aggregate_type: ClassVar[str] = "account_mail"
    aggregate_key: ClassVar[str] = "mail_id"
    mail_id: UUID
    user_id: UUID | None
    kind: str
    expires_at: datetime
