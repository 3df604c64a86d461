"""Background tasks that send messages: one per channel, so that a slow channel does not delay the others.

Each claims a batch of due deliveries, asks for the addresses, sends the messages at the same time, and stores
the outcomes. A claim is a lease: if the process dies, another one sends the message again, under the same id.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec
import structlog

from gateway.core.errors import SubgraphError
from subgraphs.kit.clock import wait
from subgraphs.kit.database import Database
from subgraphs.kit.tasks import Background
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.notifications import delivery_store
from subgraphs.notifications.addresses import Addresses, Contact
from subgraphs.notifications.delivery_model import Channel, ClaimedDelivery, Message, Outcome, decide
from subgraphs.notifications.letters import letter

log = structlog.get_logger("subgraphs.notifications")

BATCH: Final = 20
LEASE_SECONDS: Final = 120.0
"""Longer than all timeouts of an attempt together."""
EVERY_SECONDS: Final = 1.0
GRACE_SECONDS: Final = 5.0
"""How long a stop waits for the messages that are being sent, so that they are not sent twice."""
NOTIFICATION: Final = "notification"
_NO_USERS: Final = Outcome("unreachable", "the users service does not answer")


class Deliverer(Background):
    """Sends the messages of one channel. Several processes may run it.

    `site`: the URL of the website for links in e-mail, None: no links.
    """

    def __init__(
        self, database: Database, channel: Channel, addresses: Addresses, site: str | None = None
    ) -> None:
        self.task_name = f"deliverer of {channel.name}"
        self._database = database
        self._channel = channel
        self._addresses = addresses
        self._site = site
        self._is_stopping = asyncio.Event()

    async def stop(self) -> None:
        """Send no further message, and wait for those that are being sent, at most GRACE_SECONDS."""
        self._is_stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=GRACE_SECONDS)
        await super().stop()

    async def _run(self) -> None:
        while not self._is_stopping.is_set():
            try:
                while await self.deliver() == BATCH and not self._is_stopping.is_set():
                    pass
            except Exception as error:
                log.warning("delivery failed; retrying", channel=self._channel.name, reason=repr(error))
            await wait(self._database.clock, self._is_stopping, EVERY_SECONDS)

    async def deliver(self) -> int:
        """Send up to BATCH due messages and store the outcomes; return how many there were."""
        async with UnitOfWork(self._database) as uow:
            claimed = await delivery_store.claim(uow, self._channel.name, BATCH, LEASE_SECONDS)
        if not claimed:
            return 0
        contacts = await self._contacts(claimed)
        outcomes = await asyncio.gather(*[self._attempt(one, contacts) for one in claimed])
        for delivery, outcome in zip(claimed, outcomes, strict=True):
            await self._store(delivery, outcome)
        return len(claimed)

    async def _contacts(self, claimed: Sequence[ClaimedDelivery]) -> Mapping[UUID, Contact] | None:
        """Return the addresses for notifications; None if the users service does not answer."""
        users = {one.user_id for one in claimed if one.kind == NOTIFICATION}
        try:
            return await self._addresses.contacts(sorted(users)) if users else {}
        except (SubgraphError, msgspec.ValidationError) as error:
            log.warning("addresses cannot be read; retrying", reason=str(error))
            return None

    async def _attempt(self, delivery: ClaimedDelivery, contacts: Mapping[UUID, Contact] | None) -> Outcome:
        if contacts is None:
            return _NO_USERS
        try:
            message = await self._message(delivery, contacts)
        except (SubgraphError, msgspec.ValidationError):
            return _NO_USERS
        if message is None:
            return Outcome(
                "skipped", f"the user has no address for {self._channel.name}, or needs no message"
            )
        try:
            return await self._channel.send(message)
        except Exception as error:  # a fault of ours must not keep the batch from being stored
            log.exception("the channel has failed", channel=self._channel.name)
            return Outcome("temporary", type(error).__name__)

    async def _message(self, delivery: ClaimedDelivery, contacts: Mapping[UUID, Contact]) -> Message | None:
        if delivery.kind == NOTIFICATION:
            contact = contacts.get(delivery.user_id)
            to = _address(self._channel.name, contact)
            title, body = delivery.title, delivery.message
        else:
            mail = await self._addresses.account_mail(delivery.source_id)
            to = mail.email if mail else None
            title, body = letter(delivery.kind, mail, self._site) if mail else ("", "")
        if to is None:
            return None
        made = (delivery.is_urgent, delivery.created_at)
        return Message(delivery.id, delivery.kind, delivery.user_id, to, title, body, *made)

    async def _store(self, delivery: ClaimedDelivery, outcome: Outcome) -> None:
        decision = decide(delivery, outcome)
        async with UnitOfWork(self._database) as uow:
            await delivery_store.finish(uow, delivery, outcome, decision)
        if decision.status == "failed":
            log.error("message not delivered", delivery=str(delivery.id), reason=outcome.short_error())


class Skipper(Background):
    """Ends the deliveries of a channel for which no server is set."""

    def __init__(self, database: Database, channel: str, reason: str) -> None:
        self.task_name = f"skipper of {channel}"
        self._database = database
        self._channel = channel
        self._reason = reason

    async def _run(self) -> None:
        while True:
            try:
                await delivery_store.skip_all(self._database, self._channel, self._reason)
            except Exception as error:
                log.warning("deliveries could not be skipped; retrying", reason=repr(error))
            await self._database.clock.sleep(EVERY_SECONDS)


def _address(channel: str, contact: Contact | None) -> str | None:
    if contact is None:
        return None
    return {"email": contact.email, "sms": contact.phone, "push": str(contact.user_id)}[channel]
