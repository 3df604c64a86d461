"""Fixtures of the calendar's tests: the service on a fresh database, without background parts, so that its
events stay in the outbox.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from subgraphs.calendar import store
from subgraphs.calendar.app import MIGRATIONS, bootstrap
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import ApiUser, Client, SigningKeys, fresh_database
from tests.subgraphs.saga_steps import StepCall

BLOCK = (
    "bookingId: ID!, musicianId: ID!, musicianUserId: ID!, startsAt: DateTime!, endsAt: DateTime!, "
    "timeZone: String!, title: String!"
)
SAY = """mutation($input: TimeInput!, $key: String) { %s(input: $input, idempotencyKey: $key) {
    slot { id uuid kind startsAt } userErrors { code field message } } }"""
DAY = datetime(2027, 6, 5, tzinfo=UTC)


def at(hour: float) -> str:
    """Return the time `hour` hours after the start of the day of these tests, as text."""
    return (DAY + timedelta(hours=hour)).isoformat()


def during(start: float, end: float) -> dict[str, str]:
    """Return the argument `between` for these hours of the day of these tests."""
    return {"from": at(start), "to": at(end)}


@dataclass(frozen=True, slots=True)
class Player:
    """A musician with a calendar, and the steps that sagas execute on it, each in a new saga."""

    client: Client
    carrier: ApiUser
    person: ApiUser
    musician_id: UUID

    def block(self, start: float, end: float, booking_id: UUID | None = None) -> StepCall:
        """Return the step that blocks these hours for a booking."""
        ids = {
            "bookingId": booking_id or uuid4(),
            "musicianId": self.musician_id,
            "musicianUserId": self.person.id,
        }
        when = {"startsAt": at(start), "endsAt": at(end), "timeZone": "Europe/Berlin", "title": "A wedding"}
        given = {**{name: str(key) for name, key in ids.items()}, **when}
        return StepCall(self.client, self.carrier, "blockAvailability", BLOCK, given)

    def release(self, step: StepCall) -> StepCall:
        """Return the step that releases the time of the booking in another step."""
        given = {"bookingId": step.given["bookingId"]}
        return StepCall(self.client, self.carrier, "releaseAvailability", "bookingId: ID!", given)

    async def busy(self) -> list[tuple[float, float]]:
        """Return the hours of the day at which the musician is publicly busy."""
        query = """query($id: ID!, $between: BetweenInput!) {
            musicianAvailability(musicianId: $id, between: $between) { startsAt endsAt } }"""
        data = await self.client.data(query, None, id=str(self.musician_id), between=during(-48, 72))
        return [(hours(one["startsAt"]), hours(one["endsAt"])) for one in data["musicianAvailability"]]

    async def calendar(self, kind: str | None = None) -> list[tuple[str, float, float, str]]:
        """Return the musician's own view of the calendar; `kind`: only such slots."""
        query = """query($between: BetweenInput!, $kind: SlotKind) {
            myCalendar(between: $between, kind: $kind) { kind startsAt endsAt title } }"""
        data = await self.client.data(query, self.person, between=during(-48, 72), kind=kind)
        return [
            (one["kind"], hours(one["startsAt"]), hours(one["endsAt"]), one["title"])
            for one in data["myCalendar"]
        ]

    async def say(self, what: str, start: float, end: float, **changes: Any) -> dict[str, Any]:
        """Send `blockTime` or `freeTime`; return its payload."""
        given = {"startsAt": at(start), "endsAt": at(end), **changes}
        answer = await self.client.send(SAY % what, self.person, input=given)
        payload: dict[str, Any] = answer["data"][what]
        return payload


def hours(moment: str) -> float:
    """Return a time as hours after the start of the day of these tests."""
    return (datetime.fromisoformat(moment) - DAY) / timedelta(hours=1)


@pytest.fixture(scope="package")
def keys(tmp_path_factory: pytest.TempPathFactory) -> SigningKeys:
    """The keys that sign and verify the tokens of these tests."""
    return SigningKeys.make(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="package")
async def client(postgres_url: str, redis_url: str, keys: SigningKeys) -> AsyncIterator[Client]:
    """A client of the service in this process."""
    async with fresh_database(postgres_url, "calendar") as url:
        service = bootstrap(ServiceSettings("calendar", url, redis_url, keys.public))
        await service.database.migrate(MIGRATIONS)
        yield Client(service)
        await service.stop()


@pytest.fixture
async def player(client: Client, keys: SigningKeys) -> Player:
    """A musician about whom the service has received an event."""
    return await make_player(client, keys)


async def make_player(client: Client, keys: SigningKeys) -> Player:
    """Create a musician about whom the service has received an event."""
    person, musician_id = ApiUser.make(keys, "musician"), uuid4()
    await store.upsert_musician(client.service.database, musician_id, person.id, 1)
    return Player(client, ApiUser.make(keys, "service"), person, musician_id)
