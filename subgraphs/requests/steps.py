"""The steps of sagas in the requests service: assign a musician, confirm a booking, cancel a booking; and
the undo of each step.

`kit/steps` calls them with `given`, the input of the step, and, to undo it, `done`, the result of doing it.
"""

from typing import Any
from uuid import UUID

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
)
from subgraphs.requests.records import BookingRecord, RequestRecord
from subgraphs.requests.tables import REQUEST_ROWS


async def assign(uow: UnitOfWork, given: Given) -> Given:
    """Assign a musician to a client's request, with a pending booking.

    Returns the booking's facts, and `before`, the former status of the request. Raises NotFound, Forbidden,
    Conflict.
    """
    request = await _assignable(uow, given)
    musician_id = UUID(given["musicianId"])
    terms = await _terms(uow, request, musician_id)
    booking = await book(uow, terms, request)
    if terms.application_id is not None:
        await store.set_application_status(uow, terms.application_id, "accepted")
    before = request.status
    request = await change_request(uow, request, {"status": "assigned"})
    return {**_facts(booking, request), "before": before}


async def _assignable(uow: UnitOfWork, given: Given) -> RequestRecord:
    request = await REQUEST_ROWS.lock(uow, UUID(given["requestId"]), "There is no request with this id")
    if str(request.client_id) != given["clientId"]:
        raise Forbidden("The request belongs to another user: only its client may assign a musician")
    model.check_bookable(request, uow.clock.now())
    return request


async def _terms(uow: UnitOfWork, request: RequestRecord, musician_id: UUID) -> model.BookingTerms:
    """Return the terms of a musician's booking, by the musician's application if there is one.

    Raises NotFound for an unknown musician, and Conflict if the application is not pending.
    """
    application = await store.application_of(uow, request.id, musician_id)
    if application is not None:
        model.check_assignable(application)
        return model.BookingTerms.of_applicant(request, application)
    user_id = await store.user_of_musician(uow, musician_id)
    if user_id is None:
        raise NotFound(f"There is no musician with the id {musician_id}")
    return model.BookingTerms.of_musician(request, musician_id, user_id)


async def unassign(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo `assign`: cancel the booking, and set application and request to their former statuses."""
    booking, request = await booking_and_request(uow, UUID(done["bookingId"]))
    await change_booking(uow, booking, request, {"status": "cancelled"}, messages.BookingUndone)
    if booking.application_id is not None:
        await store.set_application_status(uow, booking.application_id, "pending")
    if request.status == "assigned":
        await change_request_unchecked(uow, request, {"status": done["before"]})
    return {"bookingId": done["bookingId"]}


async def confirm(uow: UnitOfWork, given: Given) -> Given:
    """Confirm a pending booking, if `byUserId` is its client or musician; return its facts.

    Raises NotFound, Forbidden, Conflict.
    """
    booking, request = await booking_and_request(uow, UUID(given["bookingId"]))
    model.check_party(booking, UUID(given["byUserId"]))
    model.check_transition("booking", booking.status, "confirmed")
    confirmed = await change_booking(
        uow, booking, request, {"status": "confirmed"}, messages.BookingConfirmed
    )
    return _facts(confirmed, request)


async def unconfirm(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo `confirm`: the booking is pending again."""
    booking, request = await booking_and_request(uow, UUID(given["bookingId"]))
    if booking.status == "confirmed":
        await change_booking(uow, booking, request, {"status": "pending"}, messages.BookingRestored)
    return {"bookingId": given["bookingId"]}


async def cancel(uow: UnitOfWork, given: Given) -> Given:
    """Cancel a booking and its request, if `byUserId` is the booking's client or musician.

    Returns the booking's facts, `before` (the statuses of both before), `cancelledAt`, and `cancelledBy`
    ("client" or "musician"). Raises NotFound, Forbidden, Conflict.
    """
    booking, request = await booking_and_request(uow, UUID(given["bookingId"]))
    model.check_party(booking, UUID(given["byUserId"]))
    model.check_transition("booking", booking.status, "cancelled")
    cancelled = await handlers.cancel(uow, booking, request, UUID(given["byUserId"]))
    before = {"booking": booking.status, "request": request.status}
    request = await change_request(uow, request, {"status": "cancelled"})
    by, now = model.party_of(booking, UUID(given["byUserId"])), uow.clock.now().isoformat()
    return {**_facts(cancelled, request), "before": before, "cancelledAt": now, "cancelledBy": by}


async def uncancel(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo `cancel`: set booking and request to their former statuses.

    Raises Conflict if the request has a new booking.
    """
    booking, request = await booking_and_request(uow, UUID(given["bookingId"]))
    if await store.active_booking(uow, request.id) is not None:
        raise Conflict("The cancellation cannot be undone: the request has another booking now")
    before = done["before"]
    await change_booking(uow, booking, request, {"status": before["booking"]}, messages.BookingRestored)
    await change_request_unchecked(uow, request, {"status": before["request"]})
    return {"bookingId": given["bookingId"]}


def _facts(booking: BookingRecord, request: RequestRecord) -> dict[str, Any]:
    """Return the values of a booking that later steps of the saga need, as JSON values by name."""
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
