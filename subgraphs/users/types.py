"""The types of the users subgraph."""

import enum
from datetime import date, datetime

import strawberry
from strawberry.scalars import JSON

from subgraphs.kit.graphql import enum_type, input_type, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.users.loaders import UsersContext
from subgraphs.users.model import Account

Info = strawberry.Info[UsersContext, None]


@enum_type
class UserType(enum.Enum):
    """What somebody does on the platform."""

    CLIENT = "client"
    MUSICIAN = "musician"
    ADMIN = "admin"


@object_type()
class UserProfile:
    """What a user shows of themselves to everybody."""

    first_name: str | None = strawberry.field(description="The first name.")
    last_name: str | None = strawberry.field(description="The last name.")
    profile_picture_url: str | None = strawberry.field(description="The address of a picture.")


@object_type(keys=["id"])
class User:
    """Somebody with an account. What is private is shown to themselves and to admins only."""

    id: strawberry.ID = strawberry.field(description="The user's id.")
    username: str = strawberry.field(description="The name to log in with and to be known by.")
    user_type: UserType = strawberry.field(description="Client, musician or admin.")
    is_active: bool = strawberry.field(description="Whether the account is open.")
    created_at: datetime = strawberry.field(description="When the account was opened.")
    profile: UserProfile | None = strawberry.field(description="Names and picture.")
    account: strawberry.Private[Account]

    @resolver
    def email(self, info: Info) -> str | None:
        """The email address; private."""
        return self._own(info).email

    @resolver
    def phone(self, info: Info) -> str | None:
        """The telephone number; private."""
        return self._own(info).phone

    @resolver
    def date_of_birth(self, info: Info) -> date | None:
        """The date of birth; private."""
        return self._own(info).date_of_birth

    @resolver
    def preferences(self, info: Info) -> JSON | None:
        """What the user's clients keep for them, any JSON object; private."""
        return JSON(self._own(info).preferences or {})

    @resolver
    def updated_at(self, info: Info) -> datetime | None:
        """When the account was last changed; private."""
        return self._own(info).updated_at

    def _own(self, info: Info) -> Account:
        info.context.require_owner_or_admin(self.account.id)
        return self.account

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "User | None":
        """The user of a representation; null when there is none."""
        user_id = uuid_of(id)
        account = await info.context.accounts.load(user_id) if user_id else None
        return cls.of(account) if account else None

    @classmethod
    def of(cls, account: Account) -> "User":
        """The type of an account."""
        return cls(
            id=strawberry.ID(str(account.id)),
            username=account.username,
            user_type=UserType(account.user_type),
            is_active=account.is_active,
            created_at=account.created_at,
            profile=UserProfile(
                first_name=account.first_name,
                last_name=account.last_name,
                profile_picture_url=account.profile_picture_url,
            ),
            account=account,
        )


@object_type()
class Session:
    """A log-in: the token to send as `Authorization: Bearer <token>`."""

    token: str = strawberry.field(description="The signed token.")
    expires_at: datetime = strawberry.field(description="When it ends; log in again then.")
    user: User = strawberry.field(description="Who is logged in.")


@input_type
class UserFilter:
    """Which users to list; all of what is given must hold."""

    user_type: UserType | None = strawberry.field(default=None, description="Only users of this type.")
    search: str | None = strawberry.field(
        default=None, description="Part of the name; admins may give an address, too."
    )


@input_type
class RegisterInput:
    """A new account."""

    username: str = strawberry.field(description="3 to 50 letters, digits, '.', '-' and '_'; nobody else's.")
    email: str = strawberry.field(description="The email address; nobody else's.")
    password: str = strawberry.field(description="8 to 128 characters.")
    user_type: UserType = strawberry.field(default=UserType.CLIENT, description="CLIENT or MUSICIAN.")


@input_type
class LogInInput:
    """Who wants to log in."""

    login: str = strawberry.field(description="The name or the email address.")
    password: str = strawberry.field(description="The password.")


@input_type
class UpdateProfileInput:
    """The parts of a profile to change; what is left out stays, null clears."""

    first_name: str | None = strawberry.field(default=strawberry.UNSET, description="The first name.")
    last_name: str | None = strawberry.field(default=strawberry.UNSET, description="The last name.")
    phone: str | None = strawberry.field(default=strawberry.UNSET, description="The telephone number.")
    date_of_birth: date | None = strawberry.field(default=strawberry.UNSET, description="The date of birth.")
    profile_picture_url: str | None = strawberry.field(
        default=strawberry.UNSET, description="An http(s) address."
    )
    preferences: JSON | None = strawberry.field(
        default=strawberry.UNSET, description="A JSON object up to 16 kB."
    )


@input_type
class ChangePasswordInput:
    """The present password and the one to come."""

    current_password: str = strawberry.field(description="The present password.")
    new_password: str = strawberry.field(description="8 to 128 characters.")
