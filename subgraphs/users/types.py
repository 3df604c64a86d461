"""The GraphQL types of the users subgraph, except inputs and payloads.

The method `of` makes an object from a record; `resolve_reference` resolves the representation of an entity.
"""

import enum
from datetime import date, datetime
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from subgraphs.kit.cache_hints import NEVER_SHARED, PART, public
from subgraphs.kit.graphql import enum_type, enum_value, field_with, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.users.loaders import UsersContext
from subgraphs.users.model import Account
from subgraphs.users.session_model import OpenedSession, SessionRecord

Info = strawberry.Info[UsersContext, None]


@enum_type
class UserType(enum.Enum):
    """The role of a user on the platform."""

    CLIENT = enum_value("client", "Publishes requests, and books and pays musicians.")
    MUSICIAN = enum_value("musician", "Has a profile, applies to requests, and is booked.")
    ADMIN = enum_value("admin", "Runs the platform; such accounts cannot be registered.")


@object_type(cached=PART)
class UserProfile:
    """The public part of a user's profile."""

    first_name: str | None = strawberry.field(description="The first name.")
    last_name: str | None = strawberry.field(description="The last name.")
    account: strawberry.Private[Account]

    @resolver
    def profile_picture_url(self, info: Info) -> str | None:
        """The URL of a picture."""
        return self.account.picture_url(info.context.pictures_url)


@object_type(keys=["uuid"], cached=public(60))
class User:
    """A user of the platform. Private fields are shown to the user and to admins only."""

    uuid: strawberry.ID
    username: str = strawberry.field(description="The public name, with which the user logs in.")
    user_type: UserType = strawberry.field(description="Client, musician or admin.")
    is_active: bool = strawberry.field(
        description="Whether the account is active; otherwise it cannot log in."
    )
    created_at: datetime = strawberry.field(description="When the account was created.")
    profile: UserProfile | None = strawberry.field(description="Names and picture.")
    account: strawberry.Private[Account]

    @field_with(cached=NEVER_SHARED)
    def email(self, info: Info) -> str | None:
        """The email address; private."""
        return self._own(info).email

    @field_with(cached=NEVER_SHARED)
    def email_confirmed(self, info: Info) -> bool | None:
        """Whether the user has confirmed the email address; private."""
        return self._own(info).email_confirmed_at is not None

    @field_with(cached=NEVER_SHARED)
    def phone(self, info: Info) -> str | None:
        """The telephone number; private."""
        return self._own(info).phone

    @field_with(cached=NEVER_SHARED)
    def date_of_birth(self, info: Info) -> date | None:
        """The date of birth; private."""
        return self._own(info).date_of_birth

    @field_with(cached=NEVER_SHARED)
    def preferences(self, info: Info) -> JSON | None:
        """A JSON object that client applications store for the user; private."""
        return JSON(self._own(info).preferences or {})

    @field_with(cached=NEVER_SHARED)
    def updated_at(self, info: Info) -> datetime | None:
        """When the account was last changed; private."""
        return self._own(info).updated_at

    def _own(self, info: Info) -> Account:
        info.context.require_owner_or_admin(self.account.id)
        return self.account

    @classmethod
    async def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "User | None":
        """Return the user with this UUID, None if there is none."""
        return await cls.load(info, uuid_of(uuid))

    @classmethod
    async def load(cls, info: Info, user_id: UUID | None) -> "User | None":
        """Return the user with this UUID, None if there is none."""
        account = await info.context.accounts.load(user_id) if user_id else None
        return cls.of(account) if account else None

    @classmethod
    def of(cls, account: Account) -> "User":
        """Return the GraphQL object of an account."""
        return cls(
            uuid=strawberry.ID(str(account.id)),
            username=account.username,
            user_type=UserType(account.user_type),
            is_active=account.is_active,
            created_at=account.created_at,
            profile=UserProfile(
                first_name=account.first_name,
                last_name=account.last_name,
                account=account,
            ),
            account=account,
        )


@object_type()
class Session:
    """The tokens of a session, and its user; send `token` as header `Authorization: Bearer <token>`."""

    token: str = strawberry.field(description="The signed access token, for some minutes.")
    expires_at: datetime = strawberry.field(
        description="When the access token expires; get a new one by refreshSession."
    )
    refresh_token: str = strawberry.field(
        description="The secret for refreshSession, which can be used once; a second use ends the session."
    )
    refresh_expires_at: datetime = strawberry.field(
        description="When the refresh token expires; log in again then."
    )
    device_token: str | None = strawberry.field(
        description="A secret by which this device is known at the next log-in, so that wrong passwords of"
        " others do not lock it out; store it, also after log-out. Null after refreshSession."
    )
    user: User = strawberry.field(description="The user who is logged in.")

    @classmethod
    def of(cls, opened: OpenedSession) -> "Session":
        """Return the GraphQL object of a session that was opened or refreshed."""
        return cls(
            token=opened.access.value,
            expires_at=opened.access.expires_at,
            refresh_token=opened.refresh_token,
            refresh_expires_at=opened.refresh_expires_at,
            device_token=opened.device_token,
            user=User.of(opened.account),
        )


@object_type()
class OpenSession:
    """A session of the caller: a log-in on a device, until it is ended or not used for 30 days."""

    uuid: strawberry.ID
    device: str = strawberry.field(description="The name that the device gave at the log-in.")
    created_at: datetime = strawberry.field(description="The time of the log-in.")
    last_used_at: datetime = strawberry.field(description="The time of the last refreshSession or log-in.")
    is_current: bool = strawberry.field(description="Whether it is the session of this request's token.")

    @classmethod
    def of(cls, record: SessionRecord, current: UUID | None) -> "OpenSession":
        """Return the GraphQL object of a session. `current`: the id of the session of the request."""
        return cls(
            uuid=strawberry.ID(str(record.id)),
            device=record.device,
            created_at=record.created_at,
            last_used_at=record.last_used_at,
            is_current=record.id == current,
        )


@object_type(inaccessible=True)
class Contact:
    """The addresses of a user, for services that send messages."""

    user_id: strawberry.ID = strawberry.field(description="The user's id.")
    username: str = strawberry.field(description="The user name.")
    email: str = strawberry.field(description="The email address.")
    phone: str | None = strawberry.field(description="The telephone number.")


@object_type(inaccessible=True)
class AccountMail:
    """An e-mail about an account that is to be sent, for the service that sends it."""

    username: str = strawberry.field(description="The name of the account.")
    email: str = strawberry.field(description="The address to send it to.")
    token: str = strawberry.field(description="The token that proves that its user has read the mail.")
