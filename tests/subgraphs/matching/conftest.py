"""Fixtures of matching's tests: the service on a fresh database, without background parts; tests call the
handlers of events.
"""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from subgraphs.kit.messages import Envelope
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import ApiUser, Client, SigningKeys, fresh_database
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.matching.app import MIGRATIONS, bootstrap
from subgraphs.matching.handlers import EVENT_HANDLERS

Tell = Callable[..., Any]


@pytest.fixture(scope="package")
def keys(tmp_path_factory: pytest.TempPathFactory) -> SigningKeys:
    """The keys that sign and verify the tokens of these tests."""
    return SigningKeys.make(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="package")
async def client(postgres_url: str, redis_url: str, keys: SigningKeys) -> AsyncIterator[Client]:
    """A client of the service in this process."""
    async with fresh_database(postgres_url, "matching") as url:
        service = bootstrap(ServiceSettings("matching", url, redis_url, keys.public))
        await service.database.migrate(MIGRATIONS)
        yield Client(service)
        await service.stop()


@pytest.fixture
def host(keys: SigningKeys) -> ApiUser:
    """A user with the role client."""
    return ApiUser.make(keys, "client")


@pytest.fixture
def tell(client: Client) -> Tell:
    """A function that calls the service's handler with an event of another service."""

    async def told(kind: str, position: int, **facts: Any) -> UUID:
        music = kind.startswith("Musician")
        defaults = _musician() if music else _request()
        payload = {
            name: str(value) if isinstance(value, UUID) else value
            for name, value in (defaults | facts).items()
        }
        key = UUID(payload["musician_id" if music else "request_id"])
        envelope = Envelope(
            event_id=uuid4(),
            source="musicians" if music else "requests",
            position=position,
            event_type=kind,
            aggregate_type="musician" if music else "musician_request",
            aggregate_id=key,
            occurred_at=datetime.now(UTC),
            payload=payload,
        )
        async with UnitOfWork(client.service.database) as uow:
            await EVENT_HANDLERS[kind](uow, envelope)
        return key

    return told


def _musician() -> dict[str, Any]:
    place = {"latitude": 52.5, "longitude": 13.4}
    money = {"hourly_rate": "50.00", "currency": "EUR", "experience_years": 4}
    return {
        "musician_id": uuid4(),
        "user_id": uuid4(),
        "stage_name": "Ada",
        "skill_ids": [],
        **place,
        **money,
    }


def _request() -> dict[str, Any]:
    starts_at = datetime.now(UTC) + timedelta(days=9)
    times = {"starts_at": starts_at.isoformat(), "ends_at": (starts_at + timedelta(hours=4)).isoformat()}
    place = {
        "latitude": 52.5,
        "longitude": 13.4,
        "time_zone": "UTC",
        "urgency_level": "medium",
        "status": "open",
    }
    money = {"budget_min": "100.00", "budget_max": "300.00", "currency": "EUR"}
    own = {"request_id": uuid4(), "client_id": uuid4(), "title": "A band", "skill_ids": []}
    return {**own, **times, **place, **money}
