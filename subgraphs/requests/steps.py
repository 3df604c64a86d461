"""What sagas do with requests and bookings.

Assign a musician, confirm a booking, cancel it; and how each is taken back.
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
    pick,
    present,
    put_request,
)
from subgraphs.requests.tables import applications, requests


async def assign(uow: UnitOfWork, given: Given) -> Given:
    """Choose a musician for a client's request: it is assigned, and a booking waits to be confirmed."""
    request = present(await store.lock(uow, requests, UUID(given["requestId"])), "request")
    if str(request.client_id) != given["clientId"]:
        raise Forbidden("This belongs to somebody else")
    model.check_step("request", request.status, "assigned")
    if request.starts_at <= uow.clock.now():
        raise Conflict("The event has begun, so nobody can be booked for it")
    musician_id = UUID(given["musicianId"])
    application = await store.application_of(uow, request.id, musician_id)
    user_id = application.musician_user_id if application else await store.user_of_musician(uow, musician_id)
    if user_id is None:
        raise NotFound("There is no such musician")
    if application is not None and application.status != "pending":
        raise Conflict(f"The application is {application.status}")
    values = {
        "application_id": application.id if application else None,
        "musician_id": musician_id,
        "musician_user_id": user_id,
        "request_id": request.id,
        "price": application.proposed_price if application else request.budget_max,
        **pick(request, "client_id", "starts_at", "ends_at", "time_zone", "currency"),
    }
    booking = await book(uow, values, request)
    if application is not None:
        await store.change(uow, applications, application.id, {"status": "accepted"})
    before = request.status
    request = await change_request(uow, request, {"status": "assigned"})
    return {**_told(booking, request), "before": before}


async def unassign(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """As it was before: the booking falls, the application waits again, and the request looks for
    somebody.
    """
    booking, request = await booking_and_request(uow, UUID(done["bookingId"]))
    await change_booking(uow, booking, request, {"status": "cancelled"}, messages.BookingUndone)
    if booking.application_id is not None:
        await store.change(uow, applications, booking.application_id, {"status": "pending"})
    if request.status == "assigned":
        await put_request(uow, request, {"status": done["before"]})
    return {"bookingId": done["bookingId"]}


async def confirm(uow: UnitOfWork, given: Given) -> Given:
    """The booking holds."""
    booking, request = await booking_and_request(uow, UUID(given["bookingId"]))
    _check_party(booking, given["byUserId"])
    model.check_step("booking", booking.status, "confirmed")
    row = await change_booking(uow, booking, request, {"status": "confirmed"}, messages.BookingConfirmed)
    return _told(row, request)


async def unconfirm(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """The booking waits to be confirmed again."""
    booking, request = await booking_and_request(uow, UUID(given["bookingId"]))
    if booking.status == "confirmed":
        await change_booking(uow, booking, request, {"status": "pending"}, messages.BookingRestored)
    return {"bookingId": given["bookingId"]}


async def cancel(uow: UnitOfWork, given: Given) -> Given:
    """The booking falls, and with it the request."""
    booking, request = await booking_and_request(uow, UUID(given["bookingId"]))
    _check_party(booking, given["byUserId"])
    model.check_step("booking", booking.status, "cancelled")
    row = await handlers.cancel(uow, booking, request, UUID(given["byUserId"]))
    before = {"booking": booking.status, "request": request.status}
    request = await change_request(uow, request, {"status": "cancelled"})
    by = "musician" if given["byUserId"] == str(booking.musician_user_id) else "client"
    now = uow.clock.now().isoformat()
    return {**_told(row, request), "before": before, "cancelledAt": now, "cancelledBy": by}


async def uncancel(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """The booking and the request are as before; a Conflict if somebody else was booked meanwhile."""
    booking, request = await booking_and_request(uow, UUID(given["bookingId"]))
    if await store.active_booking(uow, request.id) is not None:
        raise Conflict("The request has another booking by now")
    before = done["before"]
    await change_booking(uow, booking, request, {"status": before["booking"]}, messages.BookingRestored)
    await put_request(uow, request, {"status": before["request"]})
    return {"bookingId": given["bookingId"]}


def _check_party(booking: Row[Any], user_id: str) -> None:
    if user_id not in (str(booking.client_id), str(booking.musician_user_id)):
        raise Forbidden("This belongs to somebody else")


def _told(booking: Row[Any], request: Row[Any]) -> dict[str, Any]:
    """What the steps after it need to know of a booking, as JSON."""
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
