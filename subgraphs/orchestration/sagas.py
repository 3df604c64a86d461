"""MussikOn's sagas. A step is a mutation of a service.

What it is asked follows from the saga's input and from what steps before gave.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from gateway.saga.definition import Action, RetryPolicy, Saga, Step, StepCall
from subgraphs.kit.client import ServiceClient

Given = Mapping[str, Any]
RETRY = RetryPolicy(attempts=6, first=0.2, longest=10.0)
UNDO_RETRY = RetryPolicy(attempts=12, first=0.2, longest=30.0)
ASSIGNMENT, CONFIRMATION, CANCELLATION = (
    "musician_request_assignment",
    "payment_confirmation",
    "cancellation_refund",
)

# How much of the price a client gets back: days before the event, and percent.
POLICY = ((14, 100), (3, 50))


class Steps:
    """Makes steps of services' mutations."""

    def __init__(self, client: ServiceClient) -> None:
        self.client = client

    def step(
        self, name: str, service: str, field: str, inputs: str, request: Any, *, undone: bool = True
    ) -> Step:
        """A step: the mutation `field` of a service, which takes it back, too, unless there is nothing to
        take back.
        """

        async def act(call: StepCall) -> Any:
            return await self.client.step(service, field, call, inputs, call.request)

        action: Action = act
        undo = action if undone else None
        return Step(name, action, undo, request, service, field, 10.0, RETRY, UNDO_RETRY)

    def notice(self, name: str, user: Any, title: str, message: Any) -> Step:
        """A step that tells a user something; `user` and `message` are made of the input and the results."""

        def request(data: Given, results: Given) -> Given:
            return {
                "userId": user(data, results),
                "type": "request_update",
                "title": title,
                "message": message(data, results),
                "data": {"request_id": str(_booking(results).get("requestId", data.get("requestId", "")))},
            }

        inputs = "userId: ID!, type: String!, title: String!, message: String!, data: JSON!"
        return self.step(name, "notifications", "notify", inputs, request)


def _booking(results: Given) -> Given:
    """What a step has told of the booking."""
    for name in ("update_status", "confirm_booking", "cancel_booking"):
        if name in results:
            found: Given = results[name]
            return found
    return {}


def sagas(client: ServiceClient) -> list[Saga]:
    """All of them, in their newest version and in those that may still be under way."""
    steps = Steps(client)
    return [assignment(steps), confirmation(steps), cancellation(steps)]


def assignment(steps: Steps) -> Saga:
    """A client books a musician for a request: five steps, or none."""
    musician = "requestId: ID!, musicianId: ID!"
    return Saga(
        ASSIGNMENT,
        (
            steps.step(
                "validate_availability",
                "matching",
                "validateAvailability",
                musician,
                _of_data(musician),
                undone=False,
            ),
            steps.step("update_status", "requests", "updateStatus", ASSIGNED, _of_data(ASSIGNED)),
            steps.notice(
                "notify_musician",
                lambda _, results: _booking(results)["musicianUserId"],
                "You are booked",
                lambda _, results: f"You have been chosen for “{_booking(results)['title']}”.",
            ),
            steps.step(
                "create_escrow", "payments", "createEscrow", ESCROW, _of_booking(ESCROW, amount="price")
            ),
            steps.step("block_availability", "calendar", "blockAvailability", SLOT, _of_booking(SLOT)),
        ),
        deadline=600.0,
    )


BOOKING = "bookingId: ID!"
PARTY = "bookingId: ID!, byUserId: ID!"
ASSIGNED = "requestId: ID!, clientId: ID!, musicianId: ID!"
ESCROW = (
    "bookingId: ID!, requestId: ID!, clientId: ID!, musicianId: ID!, musicianUserId: ID!, amount: Decimal!, "
    "currency: String!"
)
SLOT = (
    "bookingId: ID!, musicianId: ID!, musicianUserId: ID!, startsAt: DateTime!, endsAt: DateTime!, timeZone: String!, "
    "title: String!"
)


def _names(inputs: str) -> list[str]:
    return [part.partition(":")[0].strip() for part in inputs.split(",")]


def _of_data(inputs: str) -> Callable[[Given, Given], Given]:
    """A request that takes its inputs from the saga's own."""
    return lambda data, _: {name: data[name] for name in _names(inputs)}


def _of_booking(inputs: str, **renamed: str) -> Callable[[Given, Given], Given]:
    """A request that takes its inputs from what an earlier step has told of the booking."""
    return lambda _, results: {name: _booking(results)[renamed.get(name, name)] for name in _names(inputs)}


def confirmation(steps: Steps) -> Saga:
    """The booking is confirmed, and the musician is paid out of the escrow."""
    return Saga(
        CONFIRMATION,
        (
            steps.step("confirm_booking", "requests", "settleBooking", PARTY, _of_data(PARTY)),
            steps.step("release_escrow", "payments", "releaseEscrow", BOOKING, _of_data(BOOKING)),
            *_both(steps, "The booking is confirmed", "is confirmed and paid"),
        ),
        deadline=600.0,
    )


def cancellation(steps: Steps) -> Saga:
    """The booking is called off, the evening is free again, and the client gets back what the policy says."""

    def refund(data: Given, results: Given) -> Given:
        return {
            "bookingId": data["bookingId"],
            "percent": percent_of(_booking(results)),
            "reason": data["reason"],
        }

    return Saga(
        CANCELLATION,
        (
            steps.step("cancel_booking", "requests", "callOffBooking", PARTY, _of_data(PARTY)),
            steps.step("free_calendar", "calendar", "releaseAvailability", BOOKING, _of_data(BOOKING)),
            steps.step(
                "refund", "payments", "refundEscrow", f"{BOOKING}, percent: Int!, reason: String!", refund
            ),
            *_both(steps, "The booking is cancelled", "is cancelled"),
        ),
        deadline=600.0,
    )


def _both(steps: Steps, title: str, what: str) -> tuple[Step, Step]:
    def message(_: Given, results: Given) -> str:
        return f"The booking for “{_booking(results)['title']}” {what}."

    return (
        steps.notice("notify_client", lambda _, results: _booking(results)["clientId"], title, message),
        steps.notice(
            "notify_musician", lambda _, results: _booking(results)["musicianUserId"], title, message
        ),
    )


def percent_of(booking: Given) -> int:
    """How much of the price a client gets back.

    All, when the musician has called it off; otherwise by how early it was.
    """
    if booking.get("cancelledBy") == "musician":
        return 100
    ahead = datetime.fromisoformat(booking["startsAt"]) - datetime.fromisoformat(booking["cancelledAt"])
    return next((percent for days, percent in POLICY if ahead.days >= days), 0)
