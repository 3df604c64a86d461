"""Writes the sample data as events into the read side's local log, and computes its read models from them."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import text

from subgraphs.kit.database import Database
from subgraphs.kit.event_store.projection import apply_next
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.platform.sample.gigs import Gig
from subgraphs.platform.sample.people import People, SampleMusician, SamplePerson
from subgraphs.read_side.app import MODELS
from subgraphs.read_side.projections.base import LogProjection

STREAM_COLUMNS: Final = "aggregate_id aggregate_type current_version last_transaction_id"
EVENT_COLUMNS: Final = (
    "event_id aggregate_id aggregate_type version event_type schema_version event_data metadata "
    "occurred_at created_by correlation_id transaction_id"
)
_OLD_TRANSACTION: Final = 3
"""A transaction id below that of any running transaction, so that readers of the log may read the events.

See `kit/event_store/feed`.
"""


_BATCH: Final = 2_000
_VERSIONED: Final = frozenset({"musician", "musician_request"})


@dataclass(frozen=True, slots=True)
class _SampleEvent:
    """The only event of an aggregate of the sample data, as if the service `source` had published it.

    Its position in the outbox is 0, so that all later events of the service come after it.
    """

    source: str
    aggregate_type: str
    aggregate_id: UUID
    event_type: str
    payload: dict[str, Any]
    at: datetime
    by: UUID

    def row(self) -> Sequence[Any]:
        """Return the event's row of the table `events`; unlike that of an event from the queue, its metadata
        has no `occurred_at`.
        """
        event_id = uuid5(self.aggregate_id, self.event_type)
        metadata = {"source": self.source, "version": int(self.aggregate_type in _VERSIONED), "position": 0}
        own = (event_id, self.aggregate_id, self.aggregate_type, 1, self.event_type, 1)
        return *own, self.payload, metadata, self.at, str(self.by), event_id, _OLD_TRANSACTION


def streams(people: People, gigs: Iterable[Gig], reviews: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    """Yield the rows of the table `event_streams`; each stream has one event."""
    return (
        (one.aggregate_id, one.aggregate_type, 1, _OLD_TRANSACTION)
        for one in _sample_events(people, gigs, reviews)
    )


def events(people: People, gigs: Iterable[Gig], reviews: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    """Yield the rows of the table `events`."""
    return (one.row() for one in _sample_events(people, gigs, reviews))


async def project(url: str, progress: Callable[[str, int, int], None]) -> None:
    """Compute all read models from the log in the database `url`, so that they can serve the first query.

    `progress` is called with the name of a step, the number of events that are applied, and the total number.
    """
    database = Database(url)
    try:
        total = int(await database.fetch_value(text("SELECT count(*) FROM events")))
        await asyncio.gather(*(_fill(database, model(), total, progress) for model in MODELS))
        await database.execute(text("ANALYZE"))
    finally:
        await database.close()


async def _fill(
    database: Database, model: LogProjection, total: int, progress: Callable[[str, int, int], None]
) -> None:
    done, read = 0, 1
    while read:
        async with UnitOfWork(database) as uow:
            read = await apply_next(uow, model, _BATCH) or 0
        done += read
        progress(f"read_side: read model of {model.name}", done, total)


def _sample_events(
    people: People, gigs: Iterable[Gig], reviews: Iterable[Sequence[Any]]
) -> Iterator[_SampleEvent]:
    yield from (_user(one) for one in people.clients)
    yield from (_user(one.person) for one in people.musicians)
    yield from (_user(one) for one in people.admins)
    yield from (_profile(one) for one in people.musicians)
    users = {one.id: one.person.id for one in people.musicians}
    for gig in gigs:
        yield _request(gig)
        yield from _applications(gig)
    for review_id, booking_id, musician_id, author_id, rating, _, at in reviews:
        facts = {
            "review_id": review_id,
            "booking_id": booking_id,
            "musician_id": musician_id,
            "musician_user_id": users[musician_id],
            "author_id": author_id,
            "rating": rating,
        }
        yield _SampleEvent("reviews", "review", review_id, "ReviewPublished", facts, at, author_id)


def _user(one: SamplePerson) -> _SampleEvent:
    facts = {"user_id": one.id, "username": one.username, "user_type": one.user_type}
    return _SampleEvent("users", "user", one.id, "UserRegistered", facts, one.since, one.id)


def _profile(one: SampleMusician) -> _SampleEvent:
    city, skills = one.person.city, sorted(one.skills, key=lambda skill: skill.id)
    facts = {
        "musician_id": one.id,
        "user_id": one.person.id,
        "stage_name": one.stage_name,
        "hourly_rate": str(one.rate),
        "currency": city.currency,
        "experience_years": one.experience,
        "latitude": one.latitude,
        "longitude": one.longitude,
        "skill_ids": [skill.id for skill in skills],
        "skills": [skill.name for skill in skills],
        "bio": one.bio,
        "address": f"{city.name}, {city.country}",
        "city": city.name,
        "country": city.country,
        "availability_schedule": one.availability,
        "portfolio_urls": list(one.portfolio),
        "created_at": one.person.since,
    }
    return _SampleEvent(
        "musicians", "musician", one.id, "MusicianProfileCreated", facts, one.person.since, one.person.id
    )


def _request(gig: Gig) -> _SampleEvent:
    city = gig.client.city
    facts = {
        "request_id": gig.id,
        "client_id": gig.client.id,
        "title": gig.title,
        "status": gig.status,
        "latitude": gig.latitude,
        "longitude": gig.longitude,
        "starts_at": gig.starts_at,
        "ends_at": gig.ends_at,
        "time_zone": city.time_zone,
        "budget_min": str(gig.budget[0]),
        "budget_max": str(gig.budget[1]),
        "currency": city.currency,
        "urgency_level": gig.urgency,
        "skill_ids": [skill.id for skill in gig.skills],
        "description": f"We are looking for {' and '.join(one.name.lower() for one in gig.skills)}.",
        "event_date": gig.day,
        "start_time": gig.start,
        "end_time": gig.end,
        "address": f"{city.name}, {city.country}",
        "city": city.name,
        "country": city.country,
        "created_at": gig.at,
    }
    return _SampleEvent(
        "requests", "musician_request", gig.id, "RequestPublished", facts, gig.at, gig.client.id
    )


def _applications(gig: Gig) -> Iterator[_SampleEvent]:
    for one in gig.applications:
        facts = {
            "application_id": one.id,
            "request_id": gig.id,
            "client_id": gig.client.id,
            "musician_id": one.musician.id,
            "musician_user_id": one.musician.person.id,
            "title": gig.title,
            "urgency_level": gig.urgency,
        }
        by = one.musician.person.id
        yield _SampleEvent("requests", "application", one.id, "ApplicationSubmitted", facts, one.at, by)
