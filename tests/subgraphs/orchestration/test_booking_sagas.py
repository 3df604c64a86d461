"""Tests of the booking sagas over six services: each is done as a whole or undone, once."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from subgraphs.kit.testing import ApiUser
from tests.subgraphs.orchestration.conftest import Town

ASSIGN = """mutation($r: ID!, $m: ID!, $k: String!) {
  assignMusician(requestId: $r, musicianId: $m, idempotencyKey: $k, wait: true) {
  id type status error errorCode
  steps { name service status attempts result } attempts { step direction outcome } } }"""
CONFIRM = """mutation($b: ID!, $k: String!) {
  confirmAndPay(bookingId: $b, idempotencyKey: $k, wait: true) { id status error } }"""
CANCEL = """mutation($b: ID!, $k: String!) {
  cancelAndRefund(bookingId: $b, reason: "rain", idempotencyKey: $k, wait: true) {
  id status error steps { name result } } }"""
LEDGER = "SELECT currency, sum(amount) AS total FROM ledger_entries GROUP BY currency HAVING sum(amount) <> 0"


async def assign(
    town: Town, request: str, musician_id: UUID, key: str | None = None, by: ApiUser | None = None
) -> Any:
    """Run the saga of assignment, and return it when it has ended."""
    variables = {"r": request, "m": str(musician_id), "k": key or uuid4().hex}
    return (await town.client("orchestration").data(ASSIGN, by or town.host, **variables))["assignMusician"]


def booking_of(saga: Any) -> str:
    """Return the booking that a saga has made."""
    return str(next(step for step in saga["steps"] if step["name"] == "update_status")["result"]["bookingId"])


async def state(town: Town, request: str, booking: str) -> dict[str, Any]:
    """Return the state of a booking in each service."""
    (told,) = await town.rows(
        "requests", "SELECT status FROM musician_requests WHERE id = :id", id=UUID(request)
    )
    (booked,) = await town.rows(
        "requests", "SELECT status, price FROM bookings WHERE id = :id", id=UUID(booking)
    )
    escrows = await town.rows(
        "payments", "SELECT status, amount FROM escrows WHERE booking_id = :id", id=UUID(booking)
    )
    query = "SELECT 1 FROM slots WHERE booking_id = :id AND cancelled_at IS NULL"
    slots = await town.rows("calendar", query, id=UUID(booking))
    return {
        "request": told.status,
        "booking": booked.status,
        "escrow": [row.status for row in escrows],
        "slots": len(slots),
        "unbalanced": len(await town.rows("payments", LEDGER)),
    }


async def notices(town: Town, person: ApiUser) -> list[str]:
    """Return the titles of a user's notifications."""
    rows = await town.rows(
        "notifications", "SELECT title FROM notifications WHERE user_id = :id", id=person.id
    )
    return [row.title for row in rows]


async def test_all_five_steps(town: Town) -> None:
    """The request is assigned, the musician notified, the price in escrow, and the time blocked; the saga
    shows each step.
    """
    player = await town.musician()
    request = await town.applied(player)
    saga = await assign(town, request, player[1])
    assert (saga["type"], saga["status"], saga["error"]) == ("musician_request_assignment", "completed", None)
    assert [(step["name"], step["service"], step["status"]) for step in saga["steps"]] == [
        ("validate_availability", "matching", "completed"),
        ("update_status", "requests", "completed"),
        ("notify_musician", "notifications", "completed"),
        ("create_escrow", "payments", "completed"),
        ("block_availability", "calendar", "completed"),
    ]
    wanted = {"request": "assigned", "booking": "pending", "escrow": ["held"], "slots": 1, "unbalanced": 0}
    assert await state(town, request, booking_of(saga)) == wanted
    assert await notices(town, player[0]) == ["You are booked"]
    (escrow,) = await town.rows(
        "payments", "SELECT amount FROM escrows WHERE booking_id = :id", id=UUID(booking_of(saga))
    )
    assert escrow.amount == 400


async def test_a_musician_who_is_taken(town: Town) -> None:
    """If the last step is refused, all steps before are undone in reverse order, and the request is open
    again.
    """
    player = await town.musician()
    first = await town.applied(player, days=30)
    assert (await assign(town, first, player[1]))["status"] == "completed"
    second = await town.applied(player, days=30, hour=21)
    saga = await assign(town, second, player[1])
    assert (saga["status"], saga["errorCode"]) == ("compensated", "CONFLICT")
    undone = [one["step"] for one in saga["attempts"] if one["direction"] == "undo"]
    assert undone == ["create_escrow", "notify_musician", "update_status"]
    wanted = {
        "request": "in_progress",
        "booking": "cancelled",
        "escrow": ["refunded"],
        "slots": 0,
        "unbalanced": 0,
    }
    assert await state(town, second, booking_of(saga)) == wanted
    assert await notices(town, player[0]) == ["You are booked"]
    query = "SELECT status FROM applications WHERE request_id = :id"
    assert [row.status for row in await town.rows("requests", query, id=UUID(second))] == ["pending"]


