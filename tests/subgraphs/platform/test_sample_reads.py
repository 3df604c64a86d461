"""Tests that the read models of the sample data agree with the tables of the services that own the data."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from sqlalchemy import text

from subgraphs.kit.database import Database
from subgraphs.kit.event_store.append import append
from subgraphs.kit.event_store.events import ANY, AppendContext, NewEvent, Stream
from subgraphs.kit.testing import fresh_database
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.platform.sample.load import load
from subgraphs.platform.tables import SERVICES

Databases = dict[str, Database]


@pytest.fixture(scope="module")
async def databases(postgres_url: str) -> AsyncIterator[Databases]:
    """Fresh databases with the small sample data, whose read models are computed from the local log."""
    async with AsyncExitStack() as stack:
        urls = {
            name: await stack.enter_async_context(fresh_database(postgres_url, name))
            for name in SERVICES.names
        }
        found = {name: Database(url) for name, url in urls.items()}
        for name, database in found.items():
            stack.push_async_callback(database.close)
            await database.migrate(SERVICES[name].migrations)
        await load(urls, "small", lambda *_: None)
        yield found


async def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    """Return the rows of a statement."""
    return [tuple(row) for row in await database.fetch_all(text(statement))]


async def test_musicians_are_the_same(databases: Databases) -> None:
    """Profiles, skills and ratings agree with the musicians and reviews services."""
    columns = (
        "user_id, stage_name, bio, hourly_rate, currency, experience_years, latitude, longitude, address, "
        "city, country, availability_schedule, portfolio_urls, created_at"
    )
    read, own = databases["read_side"], databases["musicians"]
    profiles = await rows(own, f"SELECT id, {columns} FROM musician_profiles ORDER BY id")
    assert len(profiles) == 2000
    assert profiles == await rows(
        read, f"SELECT musician_id, {columns} FROM musician_read_model ORDER BY musician_id"
    )
    skills = await rows(
        own,
        "SELECT musician_id, array_agg(s.id ORDER BY s.id), array_agg(s.name ORDER BY s.id) "
        "FROM musician_skills JOIN musical_skills s ON s.id = skill_id GROUP BY 1 ORDER BY 1",
    )
    shown = (
        "SELECT musician_id, skill_ids, skills FROM musician_read_model"
        " WHERE skills <> '{}' ORDER BY musician_id"
    )
    assert skills == await rows(read, shown)
    ratings = await rows(
        databases["reviews"], "SELECT musician_id, sum(rating), count(*) FROM reviews GROUP BY 1 ORDER BY 1"
    )
    shown = (
        "SELECT musician_id, rating_sum, total_reviews FROM musician_read_model"
        " WHERE total_reviews > 0 ORDER BY 1"
    )
    assert ratings == await rows(read, shown)
    assert await rows(read, "SELECT count(*) FROM musician_read_model WHERE is_available") == [(2000,)]


async def test_requests_are_the_same(databases: Databases) -> None:
    """Requests, names of clients and skills, and numbers of applications agree with their services."""
    columns = (
        "client_id, title, description, event_date, start_time, end_time, time_zone, starts_at, ends_at, "
        "budget_min, budget_max, currency, latitude, longitude, address, city, country, "
        "required_skill_ids, status, urgency_level, created_at"
    )
    read, own = databases["read_side"], databases["requests"]
    assert await rows(own, f"SELECT id, {columns} FROM musician_requests ORDER BY id") == await rows(
        read, f"SELECT request_id, {columns} FROM request_read_model ORDER BY request_id"
    )
    applied = await rows(own, "SELECT request_id, count(*) FROM applications GROUP BY 1 ORDER BY 1")
    shown = (
        "SELECT request_id, total_applications FROM request_read_model"
        " WHERE total_applications > 0 ORDER BY 1"
    )
    assert applied == await rows(read, shown)
    names = dict(await rows(databases["users"], "SELECT id, username FROM users"))
    for client, name in await rows(read, "SELECT client_id, client_name FROM request_read_model"):
        assert names[client] == name
    skills = dict(await rows(databases["musicians"], "SELECT id, name FROM musical_skills"))
    for ids, found in await rows(read, "SELECT required_skill_ids, required_skills FROM request_read_model"):
        assert sorted(skills[key] for key in ids) == sorted(found)
    active = await rows(own, "SELECT count(*) FROM musician_requests WHERE status IN ('open', 'in_progress')")
    assert active == await rows(read, "SELECT cast(sum(requests) AS bigint) FROM v_active_requests_summary")


async def test_what_happens_later_comes_behind(databases: Databases) -> None:
    """The first event after the load is behind all others in the log, and the second event of its
    aggregate.
    """
    database = databases["read_side"]
    ((musician,),) = await rows(database, "SELECT musician_id FROM musician_read_model LIMIT 1")
    late = NewEvent(event_type="Later", data={})
    async with UnitOfWork(database) as uow:
        context = AppendContext(created_by="", correlation_id=late.event_id)
        (written,) = await append(uow, Stream("musician", musician), ANY, [late], context)
    assert written.version == 2
    ((last, position),) = await rows(
        database, "SELECT event_id, position FROM events ORDER BY transaction_id DESC LIMIT 1"
    )
    assert (last, position) == (late.event_id, written.cursor.position)
    assert await rows(database, "SELECT max(position) FROM events") == [(position,)]
