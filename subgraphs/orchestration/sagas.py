"""The definitions of MussikOn's sagas: the life of a booking, from the offer to the payout.

A step calls a hidden mutation of a service. Its arguments are computed from the saga's input and from the
results of earlier steps. Timers, and what follows from a saga, are sagas that its completion starts
(`follow_ups`), so that they are as durable as the saga.

- assignment: a client offers a booking at a price. It is completed: the `offer` begins.
- offer: the musician is notified and may confirm; `expiry` begins when the time to answer is over.
- expiry: an unanswered offer ends, and all money goes back.
- confirmation: the musician confirms; `payout` begins 24 hours after the event's end.
- payout: the booking is completed and the musician paid, unless a party objects (objection, decision).
- cancellation: a party cancels a booking, or a request with its booking; the money is split by policy.
- closure: a closed account's bookings are cancelled.
- notices: sends the notifications that a saga has written; they are held until it has ended.

Example: `assignment` calls validateAvailability, updateStatus, notify, createEscrow and blockAvailability. If
blockAvailability is refused, the steps before it are undone in reverse order.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.saga.definition import FollowUp, RetryPolicy, Saga, Step
from subgraphs.kit.client import ServiceClient, last_event
from subgraphs.orchestration import notices, timers
from subgraphs.orchestration.notices import booking_of
from subgraphs.orchestration.step_calls import PATIENT_RETRY, RETRY, Given, Steps, When
from subgraphs.orchestration.timers import EXPIRY as EXPIRY
from subgraphs.orchestration.timers import NOTICES as NOTICES
from subgraphs.orchestration.timers import PAYOUT as PAYOUT

ASSIGNMENT = "musician_request_assignment"
OFFER = "booking_offer"
CONFIRMATION = "payment_confirmation"
OBJECTION = "booking_objection"
DECISION = "objection_decision"
CANCELLATION = "cancellation_refund"
CLOSURE = "account_closure"

DEADLINE = 600.0  # seconds

BOOKING = "bookingId: ID!"
PARTY = f"{BOOKING}, byUserId: ID!"
MUSICIAN = "requestId: ID!, musicianId: ID!"
ASSIGNED = (
    "requestId: ID!, clientId: ID!, musicianId: ID!, price: Decimal, acceptOutsideBudget: Boolean!,"
    " currency: String"
)
CANCELLED = "bookingId: ID, requestId: ID, byUserId: ID!"
ESCROW = (
    "bookingId: ID!, requestId: ID!, clientId: ID!, musicianId: ID!, musicianUserId: ID!, amount: Decimal!, "
    "currency: String!"
)
SLOT = (
    "bookingId: ID!, musicianId: ID!, musicianUserId: ID!, startsAt: DateTime!, endsAt: DateTime!, "
    "timeZone: String!, title: String!"
)
REFUND = f"{BOOKING}, percent: Int!, reason: String!"


def sagas(client: ServiceClient) -> list[Saga]:
    """Return the definitions of all types of sagas.

    If a definition changes, its earlier versions have to stay in the list while sagas of them may still run.
    """
    steps = Steps(client)
    made = (assignment, offer, expiry, confirmation, payout, objection, decision, cancellation)
    return [*(make(steps) for make in made), closure(steps), send_notices(steps)]


def assignment(steps: Steps) -> Saga:
    """Return the saga by which a client offers a booking to a musician."""
    return Saga(
        ASSIGNMENT,
        (
            steps.step(
                "validate_availability",
                "matching",
                "validateAvailability",
                MUSICIAN,
                of_data(MUSICIAN),
                undone=False,
            ),
            steps.step("update_status", "requests", "updateStatus", ASSIGNED, of_data(ASSIGNED)),
            steps.notification("notify_musician", notices.MUSICIAN, notices.OFFERED),
            steps.step(
                "create_escrow", "payments", "createEscrow", ESCROW, of_booking(ESCROW, amount="price")
            ),
            steps.step("block_availability", "calendar", "blockAvailability", SLOT, of_booking(SLOT)),
        ),
        deadline=DEADLINE,
        follow_ups=_offered,
    )


def _offered(_: Given, results: Given) -> Sequence[FollowUp]:
    booking = str(booking_of(results)["bookingId"])
    data = {"bookingId": booking, "ids": notices.ids_of(results), "cause": last_event(results)}
    return [FollowUp(OFFER, booking, data)]


def offer(steps: Steps) -> Saga:
    """Return the saga that lets the musician confirm an offer, and notifies the musician of it.

    If the booking was cancelled meanwhile, the notification is deleted.
    """

    def send(data: Given, results: Given) -> Given:
        return {"ids": data["ids"], "discard": not results["offer_booking"]["done"]}

    def expire(data: Given, results: Given) -> Sequence[FollowUp]:
        if not results["offer_booking"]["done"]:
            return []
        at = datetime.fromisoformat(results["offer_booking"]["expiresAt"])
        timer = {"bookingId": data["bookingId"], "cause": last_event(results)}
        return [timers.timer(EXPIRY, data["bookingId"], timer, at)]

    return Saga(
        OFFER,
        (
            steps.step(
                "offer_booking",
                "requests",
                "offerBooking",
                BOOKING,
                of_data(BOOKING),
                undone=False,
                retry=PATIENT_RETRY,
            ),
            steps.sending(send),
        ),
        follow_ups=expire,
        forward_only=True,
    )


def expiry(steps: Steps) -> Saga:
    """Return the saga that ends an offer which was not answered in time; else it does nothing."""
    expired = _was_done("expire_booking")
    return Saga(
        EXPIRY,
        (
            steps.step(
                "expire_booking",
                "requests",
                "expireBooking",
                BOOKING,
                of_data(BOOKING),
                retry=PATIENT_RETRY,
            ),
            _free_calendar(steps, of_data(BOOKING), when=expired, retry=PATIENT_RETRY),
            steps.step(
                "refund", "payments", "refundEscrow", REFUND, _refund_all, when=expired, retry=PATIENT_RETRY
            ),
            *_notify_both(
                steps, notices.EXPIRED_CLIENT, notices.EXPIRED_MUSICIAN, expired, retry=PATIENT_RETRY
            ),
        ),
        follow_ups=timers.after_timer(EXPIRY, "expire_booking"),
        after_undo=timers.set_both,
        forward_only=True,
    )


def _refund_all(data: Given, _: Given) -> Given:
    return {"bookingId": data["bookingId"], "percent": 100, "reason": "The offer has expired"}


def confirmation(steps: Steps) -> Saga:
    """Return the saga by which a musician confirms an offer; the payout begins when the time for objections
    is over.
    """

    def pay_later(data: Given, results: Given) -> Sequence[FollowUp]:
        at = datetime.fromisoformat(booking_of(results)["payableAt"])
        cause = last_event(results)
        timer = {"bookingId": data["bookingId"], "byUserId": None, "cause": cause}
        return [
            *timers.send_held(data, results),
            timers.timer(PAYOUT, f"timer:{data['bookingId']}", timer, at),
        ]

    return Saga(
        CONFIRMATION,
        (
            steps.step("confirm_booking", "requests", "settleBooking", PARTY, of_data(PARTY)),
            *_notify_both(steps, notices.CONFIRMED_CLIENT, notices.CONFIRMED_MUSICIAN),
        ),
        deadline=DEADLINE,
        follow_ups=pay_later,
        after_undo=timers.set_both,
    )


def payout(steps: Steps) -> Saga:
    """Return the saga that completes a booking and pays its musician, by the client's word or by the timer.

    The timer does nothing for a booking that is settled, or to which a party objects.
    """
    completed = _was_done("complete_booking")
    inputs = f"{BOOKING}, byUserId: ID"
    return Saga(
        PAYOUT,
        (
            steps.step(
                "complete_booking", "requests", "finishBooking", inputs, of_data(inputs), retry=PATIENT_RETRY
            ),
            _release(steps, when=completed, retry=PATIENT_RETRY),
            *_notify_both(steps, notices.COMPLETED, notices.PAID, completed, retry=PATIENT_RETRY),
        ),
        follow_ups=timers.after_timer(PAYOUT, "complete_booking"),
        after_undo=timers.set_both,
        forward_only=True,
    )


def objection(steps: Steps) -> Saga:
    """Return the saga by which a party objects to a payout, which then waits for an admin's decision."""
    inputs = f"{PARTY}, reason: String!"
    return Saga(
        OBJECTION,
        (
            steps.step("object", "requests", "disputeBooking", inputs, of_data(inputs)),
            *_notify_both(steps, notices.OBJECTED, notices.OBJECTED),
        ),
        deadline=DEADLINE,
        follow_ups=timers.send_held,
        after_undo=timers.set_both,
    )


