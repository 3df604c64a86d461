"""Fixtures of the payments service's tests: the service on a fresh database, without background parts, so
that its events stay in the outbox.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import ApiUser, Client, SigningKeys, fresh_database
from subgraphs.payments.app import MIGRATIONS, bootstrap
from tests.subgraphs.saga_steps import StepCall

CREATE = (
    "bookingId: ID!, requestId: ID!, clientId: ID!, musicianId: ID!, musicianUserId: ID!, "
    "amount: Decimal!, currency: String!"
)
REFUND = "bookingId: ID!, percent: Int!, reason: String!"


@dataclass(frozen=True, slots=True)
class Deal:
    """A booking of two users, and the steps that sagas execute for it, each in a new saga."""

    client: Client
    carrier: ApiUser
    host: ApiUser
    player: ApiUser
    musician_id: UUID
    booking_id: UUID

    def create(self, amount: str = "400.00", currency: str = "EUR") -> StepCall:
        """Return the step that charges the client."""
        ids = {"bookingId": self.booking_id, "requestId": uuid4(), "clientId": self.host.id}
        ids |= {"musicianId": self.musician_id, "musicianUserId": self.player.id}
        given = {**{name: str(key) for name, key in ids.items()}, "amount": amount, "currency": currency}
        return StepCall(self.client, self.carrier, "createEscrow", CREATE, given)

    def release(self) -> StepCall:
        """Return the step that pays the musician."""
        return StepCall(
            self.client, self.carrier, "releaseEscrow", "bookingId: ID!", {"bookingId": str(self.booking_id)}
        )

    def refund(self, percent: int, reason: str = "cancelled") -> StepCall:
        """Return the step that refunds the client."""
        given = {"bookingId": str(self.booking_id), "percent": percent, "reason": reason}
        return StepCall(self.client, self.carrier, "refundEscrow", REFUND, given)


@pytest.fixture(scope="package")
def keys(tmp_path_factory: pytest.TempPathFactory) -> SigningKeys:
    """The keys that sign and verify the tokens of these tests."""
    return SigningKeys.make(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="package")
async def client(postgres_url: str, redis_url: str, keys: SigningKeys) -> AsyncIterator[Client]:
    """A client of the service in this process."""
    async with fresh_database(postgres_url, "payments") as url:
        service = bootstrap(ServiceSettings("payments", url, redis_url, keys.public))
        await service.database.migrate(MIGRATIONS)
        yield Client(service)
        await service.stop()


@pytest.fixture(scope="package")
def carrier(keys: SigningKeys) -> ApiUser:
    """A caller with the role service, as the orchestration service is."""
    return ApiUser.make(keys, "service")


@pytest.fixture
def deal(client: Client, carrier: ApiUser, keys: SigningKeys) -> Deal:
    """A new booking of two users."""
    return make_deal(client, carrier, keys)


def make_deal(client: Client, carrier: ApiUser, keys: SigningKeys) -> Deal:
    """Create a booking of two users."""
    host, player = ApiUser.make(keys, "client"), ApiUser.make(keys, "musician")
    return Deal(client, carrier, host, player, uuid4(), uuid4())
