"""Tests of the life of a booking: offered, confirmed, completed, cancelled, objected to."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from subgraphs.kit.cause import correlation_of
from subgraphs.kit.testing import ApiUser
from tests.subgraphs.orchestration.bookings import (
    assign,
    booking_of,
    confirmed,
    eur,
    notices,
    offered,
    paid,
    run,
    state,
)
from tests.subgraphs.orchestration.conftest import Town

OF_SAGAS = ("Booking", "Escrow", "Slot")
CANCELLED = {"booking": "cancelled", "escrow": ["refunded"], "slots": 0, "unbalanced": 0}
HELD = {"escrow": ["held"], "slots": 1, "unbalanced": 0}


async def test_confirmed_and_paid_after_the_event(town: Town) -> None:
    """The confirmation leaves the money in escrow; 24 hours after the event the timer pays, once."""
    player = await town.musician()
    request, booking = await confirmed(town, player, days=10)
    assert await state(town, request, booking) == {"request": "assigned", "booking": "confirmed", **HELD}
    assert await notices(town, player[0]) == ["An offer for you", "Booking confirmed"]
    await town.later(days=11)
    assert (await state(town, request, booking))["escrow"] == ["held"], "the time for objections is not over"
    await town.later(hours=24)
    done = {"request": "completed", "booking": "completed", "escrow": ["released"], "slots": 1}
    assert await state(town, request, booking) == {**done, "unbalanced": 0}
    assert (await notices(town, player[0]))[2:] == ["You are paid"]


async def test_the_clients_word_pays_at_once(town: Town) -> None:
    """After the event's end the client may confirm it; the timer then does nothing."""
    player = await town.musician()
    _, booking = await confirmed(town, player, days=5)
    early = await run(town, "completeEvent", town.host, bookingId=booking)
    assert (early["status"], early["failure"]["code"]) == ("FAILED", "CONFLICT")
    await town.later(days=6)
    other = await run(town, "completeEvent", ApiUser.make(town.keys, "client"), bookingId=booking)
    assert (other["status"], other["failure"]["code"]) == ("FAILED", "FORBIDDEN")
    assert (await run(town, "completeEvent", town.host, bookingId=booking))["status"] == "COMPLETED"
    assert await paid(town, booking) == ("400.00", "0.00")
    await town.later(days=2)
    assert await paid(town, booking) == ("400.00", "0.00")
    assert (await notices(town, player[0])).count("You are paid") == 1


async def test_an_offer_that_nobody_answers(town: Town) -> None:
    """It ends after 48 hours: all money back, the time free, the request open again, both notified."""
    player = await town.musician()
    request, booking = await offered(town, player, days=20)
    await town.later(hours=47)
    assert (await state(town, request, booking))["booking"] == "pending"
    await town.later(hours=1)
    assert await state(town, request, booking) == {"request": "open", **CANCELLED}
    assert (await notices(town, player[0]))[-1] == "The offer has expired"
    assert "The offer has expired" in await notices(town, town.host)
    late = await run(town, "confirmOffer", player[0], bookingId=booking)
    assert (late["status"], late["failure"]["code"]) == ("FAILED", "CONFLICT")


async def test_an_offer_for_tomorrow_ends_when_the_event_starts(town: Town) -> None:
    """The time to answer ends with the start of the event, and nobody can confirm after it."""
    player = await town.musician()
    request, booking = await offered(town, player, days=1)
    (row,) = await town.rows(
        "requests", "SELECT expires_at = starts_at AS same FROM bookings WHERE id = :id", id=UUID(booking)
    )
    assert row.same
    await town.later(days=2)
    assert await state(town, request, booking) == {"request": "open", **CANCELLED}


async def test_only_the_musician_confirms_and_once(town: Town) -> None:
    """The client, strangers and a second confirmation are refused; the client's role may not even ask."""
    player, other = await town.musician(), await town.musician()
    _, booking = await offered(town, player)
    assert await run(town, "confirmOffer", town.host, bookingId=booking) == "FORBIDDEN"
    assert (await run(town, "confirmOffer", other[0], bookingId=booking))["failure"]["code"] == "FORBIDDEN"
    assert (await run(town, "confirmOffer", player[0], bookingId=booking))["status"] == "COMPLETED"
    assert (await run(town, "confirmOffer", player[0], bookingId=booking))["failure"]["code"] == "CONFLICT"
    await town.settled()
    assert (await notices(town, player[0])).count("Booking confirmed") == 1