async def test_a_key_books_once(town: Town) -> None:
    """The same key and input return the same saga; other input is an error; another client's key starts
    another saga.
    """
    player = await town.musician()
    request = await town.applied(player, days=40)
    first = await assign(town, request, player[1], "k")
    assert (await assign(town, request, player[1], "k"))["id"] == first["id"]
    variables = {"r": str(uuid4()), "m": str(player[1]), "k": "k"}
    assert await town.client("orchestration").codes(ASSIGN, town.host, **variables) == ["CONFLICT"]
    stranger = ApiUser.make(town.keys, "client")
    other = await assign(town, request, player[1], "k", stranger)
    assert other["id"] != first["id"]
    assert other["status"] == "failed"


async def test_whose_request_it_is(town: Town) -> None:
    """A client cannot book for another client's request; only the user who started a saga and
    admins see it.
    """
    player = await town.musician()
    request = await town.applied(player, days=50)
    stranger = ApiUser.make(town.keys, "client")
    saga = await assign(town, request, player[1], by=stranger)
    assert (saga["status"], saga["errorCode"]) == ("compensated", "FORBIDDEN")
    ask = "query($id: ID!) { saga(id: $id) { status } }"
    orchestration = town.client("orchestration")
    assert (await orchestration.data(ask, stranger, id=saga["id"]))["saga"]["status"] == "compensated"
    assert (await orchestration.data(ask, town.admin, id=saga["id"]))["saga"]["status"] == "compensated"
    assert await orchestration.codes(ask, town.host, id=saga["id"]) == ["NOT_FOUND"]
    assert await orchestration.codes(ask, None, id=saga["id"]) == ["UNAUTHENTICATED"]
    listed = await orchestration.data("{ sagas(first: 100) { id } }", stranger)
    assert [one["id"] for one in listed["sagas"]] == [saga["id"]]


async def test_confirming_pays(town: Town) -> None:
    """After the musician's confirmation the escrow is paid, and both users are notified."""
    player = await town.musician()
    request = await town.applied(player, days=60)
    booking = booking_of(await assign(town, request, player[1]))
    done = await town.client("orchestration").data(CONFIRM, player[0], b=booking, k="c")
    assert done["confirmAndPay"]["status"] == "completed"
    wanted = {
        "request": "assigned",
        "booking": "confirmed",
        "escrow": ["released"],
        "slots": 1,
        "unbalanced": 0,
    }
    assert await state(town, request, booking) == wanted
    assert "The booking is confirmed" in await notices(town, player[0])


@pytest.mark.parametrize(("days", "percent"), [(20, 100), (5, 50), (1, 0)])
async def test_cancelling_refunds_by_policy(town: Town, days: int, percent: int) -> None:
    """A cancellation releases the time and refunds the client by the time before the event."""
    player = await town.musician()
    request = await town.applied(player, days=days + 1, hour=1)
    booking = booking_of(await assign(town, request, player[1]))
    found = (await town.client("orchestration").data(CANCEL, town.host, b=booking, k=booking))[
        "cancelAndRefund"
    ]
    assert (found["status"], found["error"]) == ("completed", None)
    refund = next(step for step in found["steps"] if step["name"] == "refund")["result"]
    assert float(refund["refunded"]) == 400 * percent / 100
    now = await state(town, request, booking)
    assert (now["request"], now["booking"], now["slots"], now["unbalanced"]) == (
        "cancelled",
        "cancelled",
        0,
        0,
    )
    again = await assign(town, await town.applied(player, days=days + 1, hour=1), player[1])
    assert again["status"] == "completed"


async def test_an_operators_words_are_for_admins(town: Town) -> None:
    """Only an admin can undo a completed saga; the command is recorded."""
    player = await town.musician()
    request = await town.applied(player, days=70)
    saga = await assign(town, request, player[1])
    tell = 'mutation($id: ID!) { operateSaga(id: $id, verb: COMPENSATE, reason: "a mistake") { status } }'
    orchestration = town.client("orchestration")
    assert await orchestration.codes(tell, town.host, id=saga["id"]) == ["FORBIDDEN"]
    await orchestration.data(tell, town.admin, id=saga["id"])
    ask = "query($id: ID!) { saga(id: $id) { status attempts { direction by error } } }"
    for _ in range(200):
        found = (await orchestration.data(ask, town.admin, id=saga["id"]))["saga"]
        if found["status"] == "compensated":
            break
    word = next(one for one in found["attempts"] if one["direction"] == "compensate")
    assert word == {"direction": "compensate", "by": str(town.admin.id), "error": "a mistake"}
    wanted = {
        "request": "in_progress",
        "booking": "cancelled",
        "escrow": ["refunded"],
        "slots": 0,
        "unbalanced": 0,
    }
    assert await state(town, request, booking_of(saga)) == wanted


async def test_steps_are_for_sagas_alone(town: Town) -> None:
    """No user can call a step, not even an admin, and clients do not see steps in the schema."""
    query = """mutation($id: ID!) { updateStatus(order: {sagaId: $id, step: "x", direction: DO, token: "1"},
      requestId: $id, clientId: $id, musicianId: $id) }"""
    for person in (town.host, town.admin, None):
        codes = await town.client("requests").codes(query, person, id=str(uuid4()))
        assert codes in (["FORBIDDEN"], ["UNAUTHENTICATED"])
    for service in town.services.values():
        for line in service.sdl.splitlines():
            assert "order: StepOrder!" not in line or "@inaccessible" in line
