"""Queries and mutations of the users subgraph; mutations send commands to the bus.

A log-in or registration returns a session with a new token.
"""

import strawberry

from subgraphs.kit import checks
from subgraphs.kit.errors import Unauthenticated
from subgraphs.kit.graphql import Schema, field_with, for_role, for_users, object_type, provided, resolver
from subgraphs.kit.identity import Identity
from subgraphs.kit.pagination import DEFAULT_FIRST, After, Connection, First, Page
from subgraphs.users import store
from subgraphs.users.messages import ChangePassword, LogIn, Register, SetActive, UpdateProfile
from subgraphs.users.model import Account
from subgraphs.users.types import (
    ChangePasswordInput,
    Info,
    LogInInput,
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

    @resolver
    async def user(self, info: Info, id: strawberry.ID) -> User | None:
        """The user with this id; null if there is none."""
        return await User.resolve_reference(info, id)

    @resolver
    async def users(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None, filter: UserFilter | None = None
    ) -> Connection[User] | None:
        """Users, the newest first; deactivated accounts are listed for admins only."""
        wanted = filter or UserFilter()
        is_admin = info.context.identity is not None and info.context.identity.is_admin
        search = checks.optional_text(wanted.search, "search", 100)
        user_type = wanted.user_type.value if wanted.user_type else None
        conditions = store.conditions(user_type, search, only_active=not is_admin, in_emails=is_admin)
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
    """Mutations of accounts."""

    @field_with(cost=100)
    async def register(self, info: Info, input: RegisterInput) -> Session | None:
        """Create an account as client or musician, and log in."""
        command = Register(input.username, input.email, input.password, input.user_type.value)
        return _session(info, await info.context.bus.handle(command))

    @field_with(cost=100)
    async def log_in(self, info: Info, input: LogInInput) -> Session | None:
        """Log in with name (or email address) and password; returns a token."""
        return _session(
            info, await info.context.bus.handle(LogIn(input.login, input.password, info.context.address))
        )

    @for_users
    async def update_profile(self, info: Info, input: UpdateProfileInput) -> User | None:
        """Change the caller's profile."""
        command = UpdateProfile(info.context.require().user_id, provided(input))
        return User.of(await info.context.bus.handle(command))

    @field_with(authenticated=True, cost=100)
    async def change_password(self, info: Info, input: ChangePasswordInput) -> User | None:
        """Replace the caller's password. Earlier tokens stay valid until they expire."""
        user_id = info.context.require().user_id
        command = ChangePassword(user_id, input.current_password, input.new_password, info.context.address)
        return User.of(await info.context.bus.handle(command))

    @for_role("admin")
    async def set_user_active(self, info: Info, id: strawberry.ID, is_active: bool) -> User | None:
        """Activate or deactivate an account; for admins."""
        info.context.require_role("admin")
        user_id = checks.identifier(id, "id")
        return User.of(await info.context.bus.handle(SetActive(user_id, is_active)))


def _session(info: Info, account: Account) -> Session:
    """Return a session with a new token for an account.

    The account becomes the identity of this request, so that the response can contain private fields.
    """
    info.context.identity = Identity(account.id, account.user_type)
    token = info.context.signer.sign(account.id, account.user_type)
    return Session(token=token.value, expires_at=token.expires_at, user=User.of(account))


schema = Schema(Query, Mutation)
