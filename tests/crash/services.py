"""The real services without a queue, for the sagas of the crash tests; creates what a case needs and checks
what is left. A case is a request with a musician who has applied. Expectations are numbers of bookings,
escrows, slots and notifications: fewer means lost, more means doubled; and the ledger has to balance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from gateway.saga.definition import Saga
from gateway.transport.local import LocalTransport
from subgraphs.calendar.app import MIGRATIONS as CALENDAR
from subgraphs.calendar.app import bootstrap as calendar
from subgraphs.kit.client import ServiceClient, authorization
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import SigningKeys
from subgraphs.matching.app import MIGRATIONS as MATCHING
from subgraphs.matching.app import bootstrap as matching
from subgraphs.notifications.app import MIGRATIONS as NOTIFICATIONS
from subgraphs.notifications.app import bootstrap as notifications
from subgraphs.orchestration.app import SELF
from subgraphs.orchestration.sagas import ASSIGNMENT, CANCELLATION, CONFIRMATION, sagas
from subgraphs.payments.app import MIGRATIONS as PAYMENTS
from subgraphs.payments.app import bootstrap as payments
from subgraphs.requests.app import MIGRATIONS as REQUESTS
from subgraphs.requests.app import bootstrap as requests

SERVICES = {
    "requests": (requests, REQUESTS),
    "matching": (matching, MATCHING),
    "notifications": (notifications, NOTIFICATIONS),
    "payments": (payments, PAYMENTS),
    "calendar": (calendar, CALENDAR),
}
NOWHERE = "redis://127.0.0.1:1/0"
PRICE = 400

_REQUEST = text(
    "INSERT INTO musician_requests (id, client_id, title, event_date, start_time, end_time, time_zone, "
    "starts_at, ends_at, budget_min, budget_max, latitude, longitude, status) "
    "VALUES (:id, :client, 'A band', :day, '20:00', '22:00', 'UTC', "
    ":start, :end, 1, 500, 50, 10, 'in_progress')"
)
_APPLICATION = text(
    "INSERT INTO applications (request_id, musician_id, musician_user_id, proposed_price) "
    "VALUES (:id, :musician, :user, :price)"
)
_COPY = text(
    "INSERT INTO matching_requests (request_id, client_id, title, status, latitude, longitude, "
    "starts_at, ends_at, time_zone, budget_min, budget_max, currency, urgency_level) "
    "VALUES (:id, :client, 'A band', :status, 50, 10, :start, :end, 'UTC', 1, 500, 'EUR', 'medium')"
)
_MUSICIAN = text(
    "INSERT INTO matching_musicians (musician_id, user_id, stage_name, hourly_rate) "
    "VALUES (:musician, :user, 'Bo', 50)"
)
_BUSY = text(
    "INSERT INTO slots (musician_id, musician_user_id, kind, during, time_zone) "
    "VALUES (:musician, :user, 'blocked', tstzrange(:start, :end), 'UTC')"
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A saga, what makes one of its steps refuse, and its expected end.

    `after`: it needs a completed saga of assignment. `undone`: an operator undoes a completed saga of
    assignment.
    """

    name: str
    saga: str = ASSIGNMENT
    spoiled: str | None = None
    ends: str = "completed"
    after: bool = False
    undone: bool = False


SCENARIOS = (
    Scenario("assignment"),
    Scenario("assignment, refused by matching", spoiled="matching", ends="failed"),
    Scenario("assignment, refused by requests", spoiled="requests", ends="compensated"),
    Scenario("assignment, refused by payments", spoiled="payments", ends="compensated"),
    Scenario("assignment, refused by calendar", spoiled="calendar", ends="compensated"),
    Scenario("assignment, undone by an operator", ends="compensated", undone=True),
    Scenario("confirmation", CONFIRMATION, after=True),
    Scenario("confirmation, refused by payments", CONFIRMATION, "escrow", "compensated", after=True),
    Scenario("cancellation", CANCELLATION, after=True),
    Scenario("cancellation, refused by payments", CANCELLATION, "escrow", "compensated", after=True),
)


@dataclass(frozen=True, slots=True)
class Case:
    """The users and the request of one saga."""

    scenario: Scenario
    request: UUID
    client: UUID
    musician: UUID
    user: UUID

    def data(self, booking: str | None = None) -> Mapping[str, str]:
        """Return the saga's input."""
        if booking is not None:
            return {"bookingId": booking, "byUserId": str(self.client), "reason": "rain"}
        client = uuid4() if self.scenario.spoiled == "requests" else self.client
        return {"requestId": str(self.request), "musicianId": str(self.musician), "clientId": str(client)}


