"""The real services without a queue, for the sagas of the crash tests; creates what a case needs and checks
what is left. A case is a request with a musician who has applied. Expectations are numbers of bookings,
escrows, slots and notifications: fewer means lost, more means doubled; the ledger has to balance, and no
escrow, slot or held notification is left of a booking that has ended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.matching.app import MIGRATIONS as MATCHING
from subgraphs.matching.app import bootstrap as matching
from subgraphs.notifications.app import MIGRATIONS as NOTIFICATIONS
from subgraphs.notifications.app import bootstrap as notifications
from subgraphs.orchestration import notices
from subgraphs.orchestration.app import SELF
from subgraphs.orchestration.sagas import (
    ASSIGNMENT,
    CANCELLATION,
    CLOSURE,
    CONFIRMATION,
    DECISION,
    EXPIRY,
    OBJECTION,
    PAYOUT,
    sagas,
)
from subgraphs.payments import steps
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
    "starts_at, ends_at, budget_min, budget_max, currency, latitude, longitude, status) "
    "VALUES (:id, :client, 'A band', :day, '20:00', '22:00', 'UTC', "
    ":start, :end, 1, 500, :currency, 50, 10, 'in_progress')"
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

    - `before`: the sagas that are run before it, in order. `past`: the event is moved into the past before
      it. `timer`: it is not started by the test: an earlier saga has started it, and it waits for its time.
    - `undone`: an operator undoes a completed saga of assignment.
    - `leaves`: what is left, by kind; two values if an effect may have been undone before it was visible, or
      never begun.
    """

    name: str
    leaves: Mapping[str, tuple[Any, Any]]
    saga: str = ASSIGNMENT
    spoiled: str | None = None
    ends: str = "completed"
    before: tuple[str, ...] = ()
    past: bool = False
    timer: bool = False
    undone: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)


def left_by(booking: str, escrow: str, slots: int, *notices: str) -> dict[str, tuple[Any, Any]]:
    """Return what a scenario leaves: a booking and an escrow in these statuses, and notices."""
    one = {"bookings": [booking], "escrows": [escrow], "slots": slots, "notices": sorted(notices)}
    return {name: (value, value) for name, value in one.items()}


