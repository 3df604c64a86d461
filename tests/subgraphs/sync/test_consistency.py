"""Tests of the consistency check over running services: drift of every kind is found and repaired, and events
on their way are no drift.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from gateway.transport.local import LocalTransport
from subgraphs.calendar.app import bootstrap as calendar
from subgraphs.kit.clock import SystemClock
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import ApiUser, Client, Running, SigningKeys
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.matching.app import bootstrap as matching
from subgraphs.musicians.app import bootstrap as musicians
from subgraphs.notifications.app import bootstrap as notifications
from subgraphs.payments.app import bootstrap as payments
from subgraphs.read_side.app import bootstrap as read_side
from subgraphs.requests.app import bootstrap as requests
from subgraphs.sync.app import bootstrap as sync
from subgraphs.sync.consistency import SETTLING_SECONDS
from tests.subgraphs.kit.queue.service_pair import until
from tests.subgraphs.musicians.test_profiles import make
from tests.subgraphs.requests.test_requests import publish

PLACES = {
    "musician": (
        ("matching", "matching_musicians", "musician_id"),
        ("read_side", "musician_read_model", "musician_id"),
    ),
    "request": (
        ("matching", "matching_requests", "request_id"),
        ("read_side", "request_read_model", "request_id"),
    ),
}
"""Where the copies of a kind of thing are: service, table and key."""
OTHERS = {
    "musicians": musicians,
    "requests": requests,
    "matching": matching,
    "read_side": read_side,
    "notifications": notifications,
    "payments": payments,
    "calendar": calendar,
}
CHECK = """mutation($deep: Boolean!, $key: String) { checkConsistency(deep: $deep, idempotencyKey: $key) {
  checks { id uuid kind sourceService targetService compared missing older different extra repaired
    examples errorMessage } userErrors { code field message } } }"""
FOUND = """query($first: Int, $last: Int, $filter: ConsistencyCheckFilter) {
  consistencyChecks(first: $first, last: $last, filter: $filter) {
    totalCount edges { node { uuid kind errorMessage } } } }"""


class Settling(SystemClock):
    """The system clock, but the pause before the second comparison lasts until a test ends it."""

    def __init__(self) -> None:
        self.settles, self.may_settle = asyncio.Event(), asyncio.Event()
        self.may_settle.set()

    async def sleep(self, seconds: float) -> None:
        """Sleep, or wait until the test ends the pause."""
        if seconds != SETTLING_SECONDS:
            await super().sleep(seconds)
            return
        self.settles.set()
        await self.may_settle.wait()
        self.settles.clear()


@dataclass
class City:
    """Services that own data, and services that have copies."""

    services: dict[str, Service]
    keys: SigningKeys
    sync: Client
    clock: "Settling"

    async def check(self, *, deep: bool = False) -> dict[tuple[str, str], dict[str, Any]]:
        """Run a check; return what it found, by kind and service with copies."""
        data = await self.sync.data(CHECK, ApiUser.make(self.keys, "admin"), deep=deep)
        reports = data["checkConsistency"]["checks"]
        found = {(report["kind"].lower(), report["targetService"]): report for report in reports}
        assert len(found) == len(reports)
        return found

    async def execute(self, service: str, statement: str, **values: Any) -> None:
        """Execute a statement in a service's database."""
        await self.services[service].database.execute(text(statement).bindparams(**values))

    async def value(self, service: str, statement: str, **values: Any) -> Any:
        """Return a value from a service's database."""
        return await self.services[service].database.fetch_value(text(statement), **values)

    async def musician(self, **changes: Any) -> UUID:
        """Create a profile whose event has arrived at all services."""
        made = await make(Client(self.services["musicians"]), ApiUser.make(self.keys, "musician"), **changes)
        await self.arrived(made["uuid"])
        return UUID(made["uuid"])

    async def arrived(self, key: str, kind: str = "musician") -> None:
        """Wait until both copies exist."""
        for service, table, column in PLACES[kind]:
            found = f"SELECT count(*) FROM {table} WHERE {column} = :key"
            await until(partial(self.value, service, found, key=UUID(key)), 1)


