"""The tables with sample data that gigs fill: requests, bookings, reviews, and what follows from them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from uuid import UUID, uuid5

import asyncpg

from subgraphs.platform.sample.catalogue import PRAISE
from subgraphs.platform.sample.table import SEED, Row, SampleData, Table


def _known_musicians(world: SampleData) -> Iterator[Row]:
    return ((one.id, one.person.id) for one in world.people.musicians)


def _requests(world: SampleData) -> Iterator[Row]:
    for gig in world.gigs:
        city = gig.client.city
        what = f"We are looking for {' and '.join(one.name.lower() for one in gig.skills)}."
        when = (gig.day, gig.start, gig.end, city.time_zone, gig.starts_at, gig.ends_at)
        place = (gig.latitude, gig.longitude, f"{city.name}, {city.country}", city.name, city.country)
        skills = [one.id for one in gig.skills]
        rest = (skills, gig.status, gig.urgency, gig.at, gig.at)
        yield gig.id, gig.client.id, gig.title, what, *when, *gig.budget, city.currency, *place, *rest


def _applications(world: SampleData) -> Iterator[Row]:
    for gig in world.gigs:
        for one in gig.applications:
            who = (one.musician.id, one.musician.person.id)
            yield one.id, gig.id, *who, one.message, one.price, one.status, one.at, one.at


def _bookings(world: SampleData) -> Iterator[Row]:
    for gig, musician in world.booked():
        chosen, city = gig.booked, gig.client.city
        if chosen is not None:
            who = (gig.id, chosen.id, gig.client.id, musician.id, musician.person.id)
            when = (gig.starts_at, gig.ends_at, city.time_zone)
            yield (
                gig.booking_id,
                *who,
                *when,
                chosen.price,
                city.currency,
                gig.booking_status,
                gig.expires_at(world.now),
                chosen.at,
                chosen.at,
            )


def _completed(world: SampleData) -> Iterator[Row]:
    for gig, musician in world.booked("completed"):
        who = (gig.client.id, musician.id, musician.person.id)
        yield gig.booking_id, gig.id, *who, gig.title, gig.ends_at, gig.ends_at + timedelta(hours=2)


def _paid(world: SampleData) -> Iterator[Row]:
    return ((gig.booking_id, True, 2) for gig, _ in world.booked("completed"))


def reviews_of(world: SampleData) -> Iterator[Row]:
    """Yield the rows of the reviews; most completed bookings have a review."""
    random = Random(f"{SEED}/reviews")
    for gig, musician in world.booked("completed"):
        unrated = gig.client.username.startswith("demo_") and gig.ends_at > world.now - timedelta(days=10)
        if unrated or random.random() < 0.28:
            continue
        rating = min(5, max(1, round(random.gauss(2.6 + 2.6 * musician.quality, 0.8))))
        at = min(world.now, gig.ends_at + timedelta(hours=random.uniform(10, 150)))
        number = UUID(int=random.getrandbits(128), version=4)
        yield number, gig.booking_id, musician.id, gig.client.id, rating, random.choice(PRAISE[rating]), at


def _matching_musicians(world: SampleData) -> Iterator[Row]:
    for one in world.people.musicians:
        money = (one.rate, one.person.city.currency, one.experience)
        skills = [skill.id for skill in one.skills]
        yield one.id, one.person.id, one.stage_name, *money, one.latitude, one.longitude, skills


def _matching_requests(world: SampleData) -> Iterator[Row]:
    for gig in world.gigs:
        city = gig.client.city
        what = (gig.id, gig.client.id, gig.title, gig.status, gig.latitude, gig.longitude)
        when = (gig.starts_at, gig.ends_at, city.time_zone)
        skills = [one.id for one in gig.skills]
        yield *what, *when, *gig.budget, city.currency, gig.urgency, skills


def _slots(world: SampleData) -> Iterator[Row]:
    for gig, musician in world.booked():
        if gig.booked is not None:
            who = (musician.id, musician.person.id, gig.booking_id, "booked")
            during = asyncpg.Range(gig.starts_at, gig.ends_at)
            yield uuid5(gig.id, "slot"), *who, during, gig.client.city.time_zone, gig.title, gig.booked.at


def _notifications(world: SampleData) -> Iterator[Row]:
    """Yield the rows of the last month's notifications: of applications for clients, and of bookings for
    musicians.
    """
    random = Random(f"{SEED}/notifications")
    for gig in world.gigs:
        for one in gig.applications:
            if one.at < world.now - timedelta(days=30):
                continue
            data = {
                "request_id": str(gig.id),
                "application_id": str(one.id),
                "musician_id": str(one.musician.id),
            }
            text = f"{one.musician.stage_name} applied to {gig.title}"
            yield _notification(
                random, gig.client.id, "new_application", "New application", text, data, one.at
            )
            if gig.booked is one:
                booking = {"request_id": str(gig.id), "booking_id": str(gig.booking_id)}
                text = f"You are offered {gig.title}"
                yield _notification(
                    random,
                    one.musician.person.id,
                    "request_update",
                    "An offer for you",
                    text,
                    booking,
                    one.at,
                )


def _notification(
    random: Random, user: UUID, kind: str, title: str, text: str, data: dict[str, str], at: datetime
) -> Row:
    read = at + timedelta(hours=2) if random.random() < 0.6 else None
    number = UUID(int=random.getrandbits(128), version=4)
    return number, user, kind, title, text, data, read is not None, read, at, ["email", "push"], at, at, at


def _known_bookings(world: SampleData) -> Iterator[Row]:
    for gig, musician in world.booked():
        who = (gig.id, gig.client.id, musician.person.id)
        yield gig.booking_id, *who, gig.title, gig.booking_status, 1


def _chat(world: SampleData) -> Iterator[Row]:
    """Yield the rows of messages: the client's question and the musician's answer about each booking of the
    last two weeks, and about all of the demo accounts.
    """
    for gig, musician in world.booked():
        chosen, booking, is_shown = gig.booked, gig.booking_id, gig.client.username.startswith("demo_")
        if chosen is None or booking is None or not (is_shown or chosen.at > world.now - timedelta(days=14)):
            continue
        question = f"Hello {musician.stage_name}, when would you like to set up for {gig.title}?"
        asked, answered = (min(world.now, chosen.at + timedelta(hours=hours)) for hours in (1, 3))
        yield uuid5(booking, "question"), booking, gig.client.id, question, asked
        answer = "An hour before the start would be fine. Is there a power socket near the stage?"
        yield uuid5(booking, "answer"), booking, musician.person.id, answer, answered


REQUEST_TABLES = (
    Table(
        "requests",
        "known_musicians",
        "musician_id user_id",
        _known_musicians,
    ),
    Table(
        "requests",
        "musician_requests",
        "id client_id title description event_date start_time end_time time_zone starts_at ends_at "
        "budget_min budget_max currency latitude longitude address city country required_skill_ids "
        "status urgency_level created_at updated_at",
        _requests,
    ),
    Table(
        "requests",
        "applications",
        "id request_id musician_id musician_user_id message proposed_price status created_at updated_at",
        _applications,
    ),
    Table(
        "requests",
        "bookings",
        "id request_id application_id client_id musician_id musician_user_id starts_at ends_at "
        "time_zone price currency status expires_at created_at updated_at",
        _bookings,
    ),
)
REVIEW_TABLES = (
    Table(
        "reviews",
        "paid_bookings",
        "booking_id is_paid version",
        _paid,
    ),
    Table(
        "reviews",
        "completed_bookings",
        "booking_id request_id client_id musician_id musician_user_id title ends_at completed_at",
        _completed,
    ),
    Table(
        "reviews",
        "reviews",
        "id booking_id musician_id author_id rating text created_at",
        reviews_of,
    ),
)
MATCHING_TABLES = (
    Table(
        "matching",
        "matching_musicians",
        "musician_id user_id stage_name hourly_rate currency experience_years latitude longitude skill_ids",
        _matching_musicians,
    ),
    Table(
        "matching",
        "matching_requests",
        "request_id client_id title status latitude longitude starts_at ends_at time_zone budget_min "
        "budget_max currency urgency_level skill_ids",
        _matching_requests,
    ),
)
CALENDAR_TABLES = (
    Table(
        "calendar",
        "known_musicians",
        "musician_id user_id",
        _known_musicians,
    ),
    Table(
        "calendar",
        "slots",
        "id musician_id musician_user_id booking_id kind during time_zone title created_at",
        _slots,
    ),
)
NOTIFICATION_TABLES = (
    Table(
        "notifications",
        "notifications",
        "id user_id type title message data is_read read_at appears_at channels deliver_after sent_at "
        "created_at",
        _notifications,
    ),
    Table(
        "notifications",
        "known_bookings",
        "booking_id request_id client_id musician_user_id title status version",
        _known_bookings,
    ),
    Table(
        "notifications",
        "chat_messages",
        "id booking_id author_id text sent_at",
        _chat,
    ),
)