OFFER_TITLE, CONFIRMED_TITLE = notices.OFFERED.title, notices.CONFIRMED_CLIENT.title
NOTHING: Mapping[str, tuple[Any, Any]] = {
    "bookings": ([], ["cancelled"]),
    "escrows": ([], ["refunded"]),
    "slots": (0, 0),
    "notices": ([], []),
}
OFFERED = left_by("pending", "held", 1, OFFER_TITLE)
_CONFIRMED = (OFFER_TITLE, CONFIRMED_TITLE, CONFIRMED_TITLE)
CONFIRMED = left_by("confirmed", "held", 1, *_CONFIRMED)
_OBJECTED = (*_CONFIRMED, notices.OBJECTED.title, notices.OBJECTED.title)
_CALLED_OFF = (notices.CANCELLED.title, notices.CANCELLED.title)
AGREED = (ASSIGNMENT, CONFIRMATION)
TAKEN_BACK = left_by("cancelled", "refunded", 0, OFFER_TITLE, f"No longer: {OFFER_TITLE}")
PAID = left_by("completed", "released", 1, *_CONFIRMED, notices.COMPLETED.title, notices.PAID.title)
EXPIRED = left_by(
    "cancelled", "refunded", 0, OFFER_TITLE, notices.EXPIRED_CLIENT.title, notices.EXPIRED_MUSICIAN.title
)
_DECIDED = (*_OBJECTED, notices.DECIDED.title, notices.DECIDED.title)
SCENARIOS = (
    Scenario("assignment", OFFERED),
    Scenario("assignment, refused by matching", NOTHING, spoiled="matching", ends="failed"),
    Scenario("assignment, refused by requests", NOTHING, spoiled="requests", ends="compensated"),
    Scenario("assignment, refused by payments", NOTHING, spoiled="payments", ends="compensated"),
    Scenario("assignment, refused by calendar", NOTHING, spoiled="calendar", ends="compensated"),
    Scenario("assignment, undone by an operator", TAKEN_BACK, ends="compensated", undone=True),
    Scenario("expiry of an offer", EXPIRED, EXPIRY, before=(ASSIGNMENT,), past=True, timer=True),
    Scenario("confirmation", CONFIRMED, CONFIRMATION, before=(ASSIGNMENT,)),
    Scenario("payout by the timer", PAID, PAYOUT, before=AGREED, past=True, timer=True),
    Scenario("payout by the client", PAID, PAYOUT, before=AGREED, past=True),
    Scenario(
        "payout, refused by payments",
        left_by("confirmed", "refunded", 1, *_CONFIRMED),
        PAYOUT,
        "escrow",
        "compensated",
        before=AGREED,
        past=True,
    ),
    Scenario("objection", left_by("disputed", "held", 1, *_OBJECTED), OBJECTION, before=AGREED, past=True),
    Scenario(
        "decision to split",
        left_by("completed", "partly_refunded", 1, *_DECIDED),
        DECISION,
        before=(*AGREED, OBJECTION),
        past=True,
        more={"percent": 30},
    ),
    Scenario(
        "decision to refund",
        left_by("cancelled", "refunded", 0, *_DECIDED),
        DECISION,
        before=(*AGREED, OBJECTION),
        past=True,
        more={"percent": 100},
    ),
    Scenario(
        "cancellation of an offer",
        left_by("cancelled", "refunded", 0, OFFER_TITLE, *_CALLED_OFF),
        CANCELLATION,
        before=(ASSIGNMENT,),
    ),
    Scenario(
        "cancellation of a request",
        left_by("cancelled", "refunded", 0, *_CONFIRMED, *_CALLED_OFF),
        CANCELLATION,
        before=AGREED,
        more={"by request": True},
    ),
    Scenario(
        "cancellation, refused by payments",
        left_by("confirmed", "released", 1, *_CONFIRMED),
        CANCELLATION,
        "escrow",
        "compensated",
        before=AGREED,
    ),
    Scenario(
        "a closed account",
        left_by("cancelled", "refunded", 0, *_CONFIRMED, *_CALLED_OFF),
        CLOSURE,
        before=AGREED,
    ),
)