@pytest.mark.parametrize(("days", "percent"), [(15, 100), (14, 100), (13, 50), (7, 50), (6, 0), (1, 0)])
async def test_a_client_cancels_a_confirmed_booking(town: Town, days: int, percent: int) -> None:
    """The refund depends on the days before the event; the musician gets the rest, and the time is free."""
    player = await town.musician()
    request, booking = await confirmed(town, player, days=days)
    done = await run(town, "cancelAndRefund", town.host, bookingId=booking, reason="rain")
    assert done["status"] == "COMPLETED"
    refunded = 400 * percent / 100
    assert await paid(town, booking) == (f"{400 - refunded:.2f}", f"{refunded:.2f}")
    after = await state(town, request, booking)
    assert (after["request"], after["booking"], after["slots"], after["unbalanced"]) == (
        "open",
        "cancelled",
        0,
        0,
    )
    await town.settled()
    assert (await notices(town, player[0]))[-1] == "The booking is cancelled"


async def test_a_client_takes_back_an_offer(town: Town) -> None:
    """A pending offer is refunded wholly, however near the event is."""
    player = await town.musician()
    request, booking = await offered(town, player, days=2)
    done = await run(town, "cancelAndRefund", town.host, bookingId=booking, reason="rain")
    assert done["status"] == "COMPLETED"
    assert await state(town, request, booking) == {"request": "open", **CANCELLED}


@pytest.mark.parametrize("answer", ["pending", "confirmed"])
async def test_a_musician_cancels(town: Town, answer: str) -> None:
    """All money goes back, the request is open for others, and the musician may apply again."""
    player, next_one = await town.musician(), await town.musician()
    make = offered if answer == "pending" else confirmed
    request, booking = await make(town, player, days=2)
    done = await run(town, "cancelAndRefund", player[0], bookingId=booking, reason="ill")
    assert done["status"] == "COMPLETED"
    assert await state(town, request, booking) == {"request": "open", **CANCELLED}
    again = await assign(town, request, next_one[1], price=eur("300"))
    assert again["status"] == "COMPLETED"
    await run(town, "cancelAndRefund", town.host, bookingId=booking_of(again), reason="no")
    apply = """mutation($id: ID!) {
      applyToRequest(requestId: $id, input: {proposedPrice: {amount: "450", currency: "EUR"}}) {
        application { status } userErrors { code field message } } }"""
    renewed = await town.client("requests").data(apply, player[0], id=request)
    assert renewed["applyToRequest"]["application"]["status"] == "PENDING"


async def test_nobody_cancels_after_the_start(town: Town) -> None:
    """Paid and then cancelled, or cancelled after the start: refused; so is a stranger's cancellation."""
    player = await town.musician()
    _, booking = await confirmed(town, player, days=3)
    stranger = await run(
        town, "cancelAndRefund", ApiUser.make(town.keys, "client"), bookingId=booking, reason="no"
    )
    assert (stranger["status"], stranger["failure"]["code"]) == ("FAILED", "FORBIDDEN")
    await town.later(days=4)
    for person in (player[0], town.host):
        done = await run(town, "cancelAndRefund", person, bookingId=booking, reason="no")
        assert (done["status"], done["failure"]["code"]) == ("FAILED", "CONFLICT")
    await run(town, "completeEvent", town.host, bookingId=booking)
    done = await run(town, "cancelAndRefund", player[0], bookingId=booking, reason="no")
    assert (done["status"], done["failure"]["code"]) == ("FAILED", "CONFLICT")
    assert await paid(town, booking) == ("400.00", "0.00")


@pytest.mark.parametrize("answer", ["none", "pending", "confirmed"])
async def test_a_client_cancels_a_request(town: Town, answer: str) -> None:
    """Its booking is cancelled by the same saga, and nothing is stranded."""
    player = await town.musician()
    request = await town.applied(player, days=20) if answer == "none" else ""
    booking = ""
    if answer != "none":
        request, booking = await (offered if answer == "pending" else confirmed)(town, player, days=20)
    stranger = await run(
        town, "cancelRequest", ApiUser.make(town.keys, "client"), requestId=request, reason="no"
    )
    assert stranger["failure"]["code"] == "FORBIDDEN"
    done = await run(town, "cancelRequest", town.host, requestId=request, reason="no")
    assert done["status"] == "COMPLETED"
    if booking:
        assert await state(town, request, booking) == {"request": "cancelled", **CANCELLED}
    refused = await assign(town, request, player[1], price=eur("400"))
    assert refused["status"] in ("FAILED", "COMPENSATED")


