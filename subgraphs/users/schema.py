"""Queries and mutations of the users subgraph; mutations send commands to the bus.

A log-in, a registration and a new password return a session with new tokens.
"""

import strawberry

from subgraphs.kit import checks
from subgraphs.kit.errors import Unauthenticated
from subgraphs.kit.graphql import Schema, field_with, for_role, for_users, object_type, provided, resolver
from subgraphs.kit.identity import Identity
from subgraphs.kit.messages import Command
from subgraphs.kit.pagination import DEFAULT_FIRST, After, Connection, First, Page
from subgraphs.users import mail_store, store
from subgraphs.users.mail_messages import ConfirmEmail, RequestConfirmation, RequestReset, ResetPassword
from subgraphs.users.messages import ChangePassword, LogIn, Register, SetActive, UpdateProfile
from subgraphs.users.session_messages import (
    CloseAccount,
    EndSession,
    LogOut,
    LogOutEverywhere,
    RefreshSession,
)
from subgraphs.users.session_model import OpenedSession
from subgraphs.users.types import (
    AccountMail,
    ChangePasswordInput,
    Contact,
    Info,
    LogInInput,
    OpenSession,
    RegisterInput,
    Session,
    UpdateProfileInput,
    User,
    UserFilter,
)


@object_type()
class Query:
    """Queries about users."""

    @for_users
    async def me(self, info: Info) -> User | None:
        """The caller; an error without a token."""
        account = await info.context.accounts.load(info.context.require().user_id)
        if account is None or not account.is_active:
            raise Unauthenticated("This account does not exist or is deactivated: log in again")
        return User.of(account)

    @field_with(inaccessible=True)
    async def contacts(self, info: Info, ids: list[strawberry.ID]) -> list[Contact] | None:
        """The addresses of up to 100 users; for services."""
        info.context.require_service()
        accounts = await store.accounts_by_ids(info.context.database, checks.identifiers(ids, "ids", 100))
        return [
            Contact(
                user_id=strawberry.ID(str(one.id)), username=one.username, email=one.email, phone=one.phone
            )
            for one in accounts.values()
        ]

    @field_with(inaccessible=True)
    async def account_mail(self, info: Info, id: strawberry.ID) -> AccountMail | None:
        """A mail to send, with its token; null if the token was used or has expired; for services."""
        info.context.require_service()
        mail = await mail_store.usable(info.context.database, checks.identifier(id, "id"))
        account = await info.context.accounts.load(mail.user_id) if mail and mail.user_id else None
        if mail is None or account is None:
            return None
        token = info.context.mail_tokens.token(mail.id)
        return AccountMail(username=account.username, email=mail.email, token=token)

    @for_users
    async def my_sessions(self, info: Info) -> list[OpenSession] | None:
        """The caller's open sessions, the last used first."""
        user_id, token = info.context.require().user_id, info.context.token
        records = await info.context.open_sessions(user_id)
        return [OpenSession.of(record, token.session_id if token else None) for record in records]

    @resolver
    async def user(self, info: Info, id: strawberry.ID) -> User | None:
        """The user with this id; null if there is none."""
        return await User.resolve_reference(info, id)

    @resolver
    async def users(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None, filter: UserFilter | None = None
    ) -> Connection[User] | None:
        """Users, the newest first; deactivated accounts and admins are listed for admins only."""
        wanted = filter or UserFilter()
        is_admin = info.context.identity is not None and info.context.identity.is_admin
        search = checks.optional_text(wanted.search, "search", 100)
        user_type = wanted.user_type.value if wanted.user_type else None
        conditions = store.conditions(user_type, search, for_admin=is_admin)
        database, page = info.context.database, Page.of(store.NEWEST, first, after)
        accounts = await store.page_of_accounts(database, page, conditions)
        return page.connection(
            accounts,
            User.of,
            lambda row: (row.created_at, row.id),
            lambda: store.count_accounts(database, conditions),
        )


