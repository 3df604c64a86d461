"""The mutations of the users subgraph, which send commands to the bus.

A log-in, a registration and a new password return a session with new tokens.
"""

import asyncio

import strawberry

from subgraphs.kit import checks
from subgraphs.kit.errors import Unauthenticated
from subgraphs.kit.graphql import field_with, for_role, for_users, object_type, provided, resolver
from subgraphs.kit.idempotency_keys import IdempotencyKey
from subgraphs.kit.identity import Identity
from subgraphs.kit.payloads import user_errors
from subgraphs.kit.uploads import read_file
from subgraphs.users import model
from subgraphs.users.inputs import (
    ChangePasswordInput,
    Device,
    Email,
    IsActive,
    LogInInput,
    MailToken,
    NewPassword,
    OwnPassword,
    Picture,
    RefreshToken,
    RegisterInput,
    SessionId,
    UpdateProfileInput,
)
from subgraphs.users.mail_messages import ConfirmEmail, RequestConfirmation, RequestReset, ResetPassword
from subgraphs.users.messages import ChangePassword, LogIn, Register, SetActive, UpdateProfile
from subgraphs.users.payloads import (
    ChangePasswordPayload,
    CloseAccountPayload,
    ConfirmEmailPayload,
    EndSessionPayload,
    LogInPayload,
    LogOutEverywherePayload,
    LogOutPayload,
    RefreshSessionPayload,
    RegisterPayload,
    RemoveProfilePicturePayload,
    RequestEmailConfirmationPayload,
    RequestPasswordResetPayload,
    ResetPasswordPayload,
    SetUserActivePayload,
    UpdateProfilePayload,
    UploadProfilePicturePayload,
)
from subgraphs.users.pictures.formats import MOST_BYTES, picture_of
from subgraphs.users.pictures.messages import RemovePicture, SetPicture
from subgraphs.users.session_messages import (
    CloseAccount,
    EndSession,
    LogOut,
    LogOutEverywhere,
    RefreshSession,
)
from subgraphs.users.session_model import OpenedSession
from subgraphs.users.types import Info, OpenSession, Session, User