@pytest.fixture(scope="module")
async def city(running: Running, keys: SigningKeys) -> AsyncIterator[City]:
    """All services, running."""
    async with AsyncExitStack() as stack:
        services = {name: await stack.enter_async_context(running(name, how)) for name, how in OTHERS.items()}
        way = LocalTransport({name: service.execute for name, service in services.items()})

        clock = Settling()

        def bootstrap(settings: ServiceSettings) -> Service:
            return sync(replace(settings, jwt_private_key_file=keys.service, clock=clock), way)

        service = await stack.enter_async_context(running("sync", bootstrap))
        yield City(services, keys, Client(service), clock)


def counts(report: dict[str, Any]) -> tuple[int, ...]:
    """Return the numbers of missing, older, different, extra and repaired rows of a check."""
    return tuple(report[name] for name in ("missing", "older", "different", "extra", "repaired"))


async def test_equal_stores_have_no_drift(city: City) -> None:
    """Without faults a check, also a deep one, finds no drift, and is stored."""
    await city.musician()
    request = await publish(Client(city.services["requests"]), ApiUser.make(city.keys))
    await city.arrived(request["uuid"], "request")
    for deep, checks in ((False, 7), (True, 11)):
        found = await city.check(deep=deep)
        assert [(counts(report), report["errorMessage"]) for report in found.values()] == [
            ((0, 0, 0, 0, 0), None)
        ] * checks
        assert len(found) == checks
        assert all(
            report["compared"] >= 1 for kind, report in found.items() if kind[0].startswith("musician")
        )
    admin = ApiUser.make(city.keys, "admin")
    kept = (await city.sync.data(FOUND, admin, first=7))["consistencyChecks"]
    assert kept["totalCount"] >= 14
    assert {edge["node"]["kind"] for edge in kept["edges"]} == {
        "MUSICIAN",
        "MUSICIAN_REQUEST",
        "BOOKING",
        "ESCROW_OF_BOOKING",
        "TIME_OF_BOOKING",
    }
    key = kept["edges"][0]["node"]["uuid"]
    found_again = await city.sync.entities("ConsistencyCheck", [key, uuid4()], "uuid", admin)
    assert found_again == {"data": {"_entities": [{"uuid": key}, None]}}
    await selects(city, admin)


async def selects(city: City, admin: ApiUser) -> None:
    """The filter selects by kind, service, differences and time; the last checks are the oldest."""
    whole = (await city.sync.data(FOUND, admin, first=100))["consistencyChecks"]
    last = (await city.sync.data(FOUND, admin, last=2))["consistencyChecks"]
    assert last["edges"] == whole["edges"][-2:]
    conditions: list[tuple[dict[str, Any], bool]] = [
        ({"kind": "MUSICIAN", "target": "matching", "hasDifferences": False}, True),
        ({"kind": "ESCROW", "target": "matching"}, False),
        ({"between": {"to": "2020-01-01T00:00:00Z"}}, False),
        ({"between": {"from": "2020-01-01T00:00:00Z"}}, True),
    ]
    for filter, is_found in conditions:
        found = (await city.sync.data(FOUND, admin, filter=filter))["consistencyChecks"]
        assert (found["totalCount"] > 0) is is_found, filter


async def test_a_key_belongs_to_one_check(city: City) -> None:
    """A check may be repeated with its key; the key is refused for another one."""
    admin = ApiUser.make(city.keys, "admin")
    for _ in range(2):
        await city.sync.data(CHECK, admin, deep=False, key="today")
    assert await city.sync.codes(CHECK, admin, deep=True, key="today") == ["IDEMPOTENCY_KEY_REUSED"]
    assert await city.sync.mistakes(CHECK, admin, deep=False, key="") == [
        ("BAD_USER_INPUT", "idempotencyKey")
    ]


