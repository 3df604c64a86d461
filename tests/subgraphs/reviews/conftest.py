"""Fixtures of the reviews service's tests: the service with all its parts, and events of the requests
service.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from sqlalchemy import text

from subgraphs.kit.queue.streams import Queue
from subgraphs.kit.testing import ApiUser, Client, Running, SigningKeys, publish_entry
from subgraphs.reviews.app import bootstrap


@dataclass(frozen=True)
class Gig:
    """A booking, with the ids of its users."""

    host: ApiUser
    musician_id: UUID = field(default_factory=uuid4)
    musician_user_id: UUID = field(default_factory=uuid4)
    id: UUID = field(default_factory=uuid4)
    event_id: UUID = field(default_factory=uuid4)

    def event(self, event_type: str = "BookingCompleted") -> dict[Any, Any]:
        """Return the entry that the requests service publishes; it has more fields than reviews reads."""
        payload = {
            "booking_id": self.id,
            "request_id": uuid4(),
            "client_id": self.host.id,
            "musician_id": self.musician_id,
            "musician_user_id": self.musician_user_id,
            "starts_at": "2026-05-01T18:00:00Z",
            "ends_at": "2026-05-01T22:00:00Z",
            "price": "400.00",
            "currency": "EUR",
            "title": "Garden party",
        }
        return {
            "event_id": str(self.event_id),
            "position": 7,
            "event_type": event_type,
            "aggregate_type": "booking",
            "aggregate_id": str(self.id),
            "occurred_at": datetime.now(UTC).isoformat(),
            "payload": orjson.dumps(payload),
        }


@dataclass(frozen=True)
class Requests:
    """Publishes events as the requests service does."""

    queue: Queue
    client: Client

    async def tell(self, gig: Gig, event_type: str = "BookingCompleted") -> None:
        """Publish an event about this booking."""
        await publish_entry(self.queue.redis, "requests", gig.event(event_type))

    async def pay(self, gig: Gig, released: str = "400.00", version: int = 2) -> None:
        """Publish that the musician was paid from the booking's escrow, as the payments service does."""
        payload = {"booking_id": gig.id, "released": released, "version": version, "amount": "400.00"}
        entry = {**gig.event("EscrowReleased"), "event_id": str(uuid4()), "payload": orjson.dumps(payload)}
        await publish_entry(self.queue.redis, "payments", entry)

    async def complete(self, *gigs: Gig) -> None:
        """Publish that these bookings are completed, and wait until the service has copies of all."""
        for gig in gigs:
            await self.tell(gig)
            await self.pay(gig)
        known = text(
            "SELECT count(*) FROM completed_bookings JOIN paid_bookings USING (booking_id)"
            " WHERE booking_id = ANY(:ids)"
        )
        asked = known.bindparams(ids=[gig.id for gig in gigs])
        for _ in range(500):
            if await self.client.service.database.fetch_value(asked) == len(gigs):
                return
            await asyncio.sleep(0.02)
        raise TimeoutError


@pytest.fixture(scope="module")
async def client(running: Running) -> AsyncIterator[Client]:
    """A client of the reviews service in this process."""
    async with running("reviews", bootstrap) as service:
        yield Client(service)


@pytest.fixture(scope="module")
async def requests(queue_url: str, client: Client) -> AsyncIterator[Requests]:
    """A publisher of events about bookings."""
    queue = Queue(queue_url)
    yield Requests(queue, client)
    await queue.stop()


@pytest.fixture
def host(keys: SigningKeys) -> ApiUser:
    """A user with the role client."""
    return ApiUser.make(keys, "client")


@pytest.fixture
async def gig(requests: Requests, host: ApiUser) -> Gig:
    """A completed booking of which the service has a copy."""
    gig = Gig(host)
    await requests.complete(gig)
    return gig
