"""Tests of the audit: it has every event of every service once, with its author and cause; only admins see
it, and nobody can change it.
"""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from subgraphs.events.app import bootstrap
from subgraphs.kit.service import Service
from subgraphs.kit.testing import ApiUser, Client, Running, SigningKeys
from subgraphs.requests.app import bootstrap as requests

PUBLISH = "mutation($input: PublishRequestInput!) { publishRequest(input: $input) { id } }"
UPDATE = """mutation($id: ID!) { updateRequest(id: $id, input: {title: "A duo"}) { id } }"""
AUDIT = """query($filter: AuditFilter) { audit(filter: $filter) { totalCount edges { node {
  service type aggregateId createdBy correlationId payload
  cause { type } consequences { type service createdBy } } } } }"""
INPUT = {
    "title": "A band",
    "eventDate": "2027-06-01",
    "startTime": "20:00",
    "endTime": "22:00",
    "budgetMin": "1",
    "budgetMax": "500",
    "timeZone": "UTC",
    "location": {"latitude": 52.5, "longitude": 13.4},
}


async def told(audit: Client, admin: ApiUser, filter: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Return the events that a filter selects, once there are this many."""
    async with asyncio.timeout(20):
        while True:
            found = (await audit.data(AUDIT, admin, filter=filter))["audit"]
            if found["totalCount"] >= count:
                return [edge["node"] for edge in found["edges"]]
            await asyncio.sleep(0.05)


async def test_who_what_and_why(running: Running, keys: SigningKeys) -> None:
    """The events of a client's request have the client's id and the request's id, also those that follow from
    them; a second delivery adds nothing.
    """
    host, admin = ApiUser.make(keys, "client"), ApiUser.make(keys, "admin")
    async with running("events", bootstrap) as service, running("requests", requests) as others:
        audit = Client(service)
        headers = {**host.headers, "x-request-id": "r-1"}
        made = await others.execute(PUBLISH, {"input": INPUT}, None, headers)
        request = made["data"]["publishRequest"]["id"]
        await others.execute(UPDATE, {"id": request}, None, {**host.headers, "x-request-id": "r-2"})
        events = await told(audit, admin, {"aggregateId": request}, 2)
        assert [event["type"] for event in events] == ["RequestUpdated", "RequestPublished"]
        assert {event["createdBy"] for event in events} == {str(host.id)}
        assert [event["correlationId"] for event in events] == ["r-2", "r-1"]
        assert events[-1]["payload"]["title"] == "A band"
        trail = await audit.data('{ auditTrail(correlationId: "r-2") { type } }', admin)
        assert [event["type"] for event in trail["auditTrail"]] == ["RequestUpdated"]
        narrowed = await audit.data(
            AUDIT, admin, filter={"type": "RequestPublished", "createdBy": str(host.id)}
        )
        assert narrowed["audit"]["totalCount"] == 1
        again = await others.execute(PUBLISH, {"input": INPUT}, None, dict(host.headers))
        other = again["data"]["publishRequest"]["id"]
        (event,) = await told(audit, admin, {"aggregateId": other}, 1)
        assert len(event["correlationId"]) == 32, "a request without an id gets one"
        await never_changed(service)


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
            '{ auditTrail(correlationId: "x") { id } }',
            '{ auditEvent(id: "00000000-0000-0000-0000-000000000000") { id } }',
        )
        for query in queries:
            assert await audit.codes(query) == ["UNAUTHENTICATED"]
            for role in ("client", "musician"):
                assert await audit.codes(query, ApiUser.make(keys, role)) == ["FORBIDDEN"]
            assert await audit.codes(query, ApiUser.make(keys, "admin")) == []
        assert await audit.codes(
            '{ audit(filter: {aggregateId: "x"}) { totalCount } }', ApiUser.make(keys, "admin")
        ) == ["BAD_USER_INPUT"]
