"""Tests of closed accounts: what they have begun ends, and nobody can book them."""

import asyncio
import json
from uuid import UUID, uuid4

from subgraphs.kit.queue.streams import Queue
from subgraphs.kit.testing import ApiUser, publish_entry
from tests.subgraphs.orchestration.bookings import assign, confirmed, eur, offered, paid, state
from tests.subgraphs.orchestration.conftest import Town
from tests.subgraphs.orchestration.test_life_of_a_booking import CANCELLED


async def test_a_closed_account(town: Town) -> None:
    """A closed musician's offers end and confirmed bookings are cancelled, with all money back; nobody can
    book or rank the musician any more.
    """
    player = await town.musician()
    first, pending = await offered(town, player, days=20)
    second, booked = await confirmed(town, player, days=21)
    third = await town.applied(player, days=22)
    await close(town, player[0])
    await town.settled()
    for request, booking in ((first, pending), (second, booked)):
        assert await state(town, request, booking) == {"request": "open", **CANCELLED}
    query = "SELECT status FROM applications WHERE request_id = :id"
    assert [row.status for row in await town.rows("requests", query, id=UUID(third))] == ["withdrawn"]
    refused = await assign(town, third, player[1], price=eur("400"))
    assert (refused["status"], refused["failure"]["code"]) == ("FAILED", "CONFLICT")
    ask = "mutation($id: ID!) { findMatches(requestId: $id) { matches(first: 100) { musician { uuid } } } }"
    answer = json.dumps(await town.client("matching").send(ask, town.host, id=third))
    assert str(player[1]) not in answer


async def test_a_closed_clients_account(town: Town) -> None:
    """It counts as the client's cancellation, requests included."""
    client = ApiUser.make(town.keys, "client")
    host, town.host = town.host, client
    try:
        player = await town.musician()
        request, booking = await confirmed(town, player, days=3)
        without = await town.request(days=9)
        await close(town, client)
        await town.settled()
    finally:
        town.host = host
    after = await state(town, request, booking)
    assert (after["request"], after["booking"], after["slots"]) == ("cancelled", "cancelled", 0)
    assert await paid(town, booking) == ("400.00", "0.00")
    (row,) = await town.rows(
        "requests", "SELECT status FROM musician_requests WHERE id = :id", id=UUID(without)
    )
    assert row.status == "cancelled"


async def close(town: Town, person: ApiUser) -> None:
    """Publish the event that a user's account was closed, as the users service does; wait for the saga."""
    queue = next(part for part in town.services["requests"].parts if isinstance(part, Queue))
    facts = {"user_id": str(person.id), "username": "x", "user_type": person.role, "is_active": False}
    fields = {
        "event_id": str(uuid4()),
        "position": "1",
        "event_type": "UserUpdated",
        "aggregate_type": "user",
        "aggregate_id": str(person.id),
        "occurred_at": town.clock.now().isoformat(),
        "payload": json.dumps(facts),
    }
    await publish_entry(queue.redis, "users", fields)
    begun = "SELECT 1 FROM sagas WHERE saga_type = 'account_closure' AND data->>'userId' = :id"
    async with asyncio.timeout(20):
        while not await town.rows("orchestration", begun, id=str(person.id)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        closed = "SELECT 1 FROM closed_users WHERE user_id = :id AND is_closed"
        while not await town.rows("matching", closed, id=person.id):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