async def test_drift_of_copies_is_repaired(city: City) -> None:
    """A missing, an older, a different (found by a deep check only) and an extra copy are found; all but the
    extra one are repaired.
    """
    lost, old, wrong, stray = [
        await city.musician(stageName=name) for name in ("Lost", "Old", "Wrong", "Stray")
    ]
    await city.execute("matching", "DELETE FROM matching_musicians WHERE musician_id = :key", key=lost)
    await city.execute(
        "matching",
        "UPDATE matching_musicians SET version = 0, stage_name = 'x' WHERE musician_id = :key",
        key=old,
    )
    await city.execute(
        "matching", "UPDATE matching_musicians SET stage_name = 'x' WHERE musician_id = :key", key=wrong
    )
    nobody = uuid4()
    await city.execute(
        "matching",
        "UPDATE matching_musicians SET musician_id = :nobody WHERE musician_id = :key",
        key=stray,
        nobody=nobody,
    )
    assert counts((await city.check())["musician", "matching"]) == (2, 1, 0, 1, 3)
    deep = (await city.check(deep=True))["musician", "matching"]
    assert (counts(deep), set(deep["examples"])) == ((0, 0, 1, 1, 1), {str(wrong), str(nobody)})
    drifted = {"filter": {"hasDifferences": True, "kind": "MUSICIAN"}}
    found = await city.sync.data(FOUND, ApiUser.make(city.keys, "admin"), **drifted)
    assert deep["uuid"] in [edge["node"]["uuid"] for edge in found["consistencyChecks"]["edges"]]
    for key, name in ((lost, "Lost"), (old, "Old"), (wrong, "Wrong"), (stray, "Stray")):
        kept = "SELECT stage_name || version FROM matching_musicians WHERE musician_id = :key"
        assert await city.value("matching", kept, key=key) == f"{name}1"
    await city.execute("matching", "DELETE FROM matching_musicians WHERE musician_id = :key", key=nobody)
    assert counts((await city.check(deep=True))["musician", "matching"]) == (0, 0, 0, 0, 0)


async def test_rows_that_left_their_events_are_found_in_depth(city: City) -> None:
    """A deep check repairs a row that was changed without the trigger, and names it."""
    key = await city.musician(stageName="Straight")
    async with UnitOfWork(city.services["musicians"].database) as uow:
        await uow.execute(text("SELECT set_config('mussikon.loading', 'on', true)"))
        await uow.execute(
            text("UPDATE musician_profiles SET stage_name = 'Bent' WHERE id = :key").bindparams(key=key)
        )
    assert ("musician", "musicians") not in await city.check()
    reports = await city.check(deep=True)
    found = reports["musician", "musicians"]
    assert counts(reports["musician", "matching"]) == (0, 0, 0, 0, 0)  # the copies were right
    assert (counts(found), found["examples"]) == ((0, 0, 1, 0, 1), [str(key)])
    kept = "SELECT stage_name FROM musician_profiles WHERE id = :key"
    assert await city.value("musicians", kept, key=key) == "Straight"


async def test_what_the_local_log_lacks_is_added(city: City) -> None:
    """The read model gets a profile whose events are missing in the log, and applies later events."""
    key = await city.musician(stageName="Gone")
    for table in ("events", "musician_read_model_g1"):
        column = "aggregate_id" if table == "events" else "musician_id"
        await city.execute("read_side", f"DELETE FROM {table} WHERE {column} = :key", key=key)
    assert counts((await city.check())["musician", "read_side"]) == (1, 0, 0, 0, 1)
    await city.arrived(str(key))
    assert (
        await city.value(
            "read_side", "SELECT stage_name FROM musician_read_model WHERE musician_id = :key", key=key
        )
        == "Gone"
    )
    await city.execute(
        "musicians", "UPDATE musician_profiles SET stage_name = 'Back' WHERE id = :key", key=key
    )
    named = "SELECT stage_name FROM musician_read_model WHERE musician_id = :key"
    await until(lambda: city.value("read_side", named, key=key), "Back")
    assert counts((await city.check(deep=True))["musician", "read_side"]) == (0, 0, 0, 0, 0)