def decision(steps: Steps) -> Saga:
    """Return the saga by which an admin decides about an objection: release, refund or split the escrow."""
    inputs = f"{BOOKING}, percent: Int!"
    return Saga(
        DECISION,
        (
            steps.step("decide", "requests", "decideBooking", inputs, of_data(inputs)),
            _release(steps, when=lambda data, _: data["percent"] == 0),
            steps.step(
                "refund",
                "payments",
                "refundEscrow",
                REFUND,
                of_data(REFUND),
                when=lambda data, _: data["percent"] > 0,
            ),
            _free_calendar(steps, of_data(BOOKING), when=lambda data, _: data["percent"] == 100),
            *_notify_both(steps, notices.DECIDED, notices.DECIDED),
        ),
        deadline=DEADLINE,
        follow_ups=timers.send_held,
    )


def cancellation(steps: Steps) -> Saga:
    """Return the saga that cancels a booking, or a request with its booking, and splits the escrow.

    The split depends on who cancels and when; the step `cancel_booking` computes it. A musician to whom the
    booking was not offered yet is not notified.
    """

    def booked(_: Given, results: Given) -> bool:
        return bool(results["cancel_booking"]["booked"])

    def offered(_: Given, results: Given) -> bool:
        return booked(_, results) and bool(results["cancel_booking"]["offered"])

    def refund(data: Given, results: Given) -> Given:
        found = results["cancel_booking"]
        return {
            "bookingId": found["bookingId"],
            "percent": found["percent"],
            "reason": data["reason"],
        }

    return Saga(
        CANCELLATION,
        (
            steps.step("cancel_booking", "requests", "callOffBooking", CANCELLED, of_data(CANCELLED)),
            _free_calendar(steps, of_booking(BOOKING), when=booked),
            steps.step("refund", "payments", "refundEscrow", REFUND, refund, when=booked),
            steps.notification("notify_client", notices.CLIENT, notices.CANCELLED, when=booked),
            steps.notification("notify_musician", notices.MUSICIAN, notices.CANCELLED, when=offered),
        ),
        deadline=DEADLINE,
        follow_ups=timers.send_held,
        after_undo=timers.set_both,
    )