@object_type()
class Mutation:
    """Mutations of accounts and sessions."""

    @field_with(cost=100)
    @user_errors(RegisterPayload)
    async def register(
        self, info: Info, input: RegisterInput, idempotency_key: IdempotencyKey = None
    ) -> RegisterPayload | None:
        """Create an account as client or musician, and log in.

        Sent again with the same idempotency key, name, email address and password, it opens a new session of
        the account that it has created.
        """
        client = info.context.client(input.device)
        account = model.new_account(
            input.username, input.email, input.password, input.user_type.value, client.device_name
        )
        opened = await info.context.bus.handle(Register(account, client, idempotency_key))
        return RegisterPayload(session=await _session(info, opened))

    @field_with(cost=100)
    @user_errors(LogInPayload)
    async def log_in(
        self, info: Info, input: LogInInput, idempotency_key: IdempotencyKey = None
    ) -> LogInPayload | None:
        """Log in with name (or email address) and password; returns tokens.

        Each call opens a session, also a repeated one with the same idempotency key, because tokens are not
        stored; `endSession` ends a superfluous one.
        """
        client = info.context.client(input.device, input.device_token)
        command = LogIn(input.login, input.password, client, idempotency_key)
        return LogInPayload(session=await _session(info, await info.context.bus.handle(command)))

    @resolver
    @user_errors(RefreshSessionPayload)
    async def refresh_session(
        self, info: Info, refresh_token: RefreshToken, idempotency_key: IdempotencyKey = None
    ) -> RefreshSessionPayload | None:
        """Get a new access token and a new refresh token; the given refresh token cannot be used again.

        If it is used again, the session ends: somebody has copied it. Only with the same idempotency key, and
        within a minute, it returns new tokens again. Send the request without a token.
        """
        opened = await info.context.bus.handle(RefreshSession(refresh_token, idempotency_key))
        if opened is None:
            await info.context.revocations.publish_now()
            raise Unauthenticated("The refresh token is not valid, or its session has ended: log in again")
        return RefreshSessionPayload(session=await _session(info, opened))

    @for_users
    @user_errors(LogOutPayload)
    async def log_out(self, info: Info, idempotency_key: IdempotencyKey = None) -> LogOutPayload | None:
        """End the session of this request's token; its tokens are refused from then on."""
        token = info.context.require_token()
        command = LogOut(token.identity.user_id, token.session_id, token.id, idempotency_key)
        ended = await info.context.end_tokens(command, token.identity.user_id)
        return LogOutPayload(ended_sessions=int(ended))

    @for_users
    @user_errors(LogOutEverywherePayload)
    async def log_out_everywhere(
        self, info: Info, idempotency_key: IdempotencyKey = None
    ) -> LogOutEverywherePayload | None:
        """End all sessions of the caller, also this one."""
        user_id = info.context.require().user_id
        ended = await info.context.end_tokens(LogOutEverywhere(user_id, idempotency_key), user_id)
        return LogOutEverywherePayload(ended_sessions=ended)

    @for_users
    @user_errors(EndSessionPayload)
    async def end_session(
        self, info: Info, id: SessionId, idempotency_key: IdempotencyKey = None
    ) -> EndSessionPayload | None:
        """End one of the caller's sessions, such as that of a lost device."""
        user_id, token = info.context.require().user_id, info.context.token
        command = EndSession(user_id, checks.identifier(id, "id", "OpenSession"), idempotency_key)
        ended = await info.context.end_tokens(command, user_id)
        return EndSessionPayload(ended_session=OpenSession.of(ended, token.session_id if token else None))

    @field_with(authenticated=True, cost=100)
    @user_errors(CloseAccountPayload)
    async def close_account(
        self, info: Info, password: OwnPassword, idempotency_key: IdempotencyKey = None
    ) -> CloseAccountPayload | None:
        """Close the caller's account: its sessions end, and only an admin can activate it again."""
        user_id = info.context.require().user_id
        command = CloseAccount(user_id, info.context.client(), password, idempotency_key)
        return CloseAccountPayload(user=User.of(await info.context.end_tokens(command, user_id)))

    @for_users
    @user_errors(UpdateProfilePayload)
    async def update_profile(
        self, info: Info, input: UpdateProfileInput, idempotency_key: IdempotencyKey = None
    ) -> UpdateProfilePayload | None:
        """Change the caller's profile."""
        user_id, clock = info.context.require().user_id, info.context.database.clock
        changes = model.profile_changes(provided(input), clock.now().date())
        account = await info.context.bus.handle(UpdateProfile(user_id, changes, idempotency_key))
        return UpdateProfilePayload(user=User.of(account))

    @field_with(authenticated=True, cost=100)
    @user_errors(UploadProfilePicturePayload)
    async def upload_profile_picture(
        self, info: Info, picture: Picture, idempotency_key: IdempotencyKey = None
    ) -> UploadProfilePicturePayload | None:
        """Store a picture as the caller's profile picture; the present one is deleted.

        Metadata, such as the place where a photo was taken, is removed.
        """
        user_id = info.context.require().user_id
        content = await read_file(picture, "picture", MOST_BYTES)
        found = await asyncio.to_thread(picture_of, content, "picture")
        account = await info.context.bus.handle(SetPicture(user_id, found, idempotency_key))
        return UploadProfilePicturePayload(user=User.of(account))

    @for_users
    @user_errors(RemoveProfilePicturePayload)
    async def remove_profile_picture(
        self, info: Info, idempotency_key: IdempotencyKey = None
    ) -> RemoveProfilePicturePayload | None:
        """Remove the caller's profile picture."""
        user_id = info.context.require().user_id
        account = await info.context.bus.handle(RemovePicture(user_id, idempotency_key))
        return RemoveProfilePicturePayload(user=User.of(account))

    @field_with(authenticated=True, cost=100)
    @user_errors(ChangePasswordPayload)
    async def change_password(
        self, info: Info, input: ChangePasswordInput, idempotency_key: IdempotencyKey = None
    ) -> ChangePasswordPayload | None:
        """Replace the caller's password; all sessions and earlier tokens end, and a new session begins.

        If there was no answer, log in with the new password: the token of the lost request has ended. Sent
        again with the same idempotency key and the new token, it opens a new session.
        """
        user_id, client = info.context.require().user_id, info.context.client(input.device)
        command = ChangePassword(user_id, input.current_password, input.new_password, client, idempotency_key)
        opened = await info.context.end_tokens(command, user_id)
        return ChangePasswordPayload(session=await _session(info, opened))

    @for_users
    @user_errors(RequestEmailConfirmationPayload)
    async def request_email_confirmation(
        self, info: Info, idempotency_key: IdempotencyKey = None
    ) -> RequestEmailConfirmationPayload | None:
        """Send the caller the e-mail to confirm the address again."""
        user_id = info.context.require().user_id
        command = RequestConfirmation(user_id, info.context.client(), idempotency_key)
        is_sent = await info.context.bus.handle(command)
        return RequestEmailConfirmationPayload(is_mail_sent=is_sent)

    @resolver
    @user_errors(ConfirmEmailPayload)
    async def confirm_email(
        self, info: Info, token: MailToken, idempotency_key: IdempotencyKey = None
    ) -> ConfirmEmailPayload | None:
        """Confirm the email address to which this token was sent; without a log-in."""
        account = await info.context.bus.handle(ConfirmEmail(token, idempotency_key))
        return ConfirmEmailPayload(user=User.of(account))

    @field_with(cost=100)
    @user_errors(RequestPasswordResetPayload)
    async def request_password_reset(
        self, info: Info, email: Email, idempotency_key: IdempotencyKey = None
    ) -> RequestPasswordResetPayload | None:
        """Send an e-mail to choose a new password; the answer is the same for addresses without account."""
        command = RequestReset(email, info.context.client(), idempotency_key)
        address = await info.context.bus.handle(command)
        return RequestPasswordResetPayload(email=address)

    @field_with(cost=100)
    @user_errors(ResetPasswordPayload)
    async def reset_password(
        self,
        info: Info,
        token: MailToken,
        new_password: NewPassword,
        device: Device = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ResetPasswordPayload | None:
        """Replace a forgotten password by the token of the e-mail; all sessions end, a new one begins.

        Sent again with the same idempotency key and password, it opens a new session.
        """
        command = ResetPassword(token, new_password, info.context.client(device), idempotency_key)
        opened = await info.context.bus.handle(command)
        await info.context.revocations.publish_now()
        return ResetPasswordPayload(session=await _session(info, opened))

    @for_role("admin")
    @user_errors(SetUserActivePayload)
    async def set_user_active(
        self, info: Info, id: strawberry.ID, is_active: IsActive, idempotency_key: IdempotencyKey = None
    ) -> SetUserActivePayload | None:
        """Activate or deactivate an account; its sessions and tokens then end. For admins."""
        admin = info.context.require_role("admin")
        user_id = checks.identifier(id, "id", "User")
        command = SetActive(user_id, is_active, admin.user_id, idempotency_key)
        return SetUserActivePayload(user=User.of(await info.context.end_tokens(command, user_id)))


async def _session(info: Info, opened: OpenedSession) -> Session:
    """Return the GraphQL object of a session.

    Its account becomes the identity of this request, so that the response can contain private fields.
    """
    info.context.identity = Identity(opened.account.id, opened.account.user_type)
    await info.context.cached_sessions.forget(opened.account.id)
    return Session.of(opened)