@object_type()
class Mutation:
    """Mutations of accounts and sessions."""

    @field_with(cost=100)
    async def register(self, info: Info, input: RegisterInput) -> Session | None:
        """Create an account as client or musician, and log in."""
        client = info.context.client(input.device)
        return await _open(
            info, Register(input.username, input.email, input.password, input.user_type.value, client)
        )

    @field_with(cost=100)
    async def log_in(self, info: Info, input: LogInInput) -> Session | None:
        """Log in with name (or email address) and password; returns tokens."""
        client = info.context.client(input.device, input.device_token)
        return await _open(info, LogIn(input.login, input.password, client))

    @resolver
    async def refresh_session(self, info: Info, refresh_token: str) -> Session | None:
        """Get a new access token and a new refresh token; the given refresh token cannot be used again.

        If it is used again, the session ends: somebody has copied it. Send the request without a token.
        """
        opened = await info.context.bus.handle(RefreshSession(refresh_token))
        if opened is None:
            await info.context.revocations.publish_now()
            raise Unauthenticated("The refresh token is not valid, or its session has ended: log in again")
        return await _session(info, opened)

    @for_users
    async def log_out(self, info: Info) -> bool | None:
        """End the session of this request's token; its tokens are refused from then on."""
        token = info.context.require_token()
        command = LogOut(token.identity.user_id, token.session_id, token.id)
        return await info.context.end_tokens(command, token.identity.user_id)

    @for_users
    async def log_out_everywhere(self, info: Info) -> int | None:
        """End all sessions of the caller, also this one; returns how many there were."""
        user_id = info.context.require().user_id
        return await info.context.end_tokens(LogOutEverywhere(user_id), user_id)

    @for_users
    async def end_session(self, info: Info, id: strawberry.ID) -> bool | None:
        """End one of the caller's sessions, such as that of a lost device."""
        user_id = info.context.require().user_id
        return await info.context.end_tokens(EndSession(user_id, checks.identifier(id, "id")), user_id)

    @field_with(authenticated=True, cost=100)
    async def close_account(self, info: Info, password: str) -> bool | None:
        """Close the caller's account: its sessions end, and only an admin can activate it again."""
        user_id = info.context.require().user_id
        return await info.context.end_tokens(CloseAccount(user_id, info.context.client(), password), user_id)

    @for_users
    async def update_profile(self, info: Info, input: UpdateProfileInput) -> User | None:
        """Change the caller's profile."""
        command = UpdateProfile(info.context.require().user_id, provided(input))
        return User.of(await info.context.bus.handle(command))

    @field_with(authenticated=True, cost=100)
    async def change_password(self, info: Info, input: ChangePasswordInput) -> Session | None:
        """Replace the caller's password; all sessions and earlier tokens end, and a new session begins."""
        user_id, client = info.context.require().user_id, info.context.client(input.device)
        command = ChangePassword(user_id, input.current_password, input.new_password, client)
        return await _session(info, await info.context.end_tokens(command, user_id))

    @for_users
    async def request_email_confirmation(self, info: Info) -> bool | None:
        """Send the caller the e-mail to confirm the address again; false if it is confirmed."""
        user_id = info.context.require().user_id
        return await info.context.bus.handle(RequestConfirmation(user_id, info.context.client()))

    @resolver
    async def confirm_email(self, info: Info, token: str) -> bool | None:
        """Confirm the email address to which this token was sent; without a log-in."""
        return await info.context.bus.handle(ConfirmEmail(token))

    @field_with(cost=100)
    async def request_password_reset(self, info: Info, email: str) -> bool | None:
        """Send an e-mail to choose a new password; true whether an account has the address or not."""
        return await info.context.bus.handle(RequestReset(email, info.context.client()))

    @field_with(cost=100)
    async def reset_password(
        self, info: Info, token: str, new_password: str, device: str | None = None
    ) -> Session | None:
        """Replace a forgotten password by the token of the e-mail; all sessions end, a new one begins."""
        opened = await info.context.bus.handle(
            ResetPassword(token, new_password, info.context.client(device))
        )
        await info.context.revocations.publish_now()
        return await _session(info, opened)

    @for_role("admin")
    async def set_user_active(self, info: Info, id: strawberry.ID, is_active: bool) -> User | None:
        """Activate or deactivate an account; its sessions and tokens then end. For admins."""
        admin = info.context.require_role("admin")
        user_id = checks.identifier(id, "id")
        return User.of(await info.context.end_tokens(SetActive(user_id, is_active, admin.user_id), user_id))


async def _open(info: Info, command: Command[OpenedSession]) -> Session:
    return await _session(info, await info.context.bus.handle(command))


async def _session(info: Info, opened: OpenedSession) -> Session:
    """Return the GraphQL object of a session.

    Its account becomes the identity of this request, so that the response can contain private fields.
    """
    info.context.identity = Identity(opened.account.id, opened.account.user_type)
    await info.context.cached_sessions.forget(opened.account.id)
    return Session.of(opened)


schema = Schema(Query, Mutation)