def closure(steps: Steps) -> Saga:
    """Return the saga that ends what a closed account has begun."""

    def cancel_all(data: Given, results: Given) -> Sequence[FollowUp]:
        rest = {"byUserId": data["userId"], "reason": "The account is closed"}
        return [
            FollowUp(CANCELLATION, f"closure:{one['bookingId'] or one['requestId']}", {**one, **rest})
            for one in results["end_account"]["toCancel"]
        ]

    user = "userId: ID!"
    ended = steps.step(
        "end_account", "requests", "endAccount", user, of_data(user), undone=False, retry=PATIENT_RETRY
    )
    return Saga(CLOSURE, (ended,), follow_ups=cancel_all, forward_only=True)


def send_notices(steps: Steps) -> Saga:
    """Return the saga that sends notifications which are held."""
    sent = steps.sending(lambda data, _: {"ids": data["ids"], "discard": False})
    return Saga(NOTICES, (sent,), forward_only=True)


def _was_done(step: str) -> Callable[[Given, Given], bool]:
    return lambda _, results: bool(results[step]["done"])


def _free_calendar(steps: Steps, request: Any, when: When, retry: RetryPolicy = RETRY) -> Step:
    return steps.step(
        "free_calendar", "calendar", "releaseAvailability", BOOKING, request, when=when, retry=retry
    )


def _release(steps: Steps, when: When, retry: RetryPolicy = RETRY) -> Step:
    return steps.step(
        "release_escrow", "payments", "releaseEscrow", BOOKING, of_data(BOOKING), when=when, retry=retry
    )


def _notify_both(
    steps: Steps,
    client: notices.Notice,
    musician: notices.Notice,
    when: Any = None,
    retry: RetryPolicy = RETRY,
) -> tuple[Step, Step]:
    return (
        steps.notification("notify_client", notices.CLIENT, client, when=when, retry=retry),
        steps.notification("notify_musician", notices.MUSICIAN, musician, when=when, retry=retry),
    )


def _names(inputs: str) -> list[str]:
    return [part.partition(":")[0].strip() for part in inputs.split(",")]


def of_data(inputs: str) -> Callable[[Given, Given], Mapping[str, Any]]:
    """Return a function that reads the arguments which `inputs` declares from the saga's input."""
    return lambda data, _: {name: data.get(name) for name in _names(inputs)}


def of_booking(inputs: str, **renamed: str) -> Callable[[Given, Given], Mapping[str, Any]]:
    """Return a function that reads the arguments which `inputs` declares from the booking's values.

    `renamed`: by argument, the name of the value if it differs: `amount="price"`.
    """
    return lambda _, results: {name: booking_of(results)[renamed.get(name, name)] for name in _names(inputs)}
