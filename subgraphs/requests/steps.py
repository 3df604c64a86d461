"""The steps of sagas in the requests service: assign a musician, confirm a booking, cancel it; and their
undoing.

`given` is the input of a step, `done` the result of doing it.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Row

from subgraphs.kit.errors import Conflict, Forbidden, NotFound
from subgraphs.kit.steps import Given
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.requests import handlers, messages, model, store
from subgraphs.requests.handlers import (
    book,
    booking_and_request,
    change_booking,
    change_request,
    change_request_unchecked,
    columns_of,
    require_row,
)
from subgraphs.requests.tables import applications, requests


async def assign(uow: UnitOfWork, given: Given) -> Given:
    """Assign a musician to a client's request, with a booking that has to be confirmed."""
    request = await _assignable(uow, given)
    musician_id = UUID(given["musicianId"])
    application = await store.application_of(uow, request.id, musician_id)
    user_id = application.musician_user_id if application else await store.user_of_musician(uow, musician_id)
    if user_id is None:
        raise NotFound(f"There is no musician with the id {musician_id}")
    if application is not None and application.status != "pending":
        raise Conflict(f"The musician's application must be pending, it is {application.status}")
    values = {
        "application_id": application.id if application else None,
        "musician_id": musician_id,
        "musician_user_id": user_id,
        "request_id": request.id,
        "price": application.proposed_price if application else request.budget_max,
        **columns_of(request, "client_id", "starts_at", "ends_at", "time_zone", "currency"),
    }
    booking = await book(uow, values, request)
    if application is not None:
        await store.change(uow, applications, application.id, {"status": "accepted"})
    before = request.status
    request = await change_request(uow, request, {"status": "assigned"})
    return {**_facts(booking, request), "before": before}


async def _assignable(uow: UnitOfWork, given: Given) -> Row[Any]:
    request = require_row(await store.lock(uow, requests, UUID(given["requestId"])), "request")
    if str(request.client_id) != given["clientId"]:
        raise Forbidden("This belongs to another user")
    model.check_transition("request", request.status, "assigned")
    if request.starts_at <= uow.clock.now():
        raise Conflict("The event has started, so no musician can be booked for it")
    return request


async def unassign(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo `assign`: cancel the booking, and give application and request their former status."""
    booking, request = await booking_and_request(uow, UUID(done["bookingId"]))
    await change_booking(uow, booking, request, {"status": "cancelled"}, messages.BookingUndone)
    if booking.application_id is not None:
        await store.change(uow, applications, booking.application_id, {"status": "pending"})
    if request.status == "assigned":
        await change_request_unchecked(uow, request, {"status": done["before"]})
    return {"bookingId": done["bookingId"]}


async def confirm(uow: UnitOfWork, given: Given) -> Given:
    """Confirm a booking for its client or musician."""
    booking, request = await booking_and_request(uow, UUID(given["bookingId"]))
    _check_party(booking, given["byUserId"])
    model.check_transition("booking", booking.status, "confirmed")
    row = await change_booking(uow, booking, request, {"status": "confirmed"}, messages.BookingConfirmed)
    return _facts(row, request)


async def unconfirm(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo `confirm`: the booking is pending again."""
    booking, request = await booking_and_request(uow, UUID(given["bookingId"]))
    if booking.status == "confirmed":
        await change_booking(uow, booking, request, {"status": "pending"}, messages.BookingRestored)
    return {"bookingId": given["bookingId"]}


async def cancel(uow: UnitOfWork, given: Given) -> Given:
    """Cancel a booking and its request; the caller must be its client or musician.

    Returns the booking's facts, the statuses before, and who cancelled when.
    """
    booking, request = await booking_and_request(uow, UUID(given["bookingId"]))
    _check_party(booking, given["byUserId"])
    model.check_transition("booking", booking.status, "cancelled")
    row = await handlers.cancel(uow, booking, request, UUID(given["byUserId"]))
    before = {"booking": booking.status, "request": request.status}
    request = await change_request(uow, request, {"status": "cancelled"})
    by = "musician" if given["byUserId"] == str(booking.musician_user_id) else "client"
    now = uow.clock.now().isoformat()
    return {**_facts(row, request), "before": before, "cancelledAt": now, "cancelledBy": by}


async def uncancel(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo `cancel`: booking and request get their former status. Raises Conflict if the request has a new
    booking.
    """
    booking, request = await booking_and_request(uow, UUID(given["bookingId"]))
    if await store.active_booking(uow, request.id) is not None:
        raise Conflict("The cancellation cannot be undone: the request has another booking now")
    before = done["before"]
    await change_booking(uow, booking, request, {"status": before["booking"]}, messages.BookingRestored)
    await change_request_unchecked(uow, request, {"status": before["request"]})
    return {"bookingId": given["bookingId"]}


def _check_party(booking: Row[Any], user_id: str) -> None:
    if user_id not in (str(booking.client_id), str(booking.musician_user_id)):
        raise Forbidden("This belongs to another user")


def _facts(booking: Row[Any], request: Row[Any]) -> dict[str, Any]:
    """Return the facts about a booking that the saga's later steps need, as JSON values."""
    return {
        "bookingId": str(booking.id),
        "requestId": str(request.id),
        "title": request.title,
        "clientId": str(booking.client_id),
        "musicianId": str(booking.musician_id),
        "musicianUserId": str(booking.musician_user_id),
        "startsAt": booking.starts_at.isoformat(),
        "endsAt": booking.ends_at.isoformat(),
        "timeZone": booking.time_zone,
        "price": str(booking.price),
        "currency": booking.currency,
    }
