"""Asks the users service for addresses and tokens when a message is sent, so that this service stores none.

So a changed address is used at once, and no event and no table here has an address or a secret.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from subgraphs.kit.client import ServiceClient

SELF: Final = UUID(int=0x6E6F746966696572)  # this service as a caller of others: "notifier" in ASCII
_CONTACTS: Final = "query($ids: [ID!]!) { contacts(ids: $ids) { userId username email phone } }"
_MAIL: Final = "query($id: ID!) { accountMail(id: $id) { username email token } }"


class Contact(msgspec.Struct, frozen=True, rename="camel"):
    """The addresses of a user."""

    user_id: UUID
    username: str
    email: str
    phone: str | None


class AccountMail(msgspec.Struct, frozen=True):
    """A mail of the users service that is to be sent."""

    username: str
    email: str
    token: str


class Addresses:
    """The users service, as the source of addresses.

    Its methods raise SubgraphError if the service does not answer, and ValidationError (msgspec) if the
    answer has not the expected fields.
    """

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def contacts(self, users: Sequence[UUID]) -> Mapping[UUID, Contact]:
        """Return the addresses of up to 100 users, by id, without unknown users."""
        data = await self._client.query("users", _CONTACTS, {"ids": [str(user) for user in users]})
        found = msgspec.convert(data.get("contacts"), list[Contact], strict=False)
        return {one.user_id: one for one in found}

    async def account_mail(self, mail_id: UUID) -> AccountMail | None:
        """Return a mail with its token; None if it is not to be sent any more."""
        data = await self._client.query("users", _MAIL, {"id": str(mail_id)})
        return msgspec.convert(data.get("accountMail"), AccountMail | None)
