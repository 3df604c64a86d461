"""Fixtures of the requests service's tests: the service on a fresh database, without background parts, so
that its events stay in the outbox.
"""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert

from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import ApiUser, Client, SigningKeys, fresh_database
from subgraphs.requests.app import MIGRATIONS, bootstrap
from subgraphs.requests.tables import known_musicians


@pytest.fixture(scope="package")
def keys(tmp_path_factory: pytest.TempPathFactory) -> SigningKeys:
    """The keys that sign and verify the tokens of these tests."""
    return SigningKeys.make(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="package")
async def client(postgres_url: str, redis_url: str, keys: SigningKeys) -> AsyncIterator[Client]:
    """A client of the service in this process."""
    async with fresh_database(postgres_url, "requests") as url:
        settings = ServiceSettings("requests", url, redis_url, keys.public)
        service = bootstrap(settings)
        await service.database.migrate(MIGRATIONS)
        yield Client(service)
        await service.stop()


@pytest.fixture
def host(keys: SigningKeys) -> ApiUser:
    """A user with the role client."""
    return ApiUser.make(keys, "client")


@pytest.fixture
def stranger(keys: SigningKeys) -> ApiUser:
    """Another user with the role client."""
    return ApiUser.make(keys, "client")


@pytest.fixture
def admin(keys: SigningKeys) -> ApiUser:
    """An admin."""
    return ApiUser.make(keys, "admin")


@pytest.fixture
async def player(client: Client, keys: SigningKeys) -> tuple[ApiUser, UUID]:
    """A musician, and the uuid of the profile."""
    return await make_player(client, keys)


async def make_player(client: Client, keys: SigningKeys) -> tuple[ApiUser, UUID]:
    """Create a musician about whom the service has received an event."""
    person, musician_id = ApiUser.make(keys, "musician"), uuid4()
    await client.service.database.execute(
        insert(known_musicians).values(musician_id=musician_id, user_id=person.id, position=1)
    )
    return person, musician_id
