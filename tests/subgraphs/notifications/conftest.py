"""Fixtures of the notifications service's tests: the service on a fresh database, without background parts;
tests call the handlers of events.
"""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.messages import Envelope
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import ApiUser, Client, SigningKeys, fresh_database
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.notifications.app import MIGRATIONS, bootstrap
from subgraphs.notifications.handlers import EVENT_HANDLERS
from subgraphs.notifications.messages import SendDue
from tests.subgraphs.notifications.delivery_rig import UNSUBSCRIBED, World

Tell = Callable[..., Any]


@pytest.fixture(scope="package")
def keys(tmp_path_factory: pytest.TempPathFactory) -> SigningKeys:
    """The keys that sign and verify the tokens of these tests."""
    return SigningKeys.make(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="package")
async def client(postgres_url: str, redis_url: str, keys: SigningKeys) -> AsyncIterator[Client]:
    """A client of the service in this process."""
    async with fresh_database(postgres_url, "notifications") as url:
        service = bootstrap(ServiceSettings("notifications", url, redis_url, keys.public))
        await service.database.migrate(MIGRATIONS)
        yield Client(service)
        await service.stop()


@pytest.fixture
def person(keys: SigningKeys) -> ApiUser:
    """A user who gets notifications."""
    return ApiUser.make(keys, "client")


@pytest.fixture
def tell(client: Client) -> Tell:
    """A function that calls the service's handler with an event of another service."""

    async def told(kind: str, /, event_id: UUID | None = None, position: int = 1, **facts: Any) -> None:
        payload = {name: str(value) if isinstance(value, UUID) else value for name, value in facts.items()}
        envelope = Envelope(
            event_id=event_id or uuid4(),
            source="requests",
            position=position,
            event_type=kind,
            aggregate_type="booking",
            aggregate_id=uuid4(),
            occurred_at=datetime.now(UTC),
            payload=payload,
        )
        async with UnitOfWork(client.service.database) as uow:
            await EVENT_HANDLERS[kind](uow, envelope)

    return told


@pytest.fixture
async def world(client: Client, tell: Any, person: ApiUser) -> World:
    """A world without deliveries of earlier tests."""
    made = World(client, tell, person)
    while await made.bus.handle(SendDue()):
        pass
    await client.service.database.execute(text(UNSUBSCRIBED))
    return made
