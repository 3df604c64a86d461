"""The queries of the users subgraph, and its schema; the mutations are in `mutations`."""

from typing import Annotated

import strawberry

from subgraphs.kit import checks
from subgraphs.kit.cache_hints import private
from subgraphs.kit.errors import Unauthenticated
from subgraphs.kit.graphql import Schema, field_with, for_users, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.pagination import After, Before, Connection, First, Last, Page
from subgraphs.users import mail_store, store
from subgraphs.users.inputs import UserFilter
from subgraphs.users.mutations import Mutation
from subgraphs.users.types import AccountMail, Contact, Info, OpenSession, User

UserIds = Annotated[list[strawberry.ID], strawberry.argument(description="The UUIDs of at most 100 users.")]
MailId = Annotated[strawberry.ID, strawberry.argument(description="The UUID of the mail.")]


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
    async def contacts(self, info: Info, ids: UserIds) -> list[Contact] | None:
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
    async def account_mail(self, info: Info, id: MailId) -> AccountMail | None:
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
        key = uuid_of(id, "User")
        info.context.tag_reply("User", key)
        return await User.load(info, key)

    @field_with(cached=private(30), cache_tags=("users",))
    async def users(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: UserFilter | None = None,
    ) -> Connection[User] | None:
        """Users, the newest first; deactivated accounts and admins are listed for admins only."""
        wanted = filter or UserFilter()
        is_admin = info.context.identity is not None and info.context.identity.is_admin
        search = checks.optional_text(wanted.search, "search", 100)
        user_type = wanted.user_type.value if wanted.user_type else None
        conditions = store.conditions(user_type, search, for_admin=is_admin)
        database, page = info.context.database, Page.of(store.NEWEST, first, after, last, before)
        accounts = await store.page_of_accounts(database, page, conditions)
        return page.connection(
            accounts,
            User.of,
            lambda row: (row.created_at, row.id),
            lambda: store.count_accounts(database, conditions),
        )


schema = Schema(Query, Mutation)