async def test_a_cancellation_overtakes_the_assignment(town: Town) -> None:
    """A request is cancelled while its assignment has made the booking, but no escrow: the later steps of the
    assignment are refused, and nothing is stranded.
    """
    player = await town.musician()
    request = await town.applied(player, days=20)
    payments = town.services["payments"].database
    gate = await payments.connect()
    await gate.exec_driver_sql("LOCK TABLE escrows IN ACCESS EXCLUSIVE MODE")
    begun = await town.client("orchestration").data(
        """mutation($r: ID!, $m: ID!) {
          assignMusician(requestId: $r, musicianId: $m, idempotencyKey: "overtaken") {
            saga { uuid } userErrors { code field message } } }""",
        town.host,
        r=request,
        m=str(player[1]),
    )
    query = "SELECT id FROM bookings WHERE request_id = :id"
    while not (found := await town.rows("requests", query, id=UUID(request))):
        pass
    booking = str(found[0].id)
    early = await run(town, "confirmOffer", player[0], bookingId=booking)
    assert early["failure"]["code"] == "CONFLICT", "nobody confirms an offer that is still being made"
    ask = """mutation($r: ID!) { cancelRequest(requestId: $r, reason: "no", idempotencyKey: "o") {
      saga { uuid } userErrors { code field message } } }"""
    await town.client("orchestration").data(ask, town.host, r=request)
    called_off = "SELECT 1 FROM bookings WHERE request_id = :id AND status = 'cancelled'"
    while not await town.rows("requests", called_off, id=UUID(request)):
        pass
    await gate.rollback()
    await gate.close()
    await town.settled()
    saga = "query($id: ID!) { saga(id: $id) { status } }"
    begun_id = begun["assignMusician"]["saga"]["uuid"]
    ended = await town.client("orchestration").data(saga, town.host, id=begun_id)
    assert ended["saga"]["status"] in ("COMPENSATED", "COMPLETED")
    after = await state(town, request, booking)
    assert (after["request"], after["booking"], after["slots"]) == ("cancelled", "cancelled", 0)
    assert after["escrow"] in ([], ["refunded"])
    assert await notices(town, player[0]) == []
    held = "SELECT 1 FROM notifications WHERE user_id = :id"
    assert await town.rows("notifications", held, id=player[0].id) == []


@pytest.mark.parametrize(
    ("verdict", "percent", "amounts", "booked"),
    [
        ("RELEASE", None, ("400.00", "0.00"), "completed"),
        ("REFUND", None, ("0.00", "400.00"), "cancelled"),
        ("SPLIT", 30, ("280.00", "120.00"), "completed"),
    ],
)
async def test_an_objection_and_its_decision(
    town: Town, verdict: str, percent: int | None, amounts: tuple[str, str], booked: str
) -> None:
    """An objection stops the timer until an admin decides, with a reason."""
    player = await town.musician()
    _, booking = await confirmed(town, player, days=3)
    before = await run(town, "objectToPayout", town.host, bookingId=booking, reason="no music")
    assert before["failure"]["code"] == "CONFLICT", "before the event a booking is cancelled"
    await town.later(days=4)
    objected = await run(town, "objectToPayout", town.host, bookingId=booking, reason="no music")
    assert objected["status"] == "COMPLETED"
    await town.later(days=4)
    assert await paid(town, booking) == ("0.00", "0.00")
    given: dict[str, Any] = {"bookingId": booking, "verdict": verdict, "reason": "heard both"}
    given |= {} if percent is None else {"refundPercent": percent}
    assert await run(town, "decideObjection", town.host, **given) == "FORBIDDEN"
    assert (await run(town, "decideObjection", town.admin, **given))["status"] == "COMPLETED"
    assert await paid(town, booking) == amounts
    (row,) = await town.rows("requests", "SELECT status FROM bookings WHERE id = :id", id=UUID(booking))
    assert row.status == booked
    await town.settled()
    assert (await notices(town, player[0]))[-2:] == ["An objection to the payout", "The objection is decided"]
    again = await run(town, "decideObjection", town.admin, **given)
    assert (again["status"], again["failure"]["code"]) == ("FAILED", "CONFLICT")


async def test_a_split_needs_a_percentage(town: Town) -> None:
    """And nothing else may have one."""
    given: dict[str, Any] = {"bookingId": str(uuid4()), "reason": "x"}
    assert await run(town, "decideObjection", town.admin, verdict="SPLIT", **given) == "BAD_USER_INPUT"
    for percent in (0, 100, -1):
        wrong: dict[str, Any] = {"verdict": "SPLIT", "refundPercent": percent, **given}
        assert await run(town, "decideObjection", town.admin, **wrong) == "BAD_USER_INPUT"
    wrong = {"verdict": "REFUND", "refundPercent": 50, **given}
    assert await run(town, "decideObjection", town.admin, **wrong) == "BAD_USER_INPUT"


