"""The context that the resolvers of the users service receive, with the data loader of accounts.

Each loader collects the keys that resolvers load, and fetches them with one SQL statement.
"""

from collections.abc import Sequence
from uuid import UUID

from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.errors import Unauthenticated
from subgraphs.kit.identity import ValidToken
from subgraphs.kit.loaders import one
from subgraphs.kit.messages import Command, Result
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.users import session_store, store
from subgraphs.users.mail_model import MailTokens
from subgraphs.users.revocation_publisher import RevocationPublisher
from subgraphs.users.session_cache import SessionCache
from subgraphs.users.session_model import Client, SessionRecord


class UsersContext(ServiceContext):
    """The context of one GraphQL request; `revocations` publishes what a mutation has revoked.

    `pictures_url`: what precedes the name of a stored picture in its URL.
    """

    def __init__(
        self,
        caller: Caller,
        database: Database,
        bus: Bus,
        revocations: RevocationPublisher,
        cached_sessions: SessionCache,
        mail_tokens: MailTokens,
        pictures_url: str,
    ) -> None:
        super().__init__(caller, database, bus)
        self.revocations = revocations
        self.cached_sessions = cached_sessions
        self.mail_tokens = mail_tokens
        self.pictures_url = pictures_url
        self.accounts = one(lambda ids: store.accounts_by_ids(database, ids))

    def client(self, device: str | None = None, device_token: str | None = None) -> Client:
        """Return what is known of the program that has sent the request."""
        return Client(self.address, device, device_token)

    def require_token(self) -> ValidToken:
        """Return the facts in the caller's token. Raises Unauthenticated."""
        self.require()
        if self.token is None:
            raise Unauthenticated("This operation needs a token: log in, and send it")
        return self.token

    async def open_sessions(self, user_id: UUID) -> Sequence[SessionRecord]:
        """Return a user's open sessions, from the cache if they are there."""
        return await self.cached_sessions.of_user(
            user_id, lambda: session_store.open_sessions(self.database, user_id)
        )

    async def end_tokens(self, command: Command[Result], user_id: UUID) -> Result:
        """Execute a command that may end sessions of a user, and publish the revocations before the
        response.
        """
        result = await self.bus.handle(command)
        await self.cached_sessions.forget(user_id)
        await self.revocations.publish_now()
        return result