class Town:
    """The services on their databases, called without HTTP."""

    def __init__(self, urls: Mapping[str, str], keys: SigningKeys) -> None:
        self.services: dict[str, Service] = {}
        for name, (bootstrap, _) in SERVICES.items():
            self.services[name] = bootstrap(ServiceSettings(name, urls[name], NOWHERE, keys.public))
        way = LocalTransport({name: service.execute for name, service in self.services.items()})
        self.sagas: Sequence[Saga] = sagas(ServiceClient(way, authorization(keys.service, SELF)))

    async def migrate(self) -> None:
        """Create all tables."""
        for name, (_, folder) in SERVICES.items():
            await self.services[name].database.migrate(Path(folder))

    async def close(self) -> None:
        """Close every connection."""
        for service in self.services.values():
            await service.database.close()

    async def case(self, scenario: Scenario) -> Case:
        """Create a case: a client with a request, and a musician who has applied."""
        made = Case(scenario, uuid4(), uuid4(), uuid4(), uuid4())
        start = datetime.now(UTC).replace(hour=20, minute=0, second=0, microsecond=0) + timedelta(days=20)
        ids = {"id": made.request, "client": made.client}
        musician = {"musician": made.musician, "user": made.user}
        times = {"start": start, "end": start + timedelta(hours=2)}
        spoiled = scenario.spoiled
        run = {name: service.database.execute for name, service in self.services.items()}
        await run["requests"](_REQUEST.bindparams(**ids, day=start.date(), **times))
        price = 0 if spoiled == "payments" else PRICE
        await run["requests"](_APPLICATION.bindparams(id=made.request, **musician, price=price))
        status = "cancelled" if spoiled == "matching" else "in_progress"
        await run["matching"](_COPY.bindparams(**ids, status=status, **times))
        await run["matching"](_MUSICIAN.bindparams(**musician))
        if spoiled == "calendar":
            await run["calendar"](_BUSY.bindparams(**musician, **times))
        return made

    async def spoil_escrow(self, booking: str) -> None:
        """Change an escrow so that nothing can be paid out of it."""
        broken = "UPDATE escrows SET booking_id = gen_random_uuid() WHERE booking_id = :booking"
        await self.services["payments"].database.execute(text(broken).bindparams(booking=UUID(booking)))

    async def rows(self, service: str, statement: str, **values: Any) -> Sequence[Any]:
        """Return rows of a service's database."""
        return await self.services[service].database.fetch_all(text(statement), **values)

    async def booking(self, case: Case) -> str:
        """Return the id of a request's booking that is not cancelled."""
        query = "SELECT id FROM bookings WHERE request_id = :id AND status <> 'cancelled'"
        (row,) = await self.rows("requests", query, id=case.request)
        return str(row.id)

    async def left(self, case: Case) -> dict[str, Any]:
        """Return the effects of a case that are stored in the services."""
        bookings = await self.rows(
            "requests", "SELECT id, status FROM bookings WHERE request_id = :id", id=case.request
        )
        escrows = await self.rows(
            "payments", "SELECT status FROM escrows WHERE request_id = :id", id=case.request
        )
        slots = "SELECT 1 FROM slots WHERE musician_id = :id AND cancelled_at IS NULL AND kind = 'booked'"
        told = "SELECT title FROM notifications WHERE user_id = ANY(:ids)"
        notices = await self.rows("notifications", told, ids=[case.client, case.user])
        unbalanced = "SELECT 1 FROM ledger_entries GROUP BY transaction_id, currency HAVING sum(amount) <> 0"
        return {
            "bookings": sorted(row.status for row in bookings),
            "escrows": sorted(row.status for row in escrows),
            "slots": len(await self.rows("calendar", slots, id=case.musician)),
            "notices": sorted(row.title for row in notices),
            "unbalanced": len(await self.rows("payments", unbalanced)),
        }

    async def judge(self, case: Case, status: str) -> list[str]:
        """Return the faults in the effects of an ended saga: texts that begin with "lost" or "doubled"."""
        scenario = case.scenario
        # where an attempt's outcome was unknown before the step was refused, the step is undone, too
        undone = scenario.ends == "failed" and status == "compensated"
        wrong = [] if undone or status == scenario.ends else [f"lost: it ended as {status}"]
        found, wanted = await self.left(case), wanted_of(scenario)
        for name, (least, most) in wanted.items():
            here = found[name]
            if here in (least, most):
                continue
            size = (len(here), len(most)) if isinstance(here, list) else (here, most)
            wrong.append(f"{'doubled' if size[0] > size[1] else 'lost'}: {name} are {here}, not {most}")
        if found["unbalanced"]:
            wrong.append("lost: the ledger does not balance")
        return wrong


def wanted_of(scenario: Scenario) -> dict[str, tuple[Any, Any]]:
    """Return the possible numbers of effects that a scenario may leave.

    There are two if an effect may have been undone before it was visible, or never begun.
    """
    booked = ["You are booked"]
    kept = {"bookings": ["pending"], "escrows": ["held"], "slots": 1, "notices": booked}
    if scenario.saga == ASSIGNMENT:
        if scenario.ends == "completed":
            return {name: (value, value) for name, value in kept.items()}
        nothing: dict[str, tuple[Any, Any]] = {
            "slots": (0, 0),
            "notices": ([], []),
            "bookings": ([], ["cancelled"]),
        }
        return {**nothing, "escrows": ([], ["refunded"])}
    if scenario.ends != "completed":
        return {name: (value, value) for name, value in kept.items()}
    title = "The booking is confirmed" if scenario.saga == CONFIRMATION else "The booking is cancelled"
    after = {
        CONFIRMATION: {"bookings": ["confirmed"], "escrows": ["released"], "slots": 1},
        CANCELLATION: {"bookings": ["cancelled"], "escrows": ["refunded"], "slots": 0},
    }[scenario.saga]
    return {name: (value, value) for name, value in {**after, "notices": [title, title, *booked]}.items()}