async def test_a_price_that_somebody_has_named(town: Town) -> None:
    """Without an application the client names the price; another price than the application's is refused, and
    so is one outside of the budget without the client's word.
    """
    player = await town.musician()
    request = await town.request(days=25)
    none = await assign(town, request, player[1])
    assert (none["status"], none["failure"]["code"]) == ("COMPENSATED", "BAD_USER_INPUT")
    zero = await assign(town, request, player[1], price=eur("0"))
    assert zero["failure"]["code"] == "BAD_USER_INPUT"
    high = await assign(town, request, player[1], price=eur("501"))
    assert (high["failure"]["code"], "acceptOutsideBudget" in high["failure"]["message"]) == (
        "CONFLICT",
        True,
    )
    agreed = await assign(town, request, player[1], price=eur("501"), acceptOutsideBudget=True)
    assert agreed["status"] == "COMPLETED"
    (escrow,) = await town.rows(
        "payments", "SELECT amount FROM escrows WHERE booking_id = :id", id=UUID(booking_of(agreed))
    )
    assert str(escrow.amount) == "501.00"
    other = await town.musician()
    applied = await town.applied(other, days=26)
    assert (await assign(town, applied, other[1], price=eur("399")))["failure"]["code"] == "CONFLICT"
    assert (await assign(town, applied, other[1], price=eur("400")))["status"] == "COMPLETED"


async def test_a_client_has_few_unanswered_offers(town: Town) -> None:
    """The sixth one is refused."""
    client = ApiUser.make(town.keys, "client")
    host, town.host = town.host, client
    try:
        for number in range(6):
            player = await town.musician()
            request = await town.applied(player, days=30 + number)
            saga = await assign(town, request, player[1])
            assert (saga["status"] == "COMPLETED") is (number < 5)
        assert saga["failure"]["code"] == "CONFLICT"
    finally:
        town.host = host


async def test_an_event_must_last(town: Town) -> None:
    """An event of a minute is no event."""
    wanted = {
        "title": "A band",
        "eventDate": (town.clock.now()).date().replace(year=town.clock.now().year + 1).isoformat(),
        "startTime": "20:00",
        "endTime": "20:01",
        "budgetMin": eur("1"),
        "budgetMax": eur("500"),
        "timeZone": "UTC",
        "location": {"latitude": 52.5, "longitude": 13.4},
    }
    ask = """mutation($input: PublishRequestInput!) { publishRequest(input: $input) {
      request { uuid } userErrors { code field message } } }"""
    assert await town.client("requests").mistakes(ask, town.host, input=wanted) == [
        ("BAD_USER_INPUT", "endTime")
    ]


async def test_each_step_has_a_cause(town: Town) -> None:
    """The events of a booking's sagas follow from each other, and no client's request id joins them."""
    player = await town.musician()
    request, booking = await confirmed(town, player)
    types: dict[UUID, str] = {}
    causes: dict[str, UUID] = {}
    for service in ("requests", "payments", "calendar"):
        query = """SELECT event_type, event_id, causation_id, correlation_id FROM outbox
            WHERE payload->>'booking_id' = :booking OR payload->>'request_id' = :request"""
        for row in await town.rows(service, query, booking=booking, request=request):
            types[row.event_id], causes[row.event_type] = row.event_type, row.causation_id
            assert row.correlation_id.startswith("saga:") or not row.event_type.startswith(OF_SAGAS)
    named = {name: types.get(cause) for name, cause in causes.items()}
    assert (named["EscrowCreated"], named["SlotTaken"]) == ("RequestUpdated", "EscrowCreated")
    assert named["BookingOffered"] == "SlotTaken"
    for forged in ("saga:1", "SAGA:" + str(uuid4()), " saga:x"):
        assert len(correlation_of(forged)) == 32


@pytest.mark.parametrize("key", ["", " ", "k" * 101, "a\0b"])
async def test_an_idempotency_key_is_a_key(town: Town, key: str) -> None:
    """It has 1 to 100 characters; an empty one is refused."""
    query = """mutation($r: ID!, $k: String!) {
      assignMusician(requestId: $r, musicianId: $r, idempotencyKey: $k) {
        saga { uuid } userErrors { code field message } } }"""
    wrong = await town.client("orchestration").mistakes(query, town.host, r=str(uuid4()), k=key)
    assert wrong == [("BAD_USER_INPUT", "idempotencyKey")]


async def test_an_own_request_can_be_used_at_once(town: Town) -> None:
    """assignMusician at once after publishRequest: matching waits for the event."""
    player = await town.musician()
    publish = town.request
    town_request = await publish(days=33)
    saga = await assign(town, town_request, player[1], price=eur("400"))
    assert saga["status"] == "COMPLETED"
