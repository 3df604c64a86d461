"""Tests of the projections: every column, for every order in which events of different aggregates
can arrive.
"""

from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.database import Database
from subgraphs.kit.event_store.projection import Projection, apply_next
from subgraphs.kit.testing import fresh_database
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.read_side.app import MIGRATIONS, MODELS
from tests.subgraphs.read_side.conftest import BEGIN, EventFeed, write

PIANO, JAZZ, DRUMS = (UUID(int=number) for number in (1, 2, 3))
TABLES = {
    "musician_read_model": "musician_id",
    "request_read_model": "request_id",
    "matching_rankings": "request_id",
}


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """The read side's database, without the service."""
    async with fresh_database(postgres_url, "read_projections") as url:
        database = Database(url)
        await database.migrate(MIGRATIONS)
        yield database
        await database.close()


async def project(database: Database, batch: int = 500) -> None:
    """Apply all events of the log to the tables."""
    for model in MODELS:
        projection: Projection = model()
        while await step(database, projection, batch):
            pass


async def step(database: Database, projection: Projection, batch: int) -> int | None:
    """Apply one batch."""
    async with UnitOfWork(database) as uow:
        return await apply_next(uow, projection, batch)


async def shown(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of the read models without positions, which differ between orders."""
    found = {}
    for table, key in {**TABLES, "matching_read_model": "request_id, ranking_position"}.items():
        rows = await database.fetch_all(text(f"SELECT * FROM {table} ORDER BY {key}"))
        found[table] = [dict(row._mapping) for row in rows]
    return found


async def test_a_musician(database: Database) -> None:
    """Every column of a musician's row has the value of the newest events."""
    world, musician, user, request = EventFeed(), uuid4(), uuid4(), uuid4()
    world.user(user)
    world.profile(musician, user, stage_name="Old", skill_ids=[PIANO], skills=["Piano"])
    world.profile(musician, user, "MusicianProfileUpdated", skill_ids=[PIANO, JAZZ], skills=["Piano", "Jazz"])
    for rating in (5, 4, 4):
        world.review(musician, rating)
    world.application(request, musician)
    await write(database, world.events)
    await project(database)
    (row,) = (await shown(database))["musician_read_model"]
    search = row.pop("search")
    assert all(word in search for word in ("'ada'", "'piano'", "'jazz'", "'berlin'", "'weddings'"))
    assert float(row.pop("rating")) == float(row.pop("rating_order")) == pytest.approx(13 / 3)
    assert row == {
        "musician_id": musician,
        "user_id": user,
        "stage_name": "Ada and the Engines",
        "bio": "Swing for weddings",
        "hourly_rate": 85.5,
        "currency": "EUR",
        "experience_years": 12,
        "latitude": 52.52,
        "longitude": 13.4,
        "address": None,
        "city": "Berlin",
        "country": "DE",
        "availability_schedule": {"friday": [{"from": "18:00", "to": "02:00"}]},
        "portfolio_urls": ["https://ada.example"],
        "created_at": BEGIN,
        "skill_ids": [PIANO, JAZZ],
        "skills": ["Piano", "Jazz"],
        "rating_sum": 13,
        "total_reviews": 3,
        "last_active": BEGIN + timedelta(minutes=world.position),
        "is_active": True,
        "is_available": True,
        "position": 3,
    }
    closed = EventFeed(world.position)
    closed.user(user, is_active=False)
    await write(database, closed.events)
    await project(database)
    (row,) = (await shown(database))["musician_read_model"]
    assert (row["is_available"], row["stage_name"]) == (False, "Ada and the Engines")


async def test_a_request(database: Database) -> None:
    """Every column of a request's row has the value of the newest events of the request, its client,
    applications and skills.
    """
    world, request, client, musician, user = EventFeed(), uuid4(), uuid4(), uuid4(), uuid4()
    world.request(request, client, skill_ids=[JAZZ, PIANO])
    world.user(client, "ada")
    world.user(client, "countess", is_active=True)
    world.application(request, musician)
    world.application(request, uuid4())
    world.application(request, musician, "ApplicationWithdrawn")
    world.request(request, client, "RequestUpdated", status="in_progress", skill_ids=[JAZZ, PIANO])
    world.profile(musician, user, skill_ids=[PIANO, JAZZ], skills=["Piano", "Jazz"])
    await write(database, world.events)
    await project(database, 3)
    (row,) = (await shown(database))["request_read_model"]
    search = row.pop("search")
    assert all(word in search for word in ("'garden'", "'piano'", "'jazz'", "'berlin'", "'loud'"))
    times = {
        name: str(row.pop(name)) for name in ("event_date", "start_time", "end_time", "starts_at", "ends_at")
    }
    assert times == {
        "event_date": "2027-05-01",
        "start_time": "20:00:00",
        "end_time": "00:00:00",
        "starts_at": "2027-05-01 18:00:00+00:00",
        "ends_at": "2027-05-01 22:00:00+00:00",
    }
    assert row == {
        "request_id": request,
        "client_id": client,
        "client_name": "countess",
        "title": "A band for the garden",
        "description": "Loud, but not too loud",
        "time_zone": "Europe/Berlin",
        "budget_min": 300,
        "budget_max": 700,
        "currency": "EUR",
        "latitude": 52.5,
        "longitude": 13.3,
        "address": "Street 1",
        "city": "Berlin",
        "country": "DE",
        "required_skill_ids": [JAZZ, PIANO],
        "required_skills": ["Jazz", "Piano"],
        "status": "in_progress",
        "urgency_level": "high",
        "created_at": BEGIN,
        "total_applications": 2,
        "position": 7,
    }


@pytest.mark.parametrize("batch", [1, 500])
async def test_a_ranking(database: Database, batch: int) -> None:
    """The newest ranking of a request replaces older ones as a whole, also if those arrive later; other
    algorithms are ignored.
    """
    world, request, client, musicians = EventFeed(), uuid4(), uuid4(), [uuid4() for _ in range(4)]
    world.ranking(request, client, musicians[:3], BEGIN)
    world.ranking(request, client, musicians[1:], BEGIN + timedelta(hours=2))
    world.ranking(request, client, musicians, BEGIN + timedelta(hours=1))
    world.ranking(request, client, musicians, BEGIN + timedelta(hours=3), is_default=False)
    await write(database, world.events)
    await project(database, batch)
    found = await shown(database)
    assert [row["musician_id"] for row in found["matching_read_model"]] == musicians[1:]
    assert found["matching_rankings"][0]["client_id"] == client
    first = found["matching_read_model"][0]
    assert (first["total_score"], first["distance_km"], first["is_recommended"]) == (89.5, 3.25, True)


def lively(random: Random) -> EventFeed:
    """Return events of a few aggregates with many changes."""
    world = EventFeed()
    users, musicians, requests = ([uuid4() for _ in range(3)] for _ in range(3))
    names = {PIANO: "Piano", JAZZ: "Jazz", DRUMS: "Drums"}
    ratings: dict[tuple[UUID, UUID], int] = {}
    for _ in range(80):
        number = random.randrange(3)
        user, musician, request = users[number], musicians[number], requests[random.randrange(3)]
        skills = sorted(random.sample(list(names), random.randint(0, 3)))
        match random.randrange(7):
            case 0:
                world.user(user, f"user-{random.randrange(99)}", is_active=random.random() < 0.6)
            case 1:
                known = [names[key] for key in skills]
                more = {"stage_name": f"Band {random.randrange(99)}", "skill_ids": skills, "skills": known}
                world.profile(musician, user, "MusicianProfileUpdated", **more)
            case 2:
                status = random.choice(("open", "assigned", "cancelled"))
                world.request(
                    request, random.choice(users), "RequestUpdated", status=status, skill_ids=skills
                )
            case 3:
                world.application(request, musician)
            case 4 if ratings and random.random() < 0.5:
                one, rating = random.choice(list(ratings)), random.randint(1, 5)
                world.edited_review(*one, rating, previous_rating=ratings[one])
                ratings[one] = rating
            case 4:
                rating = random.randint(1, 5)
                ratings[world.review(musician, rating), musician] = rating
            case 5:
                world.ranking(
                    request, user, random.sample(musicians, 2), BEGIN + timedelta(seconds=random.random())
                )
            case _:
                booking = {"musician_id": musician}
                world.add("requests", "BookingConfirmed", ("booking", uuid4()), **booking)
    return world


@pytest.mark.parametrize("seed", range(6))
async def test_any_interleaving(postgres_url: str, seed: int) -> None:
    """The tables are the same for every order of events of different aggregates, and for every division into
    batches.
    """
    random = Random(seed)
    world = lively(random)
    found = []
    for _ in range(4):
        streams = defaultdict(list)
        for event in world.events:
            streams[event[1]["aggregate_id"]].append(event)
        order = [key for key, events in streams.items() for _ in events]
        random.shuffle(order)
        shuffled = [streams[key].pop(0) for key in order]
        async with fresh_database(postgres_url, "interleaved") as url:
            database = Database(url)
            await database.migrate(MIGRATIONS)
            await write(database, shuffled)
            await project(database, random.choice((1, 7, 500)))
            found.append(await shown(database))
            await database.close()
    assert all(found[0].values())
    assert found[1:] == found[:1] * 3


async def test_what_arrives_late_is_dropped(database: Database) -> None:
    """Of one aggregate's events that with the highest position counts, also if several inboxes have changed
    their order.
    """
    world, musician, user, request = EventFeed(), uuid4(), uuid4(), uuid4()
    for number in range(3):
        world.user(user, f"name {number}", is_active=number == 2)
        world.profile(musician, user, stage_name=f"Band {number}")
        world.request(request, user, title=f"Title {number}")
    newest, older = world.events[6:], world.events[:6]
    for batch in (newest, older[3:], older[:3]):
        await write(database, batch)
        await project(database)
    found = await shown(database)
    ((musician_row,), (request_row,)) = (found["musician_read_model"], found["request_read_model"])
    assert (musician_row["stage_name"], musician_row["is_available"]) == ("Band 2", True)
    assert (request_row["title"], request_row["client_name"]) == ("Title 2", "name 2")


async def test_what_is_known_in_part_is_not_shown(database: Database) -> None:
    """A review or an application before its profile or request makes no visible row, and counts later."""
    world, musician, request = EventFeed(), uuid4(), uuid4()
    world.review(musician, 5)
    world.application(request, musician)
    await write(database, world.events)
    await project(database)
    found = await shown(database)
    assert (found["musician_read_model"], found["request_read_model"]) == ([], [])
    later = EventFeed(world.position)
    early = {"musician_id": musician, "user_id": uuid4(), "stage_name": "Told in part", "skill_ids": []}
    later.add("musicians", "MusicianProfileCreated", ("musician", musician), **early)
    await write(database, later.events)
    await project(database)
    assert (await shown(database))["musician_read_model"] == []
    later = EventFeed(later.position)
    later.profile(musician, uuid4(), "MusicianProfileUpdated")
    later.request(request, uuid4())
    await write(database, later.events)
    await project(database)
    found = await shown(database)
    assert [row["total_reviews"] for row in found["musician_read_model"]] == [1]
    assert [row["total_applications"] for row in found["request_read_model"]] == [1]


async def test_an_edited_review(database: Database) -> None:
    """A change of a review changes the mean, not the number of reviews; in any order of batches."""
    world, musician = EventFeed(), uuid4()
    world.profile(musician, uuid4())
    reviews = [world.review(musician, rating) for rating in (5, 4, 3)]
    world.edited_review(reviews[2], musician, 1, previous_rating=3)
    world.edited_review(reviews[0], musician, 4, previous_rating=5)
    world.edited_review(reviews[2], musician, 2, previous_rating=1)
    world.edited_review(reviews[1], musician, 4, previous_rating=4)
    await write(database, world.events)
    await project(database, 2)
    (row,) = (await shown(database))["musician_read_model"]
    assert (row["rating_sum"], row["total_reviews"]) == (10, 3)
    assert float(row["rating"]) == float(row["rating_order"]) == pytest.approx(10 / 3)


async def test_an_edited_review_before_the_profile(database: Database) -> None:
    """A change of a review that arrives before the profile counts later."""
    world, musician = EventFeed(), uuid4()
    review = world.review(musician, 5)
    world.edited_review(review, musician, 2, previous_rating=5)
    world.profile(musician, uuid4())
    await write(database, world.events)
    await project(database, 1)
    (row,) = (await shown(database))["musician_read_model"]
    assert (row["rating_sum"], row["total_reviews"], float(row["rating"])) == (2, 1, 2.0)


async def test_the_views(database: Database) -> None:
    """The best musicians are available and have a rating of 4.5 or more in ten reviews; active requests are
    summed up by status and currency.
    """
    world = EventFeed()
    for ratings, active in (
        ((5,) * 10, True),
        ((5,) * 9, True),
        ((4, 5) * 6, True),
        ((4, 4, 5) * 9, True),
        ((5,) * 11, False),
    ):
        musician, user = uuid4(), uuid4()
        world.profile(musician, user, stage_name=f"{len(ratings)} of {sum(ratings)}")
        world.user(user, is_active=active)
        for rating in ratings:
            world.review(musician, rating)
    for status, most, currency in (
        *(("open", "100", "EUR"), ("open", "201", "EUR"), ("open", "300", "CHF")),
        *(("in_progress", "400", "EUR"), ("cancelled", "500", "EUR")),
    ):
        world.request(uuid4(), uuid4(), status=status, budget_min="50", budget_max=most, currency=currency)
    await write(database, world.events)
    await project(database)
    names = await database.fetch_all(text("SELECT stage_name FROM v_top_musicians"))
    assert [row.stage_name for row in names] == ["10 of 50", "12 of 54"]
    summary = text("SELECT * FROM v_active_requests_summary ORDER BY status, currency")
    rows = await database.fetch_all(summary)
    assert [
        (row.status, row.currency, row.requests, row.mean_budget_min, float(row.mean_budget_max))
        for row in rows
    ] == [
        ("in_progress", "EUR", 1, 50, 400.0),
        ("open", "CHF", 1, 50, 300.0),
        ("open", "EUR", 2, 50, 150.5),
    ]
    assert all(row.mean_age_days > 0 for row in rows)


async def test_the_log(database: Database) -> None:
    """The log stores an event once, with its envelope; aggregates of different types with one id have
    different streams.
    """
    world, one = EventFeed(), uuid4()
    world.user(one)
    world.add("requests", "RequestPublished", ("musician_request", one))
    world.add("users", "UserUpdated", ("user", one))
    await write(database, [*world.events, *world.events])
    rows = await database.fetch_all(text("SELECT * FROM every_event ORDER BY position"))
    assert [str(row.event_id) for row in rows] == [entry["event_id"] for _, entry in world.events]
    assert [row.version for row in rows] == [1, 1, 2]
    assert rows[0].aggregate_id == rows[2].aggregate_id == one != rows[1].aggregate_id
    assert rows[1].aggregate_type == "musician_request"
    assert len({row.correlation_id for row in rows}) == 1
    assert rows[0].created_by == "somebody"
    assert rows[0].metadata == {
        "source": "users",
        "version": 1,
        "position": 1,
        "occurred_at": (BEGIN + timedelta(minutes=1)).isoformat().replace("+00:00", "Z"),
    }
