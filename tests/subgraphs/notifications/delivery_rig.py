"""What the tests of sending share: an SMTP server, addresses, and the service's database with deliveries."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from aiosmtpd.controller import Controller
from sqlalchemy import text

from gateway.core.errors import SubgraphError
from subgraphs.kit.bus import Bus
from subgraphs.kit.testing import ApiUser, Client
from subgraphs.notifications.addresses import AccountMail, Contact
from subgraphs.notifications.deliverer import Deliverer
from subgraphs.notifications.delivery_model import Channel
from subgraphs.notifications.handlers import COMMAND_HANDLERS
from subgraphs.notifications.messages import SendDue

UNSUBSCRIBED = "UPDATE deliveries SET status = 'skipped', ended_at = now() WHERE status = 'pending'"


@dataclass
class Post:
    """The handler of an SMTP server: what it has received, and what it answers to each next message."""

    received: list[bytes] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    pause: float = 0.0
    has_begun: threading.Event = field(default_factory=threading.Event)

    async def handle_RCPT(
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        """Refuse the recipients that begin with `unknown`."""
        if address.startswith("unknown"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """Store a message, unless the next answer is a refusal."""
        self.has_begun.set()
        await asyncio.sleep(self.pause)
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer.startswith("250"):
            self.received.append(envelope.content)
            self.recipients += envelope.rcpt_tos
        return answer

    @property
    def ids(self) -> list[str]:
        """The Message-IDs of the received messages."""
        headers = [one.split(b"\r\n\r\n")[0].split(b"\r\n") for one in self.received]
        return [line.decode() for lines in headers for line in lines if line.startswith(b"Message-ID:")]


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def smtp_server(post: Post, port: int, **options: Any) -> Iterator[str]:
    """Run an SMTP server; yield its URL."""
    controller = Controller(post, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield f"smtp://127.0.0.1:{port}?from=robot@mussikon.example"
    finally:
        controller.stop()


class Book:
    """Addresses without the users service; `is_down` makes it unreachable."""

    def __init__(self) -> None:
        self.known: dict[UUID, Contact] = {}
        self.mails: dict[UUID, AccountMail] = {}
        self.is_down = False

    async def contacts(self, users: Sequence[UUID]) -> Mapping[UUID, Contact]:
        """Return the addresses of users."""
        if self.is_down:
            raise SubgraphError("down", "SUBGRAPH_UNREACHABLE", subgraph="users")
        return {user: self.known[user] for user in users if user in self.known}

    async def account_mail(self, mail_id: UUID) -> AccountMail | None:
        """Return a mail with its token."""
        if self.is_down:
            raise SubgraphError("down", "SUBGRAPH_UNREACHABLE", subgraph="users")
        return self.mails.get(mail_id)


class World:
    """The service's database with due deliveries, and the processes that send them."""

    def __init__(self, client: Client, tell: Any, person: ApiUser) -> None:
        self.client, self.tell, self.person = client, tell, person
        self.book = Book()
        self.database = client.service.database
        self.bus = Bus(self.database, COMMAND_HANDLERS)
        self.book.known[person.id] = Contact(person.id, "ada", "ada@mail.example", "+49 30 901820")

    async def due(self, count: int = 1, channels: str = "{email}") -> None:
        """Make notifications that are due, and their deliveries."""
        for _ in range(count):
            await self.tell("UserRegistered", user_id=self.person.id, username="ada", user_type="client")
        own = """UPDATE notifications SET channels = CAST(:to AS text[]), deliver_after = now()
            WHERE user_id = :id"""
        await self.database.execute(text(own).bindparams(to=channels, id=self.person.id))
        while await self.bus.handle(SendDue()):
            pass

    def process(self, channel: Channel) -> Deliverer:
        """Return a process that sends by a channel."""
        addresses: Any = self.book
        return Deliverer(self.database, channel, addresses)

    async def again(self) -> None:
        """Make all pending deliveries due now, as if the pause were over."""
        await self.database.execute(
            text("UPDATE deliveries SET next_attempt_at = now() WHERE status = 'pending'")
        )

    async def states(self) -> list[tuple[str, int, int]]:
        """Return status, claims and failures of the person's deliveries."""
        query = text("SELECT status, tries, failures FROM deliveries WHERE user_id = :id ORDER BY created_at")
        rows = await self.database.fetch_all(query.bindparams(id=self.person.id))
        return [(row.status, row.tries, row.failures) for row in rows]

    async def outcomes(self) -> list[str | None]:
        """Return the outcomes of all attempts of the person's deliveries."""
        query = text(
            "SELECT outcome FROM delivery_attempts JOIN deliveries ON deliveries.id = delivery_id"
            " WHERE user_id = :id ORDER BY started_at, number"
        )
        return [row.outcome for row in await self.database.fetch_all(query.bindparams(id=self.person.id))]
