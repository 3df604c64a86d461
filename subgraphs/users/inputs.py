"""The GraphQL input types of the users subgraph, and its arguments with descriptions."""

from datetime import date
from typing import Annotated, Final

import strawberry
from strawberry.scalars import JSON

from subgraphs.kit.graphql import input_type
from subgraphs.kit.uploads import Upload
from subgraphs.users.types import UserType

_DEVICE: Final = "A name for the device, which the user sees in the list of sessions."
Device = Annotated[str | None, strawberry.argument(description=_DEVICE)]
RefreshToken = Annotated[
    str, strawberry.argument(description="The refreshToken of the last log-in or refresh; it is used once.")
]
Picture = Annotated[
    Upload,
    strawberry.argument(
        description="A PNG, JPEG or WebP file of at most 5,000,000 bytes and 8,000 x 8,000 pixels."
    ),
]
MailToken = Annotated[str, strawberry.argument(description="The token in the e-mail.")]
NewPassword = Annotated[str, strawberry.argument(description="The new password, 8 to 128 characters.")]
OwnPassword = Annotated[str, strawberry.argument(description="The caller's password.")]
Email = Annotated[str, strawberry.argument(description="The email address of the account.")]
IsActive = Annotated[bool, strawberry.argument(description="True to activate it, false to deactivate it.")]
SessionId = Annotated[strawberry.ID, strawberry.argument(description="The id of a session in `mySessions`.")]


@input_type
class UserFilter:
    """Conditions on the listed users, joined by AND."""

    user_type: UserType | None = strawberry.field(default=None, description="Only users of this type.")
    search: str | None = strawberry.field(
        default=None, description="A part of the user name; for admins also a whole email address."
    )


@input_type
class RegisterInput:
    """A new account."""

    username: str = strawberry.field(
        description="3 to 50 letters, digits, '.', '-' and '_'; it must not be taken."
    )
    email: str = strawberry.field(description="The email address; it must not be taken.")
    password: str = strawberry.field(description="8 to 128 characters.")
    user_type: UserType = strawberry.field(default=UserType.CLIENT, description="CLIENT or MUSICIAN.")
    device: str | None = strawberry.field(default=None, description=_DEVICE)


@input_type
class LogInInput:
    """The credentials of a user."""

    login: str = strawberry.field(description="The user name or the email address.")
    password: str = strawberry.field(description="The password.")
    device: str | None = strawberry.field(default=None, description=_DEVICE)
    device_token: str | None = strawberry.field(
        default=None, description="The deviceToken of an earlier log-in on this device."
    )


@input_type
class UpdateProfileInput:
    """Changes of a profile: an absent field is not changed, null clears it."""

    first_name: str | None = strawberry.field(default=strawberry.UNSET, description="The first name.")
    last_name: str | None = strawberry.field(default=strawberry.UNSET, description="The last name.")
    phone: str | None = strawberry.field(default=strawberry.UNSET, description="The telephone number.")
    date_of_birth: date | None = strawberry.field(default=strawberry.UNSET, description="The date of birth.")
    profile_picture_url: str | None = strawberry.field(
        default=strawberry.UNSET, description="An http or https URL."
    )
    preferences: JSON | None = strawberry.field(
        default=strawberry.UNSET, description="A JSON object up to 16 kB."
    )


@input_type
class ChangePasswordInput:
    """The current and the new password."""

    current_password: str = strawberry.field(description="The current password.")
    new_password: str = strawberry.field(description="The new password, 8 to 128 characters.")
    device: str | None = strawberry.field(default=None, description=_DEVICE)
