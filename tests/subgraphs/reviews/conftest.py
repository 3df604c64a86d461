"""The reviews service with all its parts, and the events of requests that it listens to."""

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
    """A booking, with the ids of all who took part."""

    host: ApiUser
    musician_id: UUID = field(default_factory=uuid4)
    musician_user_id: UUID = field(default_factory=uuid4)
    id: UUID = field(default_factory=uuid4)
    event_id: UUID = field(default_factory=uuid4)

    def event(self, event_type: str = "BookingCompleted") -> dict[Any, Any]:
        """The entry that requests puts on its stream; it carries more than reviews wants."""
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
    """The requests service, as far as others hear it."""

    queue: Queue
    client: Client

    async def tell(self, gig: Gig, event_type: str = "BookingCompleted") -> None:
        """Put an event of this gig on the stream."""
        await publish_entry(self.queue.redis, "requests", gig.event(event_type))

    async def complete(self, *gigs: Gig) -> None:
        """Tell that these gigs are over, and wait until reviews has heard of all."""
        for gig in gigs:
            await self.tell(gig)
        known = text("SELECT count(*) FROM completed_bookings WHERE booking_id = ANY(:ids)")
        asked = known.bindparams(ids=[gig.id for gig in gigs])
        for _ in range(500):
            if await self.client.service.database.fetch_value(asked) == len(gigs):
                return
            await asyncio.sleep(0.02)
        raise TimeoutError


@pytest.fixture(scope="module")
async def client(running: Running) -> AsyncIterator[Client]:
    """Asks the reviews service in the process."""
    async with running("reviews", bootstrap) as service:
        yield Client(service)


@pytest.fixture(scope="module")
async def requests(queue_url: str, client: Client) -> AsyncIterator[Requests]:
    """Tells what happens to bookings."""
    queue = Queue(queue_url)
    yield Requests(queue, client)
    await queue.stop()


@pytest.fixture
def host(keys: SigningKeys) -> ApiUser:
    """A client."""
    return ApiUser.make(keys, "client")


@pytest.fixture
async def gig(requests: Requests, host: ApiUser) -> Gig:
    """A completed booking that reviews knows of."""
    gig = Gig(host)
    await requests.complete(gig)
    return gig