@dataclass(frozen=True, slots=True)
class Case:
    """The users and the request of one saga."""

    scenario: Scenario
    request: UUID
    client: UUID
    musician: UUID
    user: UUID

    def data(self, saga: str, booking: str | None) -> Mapping[str, Any]:
        """Return the input of a saga of this type. `booking`: None before there is one."""
        client = uuid4() if self.scenario.spoiled == "requests" else self.client
        ids = {"requestId": str(self.request), "musicianId": str(self.musician), "clientId": str(client)}
        by_client = {"bookingId": booking, "byUserId": str(self.client)}
        by_request = "by request" in self.scenario.more
        cancelled = {"requestId": str(self.request) if by_request else None, "reason": "rain"}
        inputs: Mapping[str, Mapping[str, Any]] = {
            ASSIGNMENT: {**ids, "price": None, "acceptOutsideBudget": False},
            CONFIRMATION: {"bookingId": booking, "byUserId": str(self.user)},
            PAYOUT: by_client,
            OBJECTION: {**by_client, "reason": "no music"},
            DECISION: {"bookingId": booking, "percent": self.scenario.more.get("percent"), "reason": "both"},
            CANCELLATION: {**by_client, **cancelled, **({"bookingId": None} if by_request else {})},
            CLOSURE: {"userId": str(self.user)},
        }
        return inputs[saga]


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
        currency = "eur" if spoiled == "payments" else "EUR"  # payments checks it
        await run["requests"](_REQUEST.bindparams(**ids, day=start.date(), currency=currency, **times))
        await run["requests"](_APPLICATION.bindparams(id=made.request, **musician, price=PRICE))
        status = "cancelled" if spoiled == "matching" else "in_progress"
        await run["matching"](_COPY.bindparams(**ids, status=status, **times))
        await run["matching"](_MUSICIAN.bindparams(**musician))
        if spoiled == "calendar":
            await run["calendar"](_BUSY.bindparams(**musician, **times))
        return made

    async def spoil_escrow(self, booking: str, status: str) -> None:
        """Pay an escrow out, so that nothing more can be paid out of it: it gets the status "released" or
        "refunded".
        """
        given = {"bookingId": booking, "percent": 100, "reason": "to see"}
        async with UnitOfWork(self.services["payments"].database) as uow:
            await (steps.release if status == "released" else steps.refund)(uow, given)

    async def let_pass(self, booking: str) -> None:
        """Move the event of a booking two days into the past, and the time to answer with it."""
        past = (
            "UPDATE bookings SET starts_at = now() - interval '50 hours',"
            " ends_at = now() - interval '48 hours', expires_at = now() - interval '50 hours'"
            " WHERE id = :booking"
        )
        await self.services["requests"].database.execute(text(past).bindparams(booking=UUID(booking)))

    async def rows(self, service: str, statement: str, **values: Any) -> Sequence[Any]:
        """Return rows of a service's database."""
        return await self.services[service].database.fetch_all(text(statement), **values)

    async def booking(self, case: Case) -> str:
        """Return the id of a request's booking that is not cancelled."""
        query = "SELECT id FROM bookings WHERE request_id = :id AND status <> 'cancelled'"
        (row,) = await self.rows("requests", query, id=case.request)
        return str(row.id)

    async def left(self, case: Case) -> dict[str, Any]:
        """Return the effects of a case that are stored in the services, and what is stranded."""
        bookings = await self.rows(
            "requests", "SELECT id, status FROM bookings WHERE request_id = :id", id=case.request
        )
        escrows = await self.rows(
            "payments", "SELECT status, booking_id FROM escrows WHERE request_id = :id", id=case.request
        )
        query = (
            "SELECT booking_id FROM slots"
            " WHERE musician_id = :id AND cancelled_at IS NULL AND kind = 'booked'"
        )
        slots = await self.rows("calendar", query, id=case.musician)
        told = "SELECT title, is_held FROM notifications WHERE user_id = ANY(:ids)"
        sent = await self.rows("notifications", told, ids=[case.client, case.user])
        unbalanced = "SELECT 1 FROM ledger_entries GROUP BY transaction_id, currency HAVING sum(amount) <> 0"
        active = {row.id for row in bookings if row.status not in ("cancelled", "completed")}
        ended = {row.id for row in bookings if row.status == "cancelled"}
        stranded = [f"escrow of {row.booking_id}" for row in escrows if row.status == "held"]
        stranded = [one for one in stranded if not any(str(key) in one for key in active)]
        stranded += [f"slot of {row.booking_id}" for row in slots if row.booking_id in ended]
        stranded += [f"held notice: {row.title}" for row in sent if row.is_held]
        return {
            "bookings": sorted(row.status for row in bookings),
            "escrows": sorted(row.status for row in escrows),
            "slots": len(slots),
            "notices": sorted(row.title for row in sent),
            "unbalanced": len(await self.rows("payments", unbalanced)),
            "stranded": stranded,
        }

    async def judge(self, case: Case, status: str) -> list[str]:
        """Return the faults in the effects of an ended saga: texts that begin with "lost", "doubled" or
        "stranded".
        """
        scenario = case.scenario
        # where an attempt's outcome was unknown before the step was refused, the step is undone, too
        undone = scenario.ends == "failed" and status == "compensated"
        wrong = [] if undone or status == scenario.ends else [f"lost: it ended as {status}"]
        found = await self.left(case)
        for name, (least, most) in scenario.leaves.items():
            here = found[name]
            if here in (least, most):
                continue
            size = (len(here), len(most)) if isinstance(here, list) else (here, most)
            wrong.append(f"{'doubled' if size[0] > size[1] else 'lost'}: {name} are {here}, not {most}")
        if found["unbalanced"]:
            wrong.append("lost: the ledger does not balance")
        return wrong + [f"stranded: {one}" for one in found["stranded"]]
