"""Fixtures of the read side's tests: the service on a fresh database, and events that stand for the other
services.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from gateway.transport.fake import FakeTransport
from subgraphs.kit.database import Database
from subgraphs.kit.queue.streams import Queue, envelope_of
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import Client, SigningKeys, fresh_database, publish_entry
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.read_side.app import bootstrap
from subgraphs.read_side.log import append_to_log

BEGIN = datetime(2026, 5, 1, 12, tzinfo=UTC)


@dataclass
class EventFeed:
    """Builds events of the other services as entries of the queue, with increasing positions and times."""

    position: int = 0
    versions: dict[UUID, int] = field(default_factory=dict)
    events: list[tuple[str, dict[Any, Any]]] = field(default_factory=list)

    def add(
        self, source: str, event_type: str, aggregate: tuple[str, UUID], **payload: Any
    ) -> dict[Any, Any]:
        """Append an event, one minute after the one before."""
        self.position += 1
        self.versions[aggregate[1]] = self.versions.get(aggregate[1], 0) + 1
        entry = {
            "event_id": str(uuid4()),
            "position": self.position,
            "event_type": event_type,
            "aggregate_type": aggregate[0],
            "aggregate_id": str(aggregate[1]),
            "occurred_at": (BEGIN + timedelta(minutes=self.position)).isoformat(),
            "payload": orjson.dumps(payload),
            "created_by": "somebody",
            "correlation_id": "no uuid",
            "version": self.versions[aggregate[1]],
        }
        self.events.append((source, entry))
        return entry

    def user(self, user_id: UUID, username: str = "ada", **more: Any) -> None:
        """Append the registration of a user, or a change of it if `more` is given."""
        facts = {"user_id": user_id, "username": username, "user_type": "client"}
        self.add("users", "UserUpdated" if more else "UserRegistered", ("user", user_id), **facts, **more)

    def profile(
        self, musician_id: UUID, user_id: UUID, event_type: str = "MusicianProfileCreated", **more: Any
    ) -> None:
        """Append a musician's profile."""
        facts = {
            "musician_id": musician_id,
            "user_id": user_id,
            "stage_name": "Ada and the Engines",
            "hourly_rate": "85.50",
            "currency": "EUR",
            "experience_years": 12,
            "latitude": 52.52,
            "longitude": 13.4,
            "skill_ids": [],
            "skills": [],
            "bio": "Swing for weddings",
            "address": None,
            "city": "Berlin",
            "country": "DE",
            "availability_schedule": {"friday": [{"from": "18:00", "to": "02:00"}]},
            "portfolio_urls": ["https://ada.example"],
            "created_at": BEGIN,
        }
        self.add("musicians", event_type, ("musician", musician_id), **{**facts, **more})

    def request(
        self, request_id: UUID, client_id: UUID, event_type: str = "RequestPublished", **more: Any
    ) -> None:
        """Append a client's request."""
        facts = {
            "request_id": request_id,
            "client_id": client_id,
            "title": "A band for the garden",
            "status": "open",
            "latitude": 52.5,
            "longitude": 13.3,
            "starts_at": "2027-05-01T18:00:00Z",
            "ends_at": "2027-05-01T22:00:00Z",
            "time_zone": "Europe/Berlin",
            "budget_min": "300.00",
            "budget_max": "700.00",
            "currency": "EUR",
            "urgency_level": "high",
            "skill_ids": [],
            "description": "Loud, but not too loud",
            "event_date": "2027-05-01",
            "start_time": "20:00:00",
            "end_time": "00:00:00",
            "address": "Street 1",
            "city": "Berlin",
            "country": "DE",
            "created_at": BEGIN,
        }
        self.add("requests", event_type, ("musician_request", request_id), **{**facts, **more})

    def application(
        self, request_id: UUID, musician_id: UUID, event_type: str = "ApplicationSubmitted"
    ) -> None:
        """Append a musician's application to a request, or a decision on it."""
        application_id = uuid4()
        facts = {"application_id": application_id, "request_id": request_id, "musician_id": musician_id}
        self.add("requests", event_type, ("application", application_id), **facts)

    def review(self, musician_id: UUID, rating: int) -> UUID:
        """Append a client's review; return its id."""
        review_id = uuid4()
        facts = {"review_id": review_id, "musician_id": musician_id, "rating": rating}
        self.add("reviews", "ReviewPublished", ("review", review_id), **facts)
        return review_id

    def edited_review(self, review_id: UUID, musician_id: UUID, rating: int, previous_rating: int) -> None:
        """Append a change of a review."""
        facts = {"review_id": review_id, "musician_id": musician_id, "rating": rating}
        aggregate = ("review", review_id)
        self.add("reviews", "ReviewEdited", aggregate, **facts, previous_rating=previous_rating)

    def ranking(
        self,
        request_id: UUID,
        client_id: UUID,
        musicians: Sequence[UUID],
        ranked_at: datetime,
        is_default: bool = True,
    ) -> None:
        """Append a ranking of musicians, the best first."""
        result_id = uuid4()
        matches = [
            {
                "musician_id": musician,
                "stage_name": "Ada",
                "total_score": 90.5 - place,
                "skill_score": 100.0,
                "experience_score": 80.0,
                "price_score": 70.0,
                "distance_score": 95.0,
                "distance_km": 3.25,
                "ranking_position": place,
                "is_recommended": place < 3,
            }
            for place, musician in enumerate(musicians, 1)
        ]
        told = {
            "result_id": result_id,
            "request_id": request_id,
            "client_id": client_id,
            "is_default": is_default,
        }
        aggregate = ("matching_result", result_id)
        self.add("matching", "MatchesRanked", aggregate, **told, ranked_at=ranked_at, matches=matches)


