"""Tests of the booking sagas over six services: each is done as a whole or undone, once."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from graphql import parse
from sqlalchemy import text

from gateway.transport.local import LocalTransport
from subgraphs.kit.client import ServiceClient
from subgraphs.kit.testing import ApiUser
from subgraphs.orchestration.sagas import CLOSURE, EXPIRY, NOTICES, OFFER, PAYOUT, sagas
from subgraphs.orchestration.step_calls import PATIENT_RETRY
from tests.subgraphs.orchestration.bookings import assign, booking_of, notices, run, state
from tests.subgraphs.orchestration.conftest import Town

STANDING = {"request": "assigned", "booking": "pending", "escrow": ["held"], "slots": 1, "unbalanced": 0}
NOTHING_LEFT = {"booking": "cancelled", "escrow": ["refunded"], "slots": 0, "unbalanced": 0}


async def test_all_five_steps(town: Town) -> None:
    """The request is assigned, the musician notified, the price in escrow, and the time blocked; the saga
    shows each step.
    """
    player = await town.musician()
    request = await town.applied(player)
    saga = await assign(town, request, player[1])
    assert (saga["type"], saga["status"], saga["failure"]) == ("ASSIGNMENT", "COMPLETED", None)
    assert [(step["name"], step["service"], step["status"]) for step in saga["steps"]] == [
        ("validate_availability", "matching", "COMPLETED"),
        ("update_status", "requests", "COMPLETED"),
        ("notify_musician", "notifications", "COMPLETED"),
        ("create_escrow", "payments", "COMPLETED"),
        ("block_availability", "calendar", "COMPLETED"),
    ]
    assert await state(town, request, booking_of(saga)) == STANDING
    await town.settled()
    assert await notices(town, player[0]) == ["An offer for you"]
    (escrow,) = await town.rows(
        "payments", "SELECT amount FROM escrows WHERE booking_id = :id", id=UUID(booking_of(saga))
    )
    assert escrow.amount == 400


async def test_a_musician_who_is_taken(town: Town) -> None:
    """If the last step is refused, all steps before are undone in reverse order, the request is open again,
    and the musician is not notified.
    """
    player = await town.musician()
    first = await town.applied(player, days=30, hour=20)
    assert (await assign(town, first, player[1]))["status"] == "COMPLETED"
    second = await town.applied(player, days=30, hour=21)
    saga = await assign(town, second, player[1])
    assert (saga["status"], saga["failure"]["code"]) == ("COMPENSATED", "CONFLICT")
    undone = [one["step"] for one in saga["attempts"] if one["kind"] == "UNDO"]
    assert undone == ["create_escrow", "notify_musician", "update_status"]
    assert await state(town, second, booking_of(saga)) == {"request": "in_progress", **NOTHING_LEFT}
    await town.settled()
    assert await notices(town, player[0]) == ["An offer for you"]
    query = "SELECT status FROM applications WHERE request_id = :id"
    assert [row.status for row in await town.rows("requests", query, id=UUID(second))] == ["pending"]


async def test_a_key_books_once(town: Town) -> None:
    """The same key and input return the same saga; other input is an error; another client's key starts
    another saga.
    """
    player = await town.musician()
    request = await town.applied(player, days=40)
    first = await assign(town, request, player[1], key="k")
    assert (await assign(town, request, player[1], key="k"))["uuid"] == first["uuid"]
    assert await assign(town, str(uuid4()), player[1], key="k") == "IDEMPOTENCY_KEY_REUSED"
    assert (await run(town, "cancelRequest", town.host, key="k", requestId=request, reason="x")) == (
        "IDEMPOTENCY_KEY_REUSED"
    )
    stranger = ApiUser.make(town.keys, "client")
    other = await assign(town, request, player[1], key="k", by=stranger)
    assert other["uuid"] != first["uuid"]
    assert other["status"] == "FAILED"


async def test_whose_request_it_is(town: Town) -> None:
    """A client cannot book for another client's request; only the user who started a saga and
    admins see it.
    """
    player = await town.musician()
    request = await town.applied(player, days=50)
    stranger = ApiUser.make(town.keys, "client")
    saga = await assign(town, request, player[1], by=stranger)
    assert (saga["status"], saga["failure"]["code"]) == ("COMPENSATED", "FORBIDDEN")
    ask = "query($id: ID!) { saga(id: $id) { status } }"
    orchestration = town.client("orchestration")
    assert (await orchestration.data(ask, stranger, id=saga["uuid"]))["saga"]["status"] == "COMPENSATED"
    assert (await orchestration.data(ask, town.admin, id=saga["uuid"]))["saga"]["status"] == "COMPENSATED"
    assert await orchestration.codes(ask, town.host, id=saga["uuid"]) == ["NOT_FOUND"]
    assert await orchestration.codes(ask, None, id=saga["uuid"]) == ["UNAUTHENTICATED"]
    listed = await orchestration.data(
        "{ sagas(first: 100) { totalCount edges { node { uuid } } } }", stranger
    )
    assert listed["sagas"] == {"totalCount": 1, "edges": [{"node": {"uuid": saga["uuid"]}}]}
    query = """query($before: String) {
      sagas(last: 1, before: $before, status: [COMPLETED], type: [ASSIGNMENT]) {
        pageInfo { startCursor hasPreviousPage } edges { node { uuid type status startedBy { uuid } } } } }"""
    page = (await orchestration.data(query, town.host))["sagas"]
    before = (await orchestration.data(query, town.host, before=page["pageInfo"]["startCursor"]))["sagas"]
    for one in (page, before):
        node = one["edges"][0]["node"]
        assert (node["type"], node["status"], node["startedBy"]["uuid"]) == (
            "ASSIGNMENT",
            "COMPLETED",
            str(town.host.id),
        )
    assert page["edges"] != before["edges"]


async def test_an_operators_words_are_for_admins(town: Town) -> None:
    """Only an admin can undo a completed saga; the command is recorded, and the musician is notified that
    the offer is taken back.
    """
    player = await town.musician()
    request = await town.applied(player, days=70)
    saga = await assign(town, request, player[1])
    await town.settled()
    tell = """mutation($id: ID!) {
      operateSaga(id: $id, verb: COMPENSATE, reason: "a mistake", idempotencyKey: "op") {
        saga { status } userErrors { code field message } } }"""
    orchestration = town.client("orchestration")
    assert await orchestration.codes(tell, town.host, id=saga["uuid"]) == ["FORBIDDEN"]
    await orchestration.data(tell, town.admin, id=saga["uuid"])
    ask = "query($id: ID!) { saga(id: $id) { status attempts { kind by { uuid } error } } }"
    await town.settled()
    found: Any = (await orchestration.data(ask, town.admin, id=saga["uuid"]))["saga"]
    assert found["status"] == "COMPENSATED"
    assert (await orchestration.data(tell, town.admin, id=saga["uuid"]))["operateSaga"]["saga"]["status"] == (
        "COMPENSATED"
    ), "the key makes it one command"
    word = next(one for one in found["attempts"] if one["kind"] == "COMPENSATE")
    assert word == {"kind": "COMPENSATE", "by": {"uuid": str(town.admin.id)}, "error": "a mistake"}
    assert await state(town, request, booking_of(saga)) == {"request": "in_progress", **NOTHING_LEFT}
    refused = await run(town, "confirmOffer", player[0], bookingId=booking_of(saga))
    assert (refused["status"], refused["failure"]["code"]) == ("FAILED", "CONFLICT")


async def test_an_operator_cannot_stop_a_payout(town: Town) -> None:
    """The timer of a confirmed booking's payout can be neither cancelled nor undone, or nobody would be
    paid.
    """
    player = await town.musician()
    request = await town.applied(player, days=71)
    booking = booking_of(await assign(town, request, player[1]))
    await run(town, "confirmOffer", player[0], bookingId=booking)
    await town.settled()
    orchestration = town.client("orchestration")
    list_sagas = "{ sagas(first: 100, type: [PAYOUT]) { edges { node { id data } } } }"
    found: Any = (await orchestration.data(list_sagas, town.admin))["sagas"]["edges"]
    nodes = [edge["node"] for edge in found]
    [timer] = [node["id"] for node in nodes if node["data"]["bookingId"] == booking]
    stop = """mutation($id: ID!, $verb: SagaVerb!) { operateSaga(id: $id, verb: $verb, reason: "fraud?") {
      saga { status } userErrors { code message } } }"""
    for verb in ("CANCEL", "COMPENSATE"):
        assert await orchestration.codes(stop, town.admin, id=timer, verb=verb) == ["CONFLICT"]


@pytest.mark.parametrize("status", ["pending", "confirmed"])
async def test_a_timer_that_begins_too_early_is_set_again(town: Town, status: str) -> None:
    """If the clocks of two servers differ, a timer finds that its time has not come; then the booking has
    another one for that time.
    """
    player = await town.musician()
    request = await town.applied(player, days=72)
    booking = booking_of(await assign(town, request, player[1]))
    if status == "confirmed":
        await run(town, "confirmOffer", player[0], bookingId=booking)
    await town.settled()
    timer = {"kind": EXPIRY if status == "pending" else PAYOUT, "booking": booking}
    waiting = (
        "FROM sagas WHERE saga_type = :kind AND data::jsonb ->> 'bookingId' = :booking AND status = 'started'"
    )
    [first] = await town.rows("orchestration", f"SELECT wake_at {waiting}", **timer)
    for _ in range(2):
        early = text(f"UPDATE sagas SET wake_at = clock_timestamp() WHERE id IN (SELECT id {waiting})")
        await town.services["orchestration"].database.execute(early.bindparams(**timer))
        await town.settled()
        [again] = await town.rows("orchestration", f"SELECT wake_at {waiting}", **timer)
        assert again.wake_at == first.wake_at
    assert (await state(town, request, booking))["booking"] == status


def test_sagas_that_must_reach_their_end_are_patient() -> None:
    """No outage is so long that such a saga gives up, which would strand what waits for it."""
    transport = LocalTransport({})
    forward = [saga for saga in sagas(ServiceClient(transport, None)) if saga.forward_only]
    assert {saga.type for saga in forward} >= {EXPIRY, PAYOUT, OFFER, CLOSURE, NOTICES}
    assert {step.retry for saga in forward for step in saga.steps} == {PATIENT_RETRY}


async def test_steps_are_for_sagas_alone(town: Town) -> None:
    """No user can call a step, not even an admin, and clients do not see steps in the schema."""
    query = """mutation($id: ID!) { offerBooking(order: {sagaId: $id, step: "x", direction: DO, token: "1"},
      bookingId: $id) }"""
    for person in (town.host, town.admin, None):
        codes = await town.client("requests").codes(query, person, id=str(uuid4()))
        assert codes in (["FORBIDDEN"], ["UNAUTHENTICATED"])
    for service in town.services.values():
        for item in parse(service.sdl).definitions:
            for field in getattr(item, "fields", None) or ():
                if any(one.name.value == "order" for one in getattr(field, "arguments", None) or ()):
                    assert "inaccessible" in {one.name.value for one in field.directives or ()}, (
                        field.name.value
                    )
