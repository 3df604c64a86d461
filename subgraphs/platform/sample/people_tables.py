"""The tables with sample data of the services `users` and `musicians`."""

from collections.abc import Iterator
from typing import Any

from subgraphs.platform.sample.table import Row, SampleData, Table


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


MUSICIAN_TABLES = (
    Table(
        "musicians",
        "musician_profiles",
        "id user_id stage_name bio hourly_rate currency experience_years latitude longitude address "
        "city country availability_schedule portfolio_urls created_at updated_at",
        _musicians,
    ),
    Table(
        "musicians",
        "musician_skills",
        "musician_id skill_id",
        _musician_skills,
    ),
    Table(
        "musicians",
        "musician_documents",
        "musician_id document",
        _documents,
    ),
)


def user_tables(password_hash: str) -> tuple[Table, ...]:
    """Return the tables of the service `users`; all accounts have the same password."""
    return (
        Table(
            "users",
            "users",
            "id username email password_hash user_type created_at updated_at",
            lambda world: _users(world, password_hash),
        ),
        Table(
            "users",
            "user_profiles",
            "user_id first_name last_name phone date_of_birth preferences",
            _profiles,
        ),
    )
