"""Fixtures of the musicians service's tests: the service with all its parts, and many musicians."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import text

from subgraphs.kit.testing import ApiUser, Client, Running, SigningKeys, load_rows
from subgraphs.musicians.app import bootstrap

CROWD = """
    INSERT INTO musician_profiles
        (id, user_id, stage_name, hourly_rate, experience_years, latitude, longitude,
         city, country, created_at)
    SELECT gen_random_uuid(), gen_random_uuid(), 'Crowd ' || n, 20 + n % 9, n % 5, 52.5, 13.4,
           (ARRAY['Berlin', 'München'])[1 + n % 2], 'DE',
           '2020-01-01'::timestamptz + (n / 7) * interval '1 day'
    FROM generate_series(1, 60) AS n"""
SKILLS = """
    INSERT INTO musician_skills
    SELECT m.id, s.id FROM musician_profiles m JOIN musical_skills s
    ON s.name = 'Piano' OR (s.name = 'Jazz' AND m.experience_years > 2) WHERE m.stage_name LIKE 'Crowd %'"""
DOCUMENTS = """INSERT INTO musician_documents SELECT id, '{"press": []}' FROM musician_profiles"""


@pytest.fixture(scope="module")
async def client(running: Running) -> AsyncIterator[Client]:
    """A client of the musicians service in this process."""
    async with running("musicians", bootstrap) as service:
        yield Client(service)


@pytest.fixture
def player(keys: SigningKeys) -> ApiUser:
    """A user who registered as musician and has no profile yet."""
    return ApiUser.make(keys, "musician")


@pytest.fixture
def host(keys: SigningKeys) -> ApiUser:
    """A user with the role client."""
    return ApiUser.make(keys, "client")


@pytest.fixture(scope="module")
async def crowd(client: Client) -> list[UUID]:
    """Sixty musicians, the newest first; some with the same time of creation, many with the same rate."""
    await load_rows(client.service.database, CROWD, SKILLS, DOCUMENTS)
    rows = await client.service.database.fetch_all(
        text(
            "SELECT id FROM musician_profiles WHERE stage_name LIKE 'Crowd %'"
            " ORDER BY created_at DESC, id DESC"
        )
    )
    return [row.id for row in rows]
