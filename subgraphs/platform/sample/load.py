"""Loads the sample data: generates it in memory and copies it into the services' databases in bulk (COPY).

The services' copies of other services' data are filled as if events had arrived, but no events are published
for sample data. Only the read side gets events, in its local log, because its read models are computed from
that log alone.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from random import Random
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import orjson
from argon2 import PasswordHasher

from subgraphs.platform.accounts import DEMO_PASSWORD
from subgraphs.platform.sample import reads
from subgraphs.platform.sample.catalogue import PRAISE
from subgraphs.platform.sample.gigs import Gig, GigMaker
from subgraphs.platform.sample.people import People, SampleMusician, make_people
from subgraphs.platform.sample.places import cities

SEED = 20_261_122
MUSICIANS = {"small": 2_000, "large": 100_000}
CHUNK = 5_000
Progress = Callable[[str, int, int], None]
Row = Sequence[Any]
_ADOPT: Mapping[str, Sequence[str]] = {
    "musicians": ["'musician', 'musician_profiles', 'MusicianProfileCreated', 'profile_parts'"],
    "requests": [
        "'musician_request', 'musician_requests', 'RequestPublished'",
        "'booking', 'bookings', 'BookingMade'",
    ],
    "payments": ["'escrow', 'escrows', 'EscrowCreated'"],
}
"""By service, the arguments of calls of the SQL function `adopt_rows`, which creates an event
stream per row.
"""


@dataclass(frozen=True, slots=True)
class SampleData:
    """All sample data; its dates are relative to `now`."""

    people: People
    gigs: list[Gig]
    now: datetime


@dataclass(frozen=True, slots=True)
class Table:
    """The rows for one table of one service; `columns`: the names of the columns, separated by blanks."""

    service: str
    name: str
    columns: str
    rows: Callable[[SampleData], Iterator[Row]]


def make_sample_data(musicians: int, now: datetime) -> SampleData:
    """Generate the sample data with this number of musicians and with dates relative to `now`.

    Ids and names do not depend on `now`.
    """
    people = make_people(SEED, musicians, cities(), now)
    return SampleData(people, list(GigMaker(SEED, people, now).make(musicians)), now)


async def load(databases: Mapping[str, str], size: str, progress: Progress) -> None:
    """Fill empty databases with sample data of a size, "small" or "large".

    `databases`: their URLs by service. `progress` is called with the name of a step, the number of rows that
    are loaded, and the total number.
    """
    now = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    progress("generating the sample data", 0, 1)
    world = await asyncio.to_thread(make_sample_data, MUSICIANS[size], now)
    progress("generating the sample data", 1, 1)
    password_hash = await asyncio.to_thread(PasswordHasher().hash, DEMO_PASSWORD)
    services = dict.fromkeys(table.service for table in tables(password_hash))
    for service in services:
        connection = await asyncpg.connect(
            databases[service].replace("postgresql+asyncpg://", "postgresql://")
        )
        try:
            async with (
                connection.transaction()
            ):  # one transaction, because deferred constraints check several tables at its end
                await connection.execute("select set_config('mussikon.loading', 'on', true)")
                for table in tables(password_hash):
                    if table.service == service:
                        await _copy(connection, table, world, progress)
                for adopt in _ADOPT.get(service, ()):
                    await connection.execute(f"select adopt_rows({adopt})")
            await connection.execute("analyze")
        finally:
            await connection.close()
    await reads.project(databases["read_side"], progress)


async def _copy(connection: Any, table: Table, world: SampleData, progress: Progress) -> None:
    # the binary format of jsonb is a version byte, then the text
    codec = {
        "encoder": lambda value: b"\x01" + orjson.dumps(value),
        "decoder": lambda raw: orjson.loads(raw[1:]),
    }
    await connection.set_type_codec("jsonb", schema="pg_catalog", format="binary", **codec)
    step = f"{table.service}: {table.name}"
    rows = await asyncio.to_thread(lambda: list(table.rows(world)))
    waiting = iter(rows)
    done = 0
    while chunk := list(islice(waiting, CHUNK)):
        await connection.copy_records_to_table(table.name, records=chunk, columns=table.columns.split())
        done += len(chunk)
        progress(step, done, len(rows))


def tables(password_hash: str) -> tuple[Table, ...]:
    """Return the tables with sample data, in an order that the foreign keys allow."""
    return (
        Table("users", "users", "id username email password_hash user_type created_at updated_at", lambda w: _users(w, password_hash)),
        Table("users", "user_profiles", "user_id first_name last_name phone date_of_birth preferences", _profiles),
        Table("musicians", "musician_profiles", "id user_id stage_name bio hourly_rate currency experience_years latitude longitude address city country availability_schedule portfolio_urls created_at updated_at", _musicians),
        Table("musicians", "musician_skills", "musician_id skill_id", _musician_skills),
        Table("musicians", "musician_documents", "musician_id document", _documents),
        Table("requests", "known_musicians", "musician_id user_id", lambda w: ((m.id, m.person.id) for m in w.people.musicians)),
        Table("requests", "musician_requests", "id client_id title description event_date start_time end_time time_zone starts_at ends_at budget_min budget_max currency latitude longitude address city country required_skill_ids status urgency_level created_at updated_at", _requests),
        Table("requests", "applications", "id request_id musician_id musician_user_id message proposed_price status created_at updated_at", _applications),
        Table("requests", "bookings", "id request_id application_id client_id musician_id musician_user_id starts_at ends_at time_zone price currency status created_at updated_at", _bookings),
        Table("reviews", "completed_bookings", "booking_id request_id client_id musician_id musician_user_id title ends_at completed_at", _completed),
        Table("reviews", "reviews", "id booking_id musician_id author_id rating text created_at", reviews_of),
        Table("matching", "matching_musicians", "musician_id user_id stage_name hourly_rate currency experience_years latitude longitude skill_ids", _matching_musicians),
        Table("matching", "matching_requests", "request_id client_id title status latitude longitude starts_at ends_at time_zone budget_min budget_max currency urgency_level skill_ids", _matching_requests),
        Table("payments", "escrows", "id booking_id request_id client_id musician_id musician_user_id amount currency status released created_at updated_at", _escrows),
        Table("payments", "payments", "id escrow_id client_id musician_user_id amount currency created_at updated_at", _payments),
        Table("payments", "ledger_entries", "transaction_id escrow_id account amount currency created_at", _ledger),
        Table("calendar", "known_musicians", "musician_id user_id", lambda w: ((m.id, m.person.id) for m in w.people.musicians)),
        Table("calendar", "slots", "id musician_id musician_user_id booking_id kind during time_zone title created_at", _slots),
        Table("read_side", "event_streams", reads.STREAM_COLUMNS, lambda w: reads.streams(w.people, w.gigs, reviews_of(w))),
        Table("read_side", "events", reads.EVENT_COLUMNS, lambda w: reads.events(w.people, w.gigs, reviews_of(w))),
        Table("notifications", "notifications", "id user_id type title message data is_read read_at appears_at channels deliver_after sent_at created_at", _notifications),
    )  # fmt: skip


def _all_users(world: SampleData) -> Iterator[Any]:
    yield from world.people.clients
    yield from (one.person for one in world.people.musicians)
    yield from world.people.admins


def _users(world: SampleData, password_hash: str) -> Iterator[Row]:
    for one in _all_users(world):
        yield one.id, one.username, one.email, password_hash, one.user_type, one.since, one.since


def _profiles(world: SampleData) -> Iterator[Row]:
    for one in _all_users(world):
        yield (
            one.id,
            one.first_name,
            one.last_name,
            one.phone,
            one.born,
            {"city": one.city.name, "language": "en"},
        )


def _musicians(world: SampleData) -> Iterator[Row]:
    for one in world.people.musicians:
        city = one.person.city
        facts = (one.id, one.person.id, one.stage_name, one.bio, one.rate, city.currency, one.experience)
        place = (one.latitude, one.longitude, f"{city.name}, {city.country}", city.name, city.country)
        yield *facts, *place, one.availability, list(one.portfolio), one.person.since, one.person.since


def _musician_skills(world: SampleData) -> Iterator[Row]:
    return ((one.id, skill.id) for one in world.people.musicians for skill in one.skills)


def _documents(world: SampleData) -> Iterator[Row]:
    return ((one.id, one.document) for one in world.people.musicians)


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


def _booked(world: SampleData, status: str | None = None) -> Iterator[tuple[Gig, SampleMusician]]:
    for gig in world.gigs:
        if gig.booked is not None and status in (None, gig.booking_status):
            yield gig, gig.booked.musician


def _bookings(world: SampleData) -> Iterator[Row]:
    for gig, musician in _booked(world):
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
                chosen.at,
                chosen.at,
            )


def _completed(world: SampleData) -> Iterator[Row]:
    for gig, musician in _booked(world, "completed"):
        who = (gig.client.id, musician.id, musician.person.id)
        yield gig.booking_id, gig.id, *who, gig.title, gig.ends_at, gig.ends_at + timedelta(hours=2)


def reviews_of(world: SampleData) -> Iterator[Row]:
    """Yield the rows of the reviews; most completed bookings have a review."""
    random = Random(f"{SEED}/reviews")
    for gig, musician in _booked(world, "completed"):
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


def _escrow_id(gig: Gig) -> UUID:
    return uuid5(gig.id, "escrow")


def _paid_out(gig: Gig) -> datetime:
    return gig.ends_at + timedelta(hours=2)


def _escrows(world: SampleData) -> Iterator[Row]:
    for gig, musician in _booked(world):
        chosen, done = gig.booked, gig.booking_status == "completed"
        if chosen is not None:
            who = (gig.booking_id, gig.id, gig.client.id, musician.id, musician.person.id)
            released, status = (chosen.price, "released") if done else (Decimal(0), "held")
            changed = _paid_out(gig) if done else chosen.at
            money = (chosen.price, gig.client.city.currency, status, released)
            yield _escrow_id(gig), *who, *money, chosen.at, changed


def _payments(world: SampleData) -> Iterator[Row]:
    for gig, musician in _booked(world):
        if gig.booked is not None:
            money = (gig.booked.price, gig.client.city.currency, gig.booked.at, gig.booked.at)
            yield uuid5(gig.id, "payment"), _escrow_id(gig), gig.client.id, musician.person.id, *money


def _ledger(world: SampleData) -> Iterator[Row]:
    """Yield the ledger's rows: for each charge of a client, and for each payment to a musician.

    Musicians are paid for completed bookings. Each movement of money has two rows, which sum up to 0.
    """
    for gig, musician in _booked(world):
        if gig.booked is None:
            continue
        escrow, price, currency = _escrow_id(gig), gig.booked.price, gig.client.city.currency
        moves = [("charge", f"client:{gig.client.id}", f"escrow:{escrow}", gig.booked.at)]
        if gig.booking_status == "completed":
            moves.append(("release", f"escrow:{escrow}", f"musician:{musician.id}", _paid_out(gig)))
        for name, giver, taker, at in moves:
            number = uuid5(gig.id, name)
            yield number, escrow, giver, -price, currency, at
            yield number, escrow, taker, price, currency, at


def _slots(world: SampleData) -> Iterator[Row]:
    for gig, musician in _booked(world):
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
                text = f"You are booked for {gig.title}"
                yield _notification(
                    random, one.musician.person.id, "request_update", "You are booked", text, booking, one.at
                )


def _notification(
    random: Random, user: UUID, kind: str, title: str, text: str, data: dict[str, str], at: datetime
) -> Row:
    read = at + timedelta(hours=2) if random.random() < 0.6 else None
    number = UUID(int=random.getrandbits(128), version=4)
    return number, user, kind, title, text, data, read is not None, read, at, ["email", "push"], at, at, at
