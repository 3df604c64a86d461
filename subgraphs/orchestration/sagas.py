"""The definitions of MussikOn's sagas: assignment, confirmation and cancellation of a booking.

A step calls a hidden mutation of a service. Its arguments are computed from the saga's input and from the
results of earlier steps.

Example: `assignment` calls validateAvailability, updateStatus, notify, createEscrow and blockAvailability. If
blockAvailability is refused, the steps before it are undone in reverse order.
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

# The refunds by the time of the cancellation, as pairs: the least number of days before the event, and the
# refunded percentage of the price. Later than the last pair nothing is refunded.
POLICY = ((14, 100), (3, 50))


class Steps:
    """Makes the steps of sagas, which call services' mutations with `client`."""

    def __init__(self, client: ServiceClient) -> None:
        self.client = client

    def step(
        self, name: str, service: str, field: str, inputs: str, request: Any, *, undone: bool = True
    ) -> Step:
        """Return the step `name`, which calls the mutation `field` of a service.

        `inputs` declares the mutation's arguments (`ServiceClient.step`); the function `request` computes
        their values from the saga's input and the results of earlier steps, by step name. `undone` False: the
        step has no effect to undo.
        """

        async def act(call: StepCall) -> Any:
            return await self.client.step(service, field, call, inputs, call.request)

        action: Action = act
        undo = action if undone else None
        return Step(name, action, undo, request, service, field, 10.0, RETRY, UNDO_RETRY)

    def notification(self, name: str, user: Any, title: str, message: Any) -> Step:
        """Return a step that adds a notification.

        The functions `user` and `message` return the user's id and the text; their arguments are the saga's
        input and the results of earlier steps.
        """

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
    """Return the values of the booking from the result of the earlier step that has them; {} if there is
    none.
    """
    for name in ("update_status", "confirm_booking", "cancel_booking"):
        if name in results:
            facts: Given = results[name]
            return facts
    return {}


def sagas(client: ServiceClient) -> list[Saga]:
    """Return the definitions of all types of sagas.

    If a definition changes, its earlier versions have to stay in the list while sagas of them may still run.
    """
    steps = Steps(client)
    return [assignment(steps), confirmation(steps), cancellation(steps)]


def assignment(steps: Steps) -> Saga:
    """Return the definition of the saga by which a client books a musician for a request."""
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
            steps.notification(
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
    "bookingId: ID!, musicianId: ID!, musicianUserId: ID!, startsAt: DateTime!, endsAt: DateTime!, "
    "timeZone: String!, title: String!"
)


def _names(inputs: str) -> list[str]:
    return [part.partition(":")[0].strip() for part in inputs.split(",")]


def _of_data(inputs: str) -> Callable[[Given, Given], Given]:
    """Return a function that reads the arguments which `inputs` declares from the saga's input."""
    return lambda data, _: {name: data[name] for name in _names(inputs)}


def _of_booking(inputs: str, **renamed: str) -> Callable[[Given, Given], Given]:
    """Return a function that reads the arguments which `inputs` declares from the booking's values.

    `renamed`: by argument, the name of the value if it differs: `amount="price"`.
    """
    return lambda _, results: {name: _booking(results)[renamed.get(name, name)] for name in _names(inputs)}


def confirmation(steps: Steps) -> Saga:
    """Return the definition of the saga that confirms a booking and pays its escrow to the musician."""
    return Saga(
        CONFIRMATION,
        (
            steps.step("confirm_booking", "requests", "settleBooking", PARTY, _of_data(PARTY)),
            steps.step("release_escrow", "payments", "releaseEscrow", BOOKING, _of_data(BOOKING)),
            *_notify_both(steps, "The booking is confirmed", "is confirmed and paid"),
        ),
        deadline=600.0,
    )


def cancellation(steps: Steps) -> Saga:
    """Return the definition of the saga that cancels a booking, releases its time and refunds the client.

    The refund depends on who cancels and when (`percent_of`).
    """

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
            *_notify_both(steps, "The booking is cancelled", "is cancelled"),
        ),
        deadline=600.0,
    )


def _notify_both(steps: Steps, title: str, what: str) -> tuple[Step, Step]:
    def message(_: Given, results: Given) -> str:
        return f"The booking for “{_booking(results)['title']}” {what}."

    return (
        steps.notification("notify_client", lambda _, results: _booking(results)["clientId"], title, message),
        steps.notification(
            "notify_musician", lambda _, results: _booking(results)["musicianUserId"], title, message
        ),
    )


def percent_of(booking: Given) -> int:
    """Return the percentage of the price to refund to the client.

    It is 100 if the musician has cancelled, else it depends on the days before the event (POLICY). `booking`:
    the result of the step that cancels it.
    """
    if booking.get("cancelledBy") == "musician":
        return 100
    ahead = datetime.fromisoformat(booking["startsAt"]) - datetime.fromisoformat(booking["cancelledAt"])
    return next((percent for days, percent in POLICY if ahead.days >= days), 0)
