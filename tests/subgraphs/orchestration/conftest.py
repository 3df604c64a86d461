"""Fixtures of the orchestration service's tests: the service and those that its sagas call, all real, in one
process.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, text

from gateway.saga.runner import RunnerSettings
from gateway.transport.local import LocalTransport
from subgraphs.calendar.app import bootstrap as calendar
from subgraphs.kit.clock import SystemClock
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import ApiUser, Client, Running, SigningKeys
from subgraphs.matching.app import bootstrap as matching
from subgraphs.matching.tables import musicians
from subgraphs.notifications.app import bootstrap as notifications
from subgraphs.orchestration.app import bootstrap as orchestration
from subgraphs.payments.app import bootstrap as payments
from subgraphs.requests.app import bootstrap as requests
from subgraphs.requests.tables import known_musicians

OTHERS = {
    "requests": requests,
    "matching": matching,
    "notifications": notifications,
    "payments": payments,
    "calendar": calendar,
}
PUBLISH = """mutation($input: PublishRequestInput!) {
  publishRequest(input: $input) { request { uuid } userErrors { code field message } } }"""
APPLY = """mutation($id: ID!) {
  applyToRequest(
    requestId: $id, input: {proposedPrice: {amount: "400", currency: "EUR"}, message: "I would"}
  ) { application { uuid } userErrors { code field message } } }"""


class LaterClock(SystemClock):
    """The machine's clock, ahead by a span that tests increase."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        """Return the machine's time, later."""
        return super().now() + self.ahead


@dataclass
class Town:
    """The services by name, the keys, the users, and the clock of the services."""

    services: dict[str, Service]
    keys: SigningKeys
    host: ApiUser
    admin: ApiUser
    clock: LaterClock = field(default_factory=LaterClock)

    def __post_init__(self) -> None:
        """Give the services the clock; tokens are verified with the machine's."""
        for service in self.services.values():
            service.database.clock = self.clock

    async def later(self, **span: float) -> None:
        """Let a span of time pass for services and for the timers of sagas, and wait until the sagas that
        become due have ended.
        """
        self.clock.ahead += timedelta(**span)
        orchestration = self.services["orchestration"].database
        due = (
            "UPDATE sagas SET wake_at = clock_timestamp()"
            " WHERE wake_at > clock_timestamp() AND wake_at <= :now"
        )
        await orchestration.execute(text(due).bindparams(now=self.clock.now()))
        await self.settled()

    async def settled(self) -> None:
        """Wait until no saga is due."""
        async with asyncio.timeout(30):
            due = "SELECT 1 FROM sagas WHERE wake_at <= clock_timestamp() + interval '1 minute'"
            while await self.rows("orchestration", due):  # noqa: ASYNC110 - nobody tells when
                await asyncio.sleep(0.01)

    def client(self, service: str) -> Client:
        """Return a client of a service."""
        return Client(self.services[service])

    async def rows(self, service: str, statement: str, **values: Any) -> list[Any]:
        """Return rows of a service's database."""
        return list(await self.services[service].database.fetch_all(text(statement), **values))

    async def musician(self) -> tuple[ApiUser, UUID]:
        """Create a musician whose profile all services have received."""
        person, musician_id = ApiUser.make(self.keys, "musician"), uuid4()
        known = {"musician_id": musician_id, "user_id": person.id, "position": 1}
        await self.services["requests"].database.execute(insert(known_musicians).values(known))
        copy = {"musician_id": musician_id, "user_id": person.id, "stage_name": "Bo", "hourly_rate": 50}
        await self.services["matching"].database.execute(insert(musicians).values(copy))
        return person, musician_id

    async def request(self, days: int = 20, hour: int | None = None) -> str:
        """Create a request of the host that matching has received; its event lasts two hours.

        `hour`: of the start; None: in at most one hour, `days` later.
        """
        start = self.clock.now() + timedelta(days=days, hours=1)
        day, hour = start.date().isoformat(), start.hour if hour is None else hour
        wanted = {
            "title": "A band",
            "eventDate": day,
            "startTime": f"{hour:02}:00",
            "endTime": f"{(hour + 2) % 24:02}:00",
            "budgetMin": {"amount": "1", "currency": "EUR"},
            "budgetMax": {"amount": "500", "currency": "EUR"},
            "timeZone": "UTC",
            "location": {"latitude": 52.5, "longitude": 13.4},
        }
        published = await self.client("requests").data(PUBLISH, self.host, input=wanted)
        made = published["publishRequest"]["request"]["uuid"]
        async with asyncio.timeout(20):
            query = "SELECT 1 FROM matching_requests WHERE request_id = :id"
            while not await self.rows("matching", query, id=UUID(made)):  # noqa: ASYNC110 - nobody tells when
                await asyncio.sleep(0.01)
        return str(made)

    async def applied(self, player: tuple[ApiUser, UUID], **about: Any) -> str:
        """Create a request to which a musician has applied."""
        made = await self.request(**about)
        await self.client("requests").data(APPLY, player[0], id=made)
        return made


@pytest.fixture(scope="module")
async def town(running: Running, keys: SigningKeys) -> AsyncIterator[Town]:
    """All services with their relays and inboxes.

    Notifications are not sent, because whether one is sent between a step and its undo would depend on speed.
    """
    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr("subgraphs.notifications.sender.EVERY_SECONDS", 3600.0)
        services = {
            name: await stack.enter_async_context(running(name, make)) for name, make in OTHERS.items()
        }
        way = LocalTransport({name: service.execute for name, service in services.items()})

        def make(settings: ServiceSettings) -> Service:
            return orchestration(
                replace(settings, jwt_private_key_file=keys.service),
                way,
                RunnerSettings(lease=5.0, poll=0.02),
            )

        services["orchestration"] = await stack.enter_async_context(running("orchestration", make))
        yield Town(services, keys, ApiUser.make(keys, "client"), ApiUser.make(keys, "admin"))
