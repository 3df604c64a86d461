"""The commands about pictures. `idempotency_key`: as in `users/messages`."""

from dataclasses import dataclass, field
from uuid import UUID

from subgraphs.kit.messages import Command
from subgraphs.users.model import Account
from subgraphs.users.pictures.formats import Picture


@dataclass(frozen=True)
class SetPicture(Command[Account]):
    """Give a user a profile picture in place of the present one."""

    user_id: UUID
    picture: Picture
    idempotency_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class RemovePicture(Command[Account]):
    """Remove a user's profile picture, also one that is elsewhere."""

    user_id: UUID
    idempotency_key: str | None = field(default=None, repr=False)