async def test_an_event_on_its_way_is_no_drift(city: City) -> None:
    """A copy whose event arrives before the second comparison is not repaired."""
    key = await city.musician(stageName="Slow")
    await city.execute(
        "matching", "UPDATE matching_musicians SET version = 0 WHERE musician_id = :key", key=key
    )
    city.clock.may_settle.clear()
    checking = asyncio.create_task(city.check())
    await asyncio.wait_for(city.clock.settles.wait(), 15)
    await city.execute(
        "matching", "UPDATE matching_musicians SET version = 1 WHERE musician_id = :key", key=key
    )
    city.clock.may_settle.set()
    assert counts((await checking)["musician", "matching"]) == (0, 0, 0, 0, 0)


async def test_a_service_that_does_not_answer_is_named(city: City) -> None:
    """The report names the service, and other services are checked."""
    await city.execute("matching", "ALTER TABLE matching_requests RENAME TO away")
    try:
        found = await city.check()
    finally:
        await city.execute("matching", "ALTER TABLE away RENAME TO matching_requests")
    assert found["musician_request", "matching"]["errorMessage"]
    assert found["musician", "matching"]["errorMessage"] is None


async def test_copies_of_bookings_are_made_and_repaired(city: City) -> None:
    """The notifications service has each booking by its events; a lost copy, and one with another status, are
    replaced by the owner's data.
    """
    request = UUID((await publish(Client(city.services["requests"]), ApiUser.make(city.keys)))["uuid"])
    lost, wrong = uuid4(), uuid4()
    for key, status in ((lost, "cancelled"), (wrong, "pending")):
        await city.execute("requests", BOOKED, id=key, request=request, status=status, offered=False)
        known = "SELECT status FROM known_bookings WHERE booking_id = :key"
        await until(partial(city.value, "notifications", known, key=key), status)
    await city.execute("notifications", "DELETE FROM known_bookings WHERE booking_id = :key", key=lost)
    change = "UPDATE known_bookings SET status = 'x' WHERE booking_id = :key"
    await city.execute("notifications", change, key=wrong)
    assert counts((await city.check())["booking", "notifications"]) == (1, 0, 0, 0, 1)
    assert counts((await city.check(deep=True))["booking", "notifications"]) == (0, 0, 1, 0, 1)
    for key, status in ((lost, "cancelled"), (wrong, "pending")):
        assert await city.value("notifications", known, key=key) == status


async def test_only_admins_check(city: City) -> None:
    """Other callers can neither see nor start checks."""
    for query in (FOUND, "mutation { checkConsistency { checks { uuid } } }"):
        assert await city.sync.codes(query, ApiUser.make(city.keys)) == ["FORBIDDEN"]


BOOKED = """INSERT INTO bookings (id, request_id, client_id, musician_id, musician_user_id,
    starts_at, ends_at, time_zone, price, currency, status, is_offered)
    SELECT :id, :request, :id, :id, :id,
    now(), now() + interval '1 hour', 'UTC', 5, 'EUR', :status, :offered"""
SLOT = """INSERT INTO slots (musician_id, musician_user_id, booking_id, kind, during, time_zone)
    VALUES (:id, :id, :id, 'booked', tstzrange(now(), now() + interval '1 hour'), 'UTC')"""


async def test_what_is_stranded_is_found(city: City) -> None:
    """A standing booking without an escrow or a time, and a time of a cancelled booking, are reported, and
    not repaired; an offer that is still being made is no fault.
    """
    host = ApiUser.make(city.keys, "client")
    standing, cancelled, begun = (uuid4() for _ in range(3))
    for key, status, offered in (
        (standing, "confirmed", True),
        (cancelled, "cancelled", True),
        (begun, "pending", False),
    ):
        request = UUID((await publish(Client(city.services["requests"]), host))["uuid"])
        await city.execute("requests", BOOKED, id=key, request=request, status=status, offered=offered)
    await city.execute("calendar", SLOT, id=cancelled)
    found = await city.check()
    money = found["escrow_of_booking", "payments"]
    assert (money["missing"], money["extra"], money["repaired"]) == (1, 0, 0)
    assert money["errorMessage"] is None
    times = found["time_of_booking", "calendar"]
    assert (times["missing"], times["extra"], times["repaired"]) == (1, 1, 0)
    assert times["examples"] == sorted([str(standing), str(cancelled)])
