"""The GraphQL types of what the mutations of the users subgraph return."""

import strawberry

from subgraphs.kit.graphql import object_type
from subgraphs.kit.payloads import Payload
from subgraphs.users.types import OpenSession, Session, User


@object_type()
class RegisterPayload(Payload):
    """The result of `register`."""

    session: Session | None = strawberry.field(default=None, description="The session of the new account.")


@object_type()
class LogInPayload(Payload):
    """The result of `logIn`."""

    session: Session | None = strawberry.field(default=None, description="The new session.")


@object_type()
class RefreshSessionPayload(Payload):
    """The result of `refreshSession`."""

    session: Session | None = strawberry.field(default=None, description="The session with new tokens.")


@object_type()
class LogOutPayload(Payload):
    """The result of `logOut`."""

    ended_sessions: int | None = strawberry.field(
        default=None,
        description="The number of ended sessions: 1, or 0 if the token had none or it had ended before.",
    )


@object_type()
class LogOutEverywherePayload(Payload):
    """The result of `logOutEverywhere`."""

    ended_sessions: int | None = strawberry.field(default=None, description="The number of ended sessions.")


@object_type()
class EndSessionPayload(Payload):
    """The result of `endSession`."""

    ended_session: OpenSession | None = strawberry.field(
        default=None, description="The session, whose tokens are refused from now on."
    )


@object_type()
class CloseAccountPayload(Payload):
    """The result of `closeAccount`."""

    user: User | None = strawberry.field(default=None, description="The user, who is not active any more.")


@object_type()
class UpdateProfilePayload(Payload):
    """The result of `updateProfile`."""

    user: User | None = strawberry.field(default=None, description="The user with the changed profile.")


@object_type()
class UploadProfilePicturePayload(Payload):
    """The result of `uploadProfilePicture`."""

    user: User | None = strawberry.field(default=None, description="The user with the new picture.")


@object_type()
class RemoveProfilePicturePayload(Payload):
    """The result of `removeProfilePicture`."""

    user: User | None = strawberry.field(default=None, description="The user without a picture.")


@object_type()
class ChangePasswordPayload(Payload):
    """The result of `changePassword`."""

    session: Session | None = strawberry.field(
        default=None, description="A new session; all earlier ones have ended."
    )


@object_type()
class RequestEmailConfirmationPayload(Payload):
    """The result of `requestEmailConfirmation`."""

    is_mail_sent: bool | None = strawberry.field(
        default=None, description="Whether the e-mail is sent: not if the address is confirmed already."
    )


@object_type()
class ConfirmEmailPayload(Payload):
    """The result of `confirmEmail`."""

    user: User | None = strawberry.field(
        default=None, description="The user whose email address is confirmed."
    )


@object_type()
class RequestPasswordResetPayload(Payload):
    """The result of `requestPasswordReset`."""

    email: str | None = strawberry.field(
        default=None,
        description="The address that gets an e-mail if an account has it; whether one has is not revealed.",
    )


@object_type()
class ResetPasswordPayload(Payload):
    """The result of `resetPassword`."""

    session: Session | None = strawberry.field(
        default=None, description="A new session; all earlier ones have ended."
    )


@object_type()
class SetUserActivePayload(Payload):
    """The result of `setUserActive`."""

    user: User | None = strawberry.field(default=None, description="The changed user.")
