"""Tests of the audit: it has every event of every service once, with its author and cause; only admins see
it, and nobody can change it.
"""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from subgraphs.calendar import store
from subgraphs.calendar.app import bootstrap as calendar_of
from subgraphs.events.app import bootstrap
from subgraphs.kit.service import Service
from subgraphs.kit.testing import ApiUser, Client, Running, SigningKeys

BLOCK = """mutation($input: TimeInput!) {
  blockTime(input: $input) { slot { id uuid } userErrors { code field message } } }"""
REMOVE = """mutation($id: ID!) { removeTime(id: $id) { slot { uuid } userErrors { code field message } } }"""
AUDIT = """query($filter: AuditFilter, $first: Int, $after: String, $last: Int, $before: String) {
  audit(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
  totalCount pageInfo { startCursor hasPreviousPage hasNextPage } edges { node { id uuid
  service type aggregateType aggregateId createdBy author { uuid } correlationId payload
  cause { type } consequences { type service createdBy } } } } }"""


async def told(audit: Client, admin: ApiUser, filter: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Return the events that a filter selects, once there are this many."""
    async with asyncio.timeout(20):
        while True:
            found = (await audit.data(AUDIT, admin, filter=filter))["audit"]
            if found["totalCount"] >= count:
                return [edge["node"] for edge in found["edges"]]
            await asyncio.sleep(0.05)


async def blocked(calendar: Service, person: ApiUser, day: int, **headers: str) -> dict[str, Any]:
    """Block a day in a musician's calendar; return the slot's ids."""
    given = {"startsAt": f"2027-06-{day:02}T10:00:00Z", "endsAt": f"2027-06-{day:02}T12:00:00Z"}
    made = await calendar.execute(BLOCK, {"input": given}, None, {**person.headers, **headers})
    slot: dict[str, Any] = made["data"]["blockTime"]["slot"]
    return slot


async def test_who_what_and_why(running: Running, keys: SigningKeys) -> None:
    """The events of a user's request have the user's id and the request's id; a second request has another
    one.
    """
    person, admin = ApiUser.make(keys, "musician"), ApiUser.make(keys, "admin")
    async with running("events", bootstrap) as service, running("calendar", calendar_of) as calendar:
        audit = Client(service)
        await store.upsert_musician(calendar.database, uuid4(), person.id, 1)
        slot = await blocked(calendar, person, 1, **{"x-request-id": "r-1"})
        await calendar.execute(REMOVE, {"id": slot["id"]}, None, {**person.headers, "x-request-id": "r-2"})
        events = await told(audit, admin, {"aggregateId": slot["id"]}, 2)
        assert [event["type"] for event in events] == ["SlotFreed", "SlotTaken"]
        assert {event["createdBy"] for event in events} == {str(person.id)}
        assert events[0]["author"] == {"uuid": str(person.id)}
        assert [event["correlationId"] for event in events] == ["r-2", "r-1"]
        assert (events[0]["aggregateType"], events[0]["aggregateId"]) == ("SLOT", slot["uuid"])
        assert events[-1]["payload"]["musicianUserId"] == str(person.id), "names are in camelCase"
        trail = await audit.data('{ auditTrail(correlationId: "r-2") { type } }', admin)
        assert [event["type"] for event in trail["auditTrail"]] == ["SlotFreed"]
        one = "query($id: ID!) { auditEvent(id: $id) { uuid } }"
        found = await audit.data(one, admin, id=events[0]["id"])
        assert found["auditEvent"]["uuid"] == events[0]["uuid"]
        assert await audit.data(one, admin, id=slot["id"]) == {"auditEvent": None}
        again = await blocked(calendar, person, 2)
        (event,) = await told(audit, admin, {"aggregateId": again["uuid"]}, 1)
        assert len(event["correlationId"]) == 32, "a request without an id gets one"
        await never_changed(service)
        await selects(audit, admin, person)


async def selects(audit: Client, admin: ApiUser, person: ApiUser) -> None:
    """Each condition selects among three events, and pages go both ways."""
    conditions: list[tuple[dict[str, Any], int]] = [
        ({"type": "SlotTaken", "createdBy": str(person.id)}, 2),
        ({"service": "calendar", "aggregateType": "SLOT"}, 3),
        ({"aggregateType": "OTHER"}, 0),
        ({"between": {"to": "2020-01-01T00:00:00Z"}}, 0),
        ({"between": {"from": "2020-01-01T00:00:00Z"}}, 3),
    ]
    for filter, count in conditions:
        assert (await audit.data(AUDIT, admin, filter=filter))["audit"]["totalCount"] == count, filter
    whole = (await audit.data(AUDIT, admin))["audit"]["edges"]
    last = (await audit.data(AUDIT, admin, last=2))["audit"]
    assert last["edges"] == whole[1:]
    assert last["pageInfo"]["hasPreviousPage"]
    before = (await audit.data(AUDIT, admin, last=2, before=last["pageInfo"]["startCursor"]))["audit"]
    assert before["edges"] == whole[:1]


async def never_changed(service: Service) -> None:
    """The database refuses to change or delete events."""
    for statement in (
        "UPDATE audit_events SET created_by = ''",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
    ):
        with pytest.raises(DBAPIError, match="never changed"):
            await service.database.execute(text(statement))


async def test_for_admins_alone(running: Running, keys: SigningKeys) -> None:
    """Other callers are refused."""
    async with running("events", bootstrap) as service:
        audit = Client(service)
        queries = (
            "{ audit { totalCount } }",
            '{ auditTrail(correlationId: "x") { uuid } }',
            '{ auditEvent(id: "00000000-0000-0000-0000-000000000000") { uuid } }',
        )
        for query in queries:
            assert await audit.codes(query) == ["UNAUTHENTICATED"]
            for role in ("client", "musician"):
                assert await audit.codes(query, ApiUser.make(keys, role)) == ["FORBIDDEN"]
            assert await audit.codes(query, ApiUser.make(keys, "admin")) == []
        backwards = {"from": "2027-02-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"}
        wrong = {"aggregateId": "x", "type": " ", "between": backwards}
        (error,) = (await audit.send(AUDIT, ApiUser.make(keys, "admin"), filter=wrong))["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert all(name in error["message"] for name in ("'aggregateId'", "'type'", "'between.from'"))