async def write(database: Database, events: Sequence[tuple[str, dict[Any, Any]]]) -> None:
    """Store events in the local log, as the inbox does."""
    for source, entry in events:
        fields = {
            name.encode(): value if isinstance(value, bytes) else str(value).encode()
            for name, value in entry.items()
        }
        async with UnitOfWork(database) as uow:
            await append_to_log(uow, envelope_of(source, fields))


async def send(redis: Redis, events: Sequence[tuple[str, dict[Any, Any]]]) -> None:
    """Publish events on the queue."""
    for source, entry in events:
        await publish_entry(redis, source, entry)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """Wait until a condition holds."""
    for _ in range(int(seconds * 50)):
        if await condition():
            return
        await asyncio.sleep(0.02)
    raise TimeoutError


Start = Callable[..., Any]


@pytest.fixture
async def redis(queue_url: str) -> AsyncIterator[Redis]:
    """An empty queue."""
    queue = Queue(queue_url)
    await queue.redis.flushdb()
    yield queue.redis
    await queue.stop()


@pytest.fixture
def start(postgres_url: str, queue_url: str, redis: Redis, keys: SigningKeys) -> Start:
    """A function that starts the read side on the database with a URL, or a fresh one, with an
    empty queue.
    """

    @asynccontextmanager
    async def started(
        url: str | None = None, reply: Any = None, threshold: float = 5.0
    ) -> AsyncIterator[Client]:
        if url is None:
            async with (
                fresh_database(postgres_url, "read_side") as fresh,
                started(fresh, reply, threshold) as client,
            ):
                yield client
            return
        settings = ServiceSettings("read_side", url, queue_url, keys.public)
        service = bootstrap(settings, FakeTransport(reply or _nobody), threshold)
        await service.start()
        try:
            yield Client(service)
        finally:
            await service.stop()

    return started


def _nobody(request: Any) -> Any:
    raise AssertionError(f"{request.subgraph} was asked")


async def caught_up(service: Service) -> bool:
    """Return whether the projections have read the whole log."""
    reads = text(
        "SELECT count(*) FROM projection_checkpoints"
        " WHERE serving AND position = (SELECT coalesce(max(position), 0) FROM every_event)"
    )
    return int(await service.database.fetch_value(reads)) == 3
