"""The calendar service on a fresh database, without background parts: events are read in the outbox."""

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

BLOCK = "bookingId: ID!, musicianId: ID!, musicianUserId: ID!, startsAt: DateTime!, endsAt: DateTime!, timeZone: String!, title: String!"
DAY = datetime(2027, 6, 5, tzinfo=UTC)


def at(hour: float) -> str:
    """A time on the day of these tests."""
    return (DAY + timedelta(hours=hour)).isoformat()


@dataclass(frozen=True, slots=True)
class Player:
    """A musician with a calendar, and the steps that sagas take in it, each of a new saga."""

    client: Client
    carrier: ApiUser
    person: ApiUser
    musician_id: UUID

    def block(self, start: float, end: float, booking_id: UUID | None = None) -> StepCall:
        """Book them for these hours."""
        ids = {
            "bookingId": booking_id or uuid4(),
            "musicianId": self.musician_id,
            "musicianUserId": self.person.id,
        }
        when = {"startsAt": at(start), "endsAt": at(end), "timeZone": "Europe/Berlin", "title": "A wedding"}
        given = {**{name: str(key) for name, key in ids.items()}, **when}
        return StepCall(self.client, self.carrier, "blockAvailability", BLOCK, given)

    def release(self, step: StepCall) -> StepCall:
        """Let go of the time of a booking."""
        given = {"bookingId": step.given["bookingId"]}
        return StepCall(self.client, self.carrier, "releaseAvailability", "bookingId: ID!", given)

    async def busy(self) -> list[tuple[float, float]]:
        """The hours of that day and its neighbours at which anybody sees that they are busy."""
        query = """query($id: ID!, $from: DateTime!, $to: DateTime!) {
            musicianAvailability(musicianId: $id, from: $from, to: $to) { startsAt endsAt } }"""
        data = await self.client.data(
            query, None, id=str(self.musician_id), **{"from": at(-48), "to": at(72)}
        )
        return [(hours(one["startsAt"]), hours(one["endsAt"])) for one in data["musicianAvailability"]]

    async def calendar(self) -> list[tuple[str, float, float, str]]:
        """What they see themselves."""
        query = """query($from: DateTime!, $to: DateTime!) {
            myCalendar(from: $from, to: $to) { kind startsAt endsAt title } }"""
        data = await self.client.data(query, self.person, **{"from": at(-48), "to": at(72)})
        return [
            (one["kind"], hours(one["startsAt"]), hours(one["endsAt"]), one["title"])
            for one in data["myCalendar"]
        ]

    async def say(self, what: str, start: float, end: float, **changes: Any) -> dict[str, Any]:
        """The whole answer to `blockTime` or `freeTime`."""
        query = f"mutation($input: TimeInput!) {{ {what}(input: $input) {{ id kind startsAt }} }}"
        given = {"startsAt": at(start), "endsAt": at(end), **changes}
        return await self.client.send(query, self.person, input=given)


def hours(moment: str) -> float:
    """The hour of the day of these tests."""
    return (datetime.fromisoformat(moment) - DAY) / timedelta(hours=1)


@pytest.fixture(scope="package")
def keys(tmp_path_factory: pytest.TempPathFactory) -> SigningKeys:
    """The keys that sign and check the tokens of these tests."""
    return SigningKeys.make(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="package")
async def client(postgres_url: str, redis_url: str, keys: SigningKeys) -> AsyncIterator[Client]:
    """Asks the service in the process."""
    async with fresh_database(postgres_url, "calendar") as url:
        service = bootstrap(ServiceSettings("calendar", url, redis_url, keys.public))
        await service.database.migrate(MIGRATIONS)
        yield Client(service)
        await service.stop()


@pytest.fixture
async def player(client: Client, keys: SigningKeys) -> Player:
    """A musician whom the service knows."""
    return await make_player(client, keys)


async def make_player(client: Client, keys: SigningKeys) -> Player:
    """A musician whom the service knows."""
    person, musician_id = ApiUser.make(keys, "musician"), uuid4()
    await store.upsert_musician(client.service.database, musician_id, person.id, 1)
    return Player(client, ApiUser.make(keys, "service"), person, musician_id)
