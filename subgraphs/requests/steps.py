"""The steps of sagas in the requests service: offer a booking, confirm, complete, object, decide, cancel,
expire; and the undo of each step.

`kit/steps` calls them with `given`, the input of the step, and, to undo it, `done`, the result of doing it.
The result of a step that finds nothing to do has `done` False: a timer has found a booking that was settled
before. All other results have the statuses from before the step, and `restore` undoes them.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from subgraphs.kit.closed_accounts import mark_closed
from subgraphs.kit.errors import Conflict, Forbidden, NotFound
from subgraphs.kit.messages import Event
from subgraphs.kit.records import values_of
from subgraphs.kit.steps import Given
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.requests import handlers, life, messages, store
from subgraphs.requests.handlers import (
    book,
    booking_and_request,
    change_booking,
    change_request,
    change_request_unchecked,
)
from subgraphs.requests.records import ApplicationRecord, BookingRecord, RequestRecord
from subgraphs.requests.tables import APPLICATION_ROWS, REQUEST_ROWS

NOTHING_DONE: Given = {"done": False}


async def assign(uow: UnitOfWork, given: Given, *, max_offers: int) -> Given:
    """Offer a client's request to a musician, with a pending booking at a price that both have seen.

    `max_offers`: how many unanswered offers a client may have. Raises NotFound, Forbidden, Conflict,
    BadUserInput.
    """
    request = await _assignable(uow, given)
    musician_id = UUID(given["musicianId"])
    application = await _pending_application(uow, request, musician_id, given["price"])
    user_id = application.musician_user_id if application else await _user_of(uow, musician_id)
    musician = (musician_id, user_id)
    await handlers.check_open_account(uow, request.client_id, musician[1])
    life.check_offers(await store.unanswered_offers(uow, request.client_id), max_offers)
    named = None if given["price"] is None else Decimal(given["price"])
    price = life.price_of(application, named, request.currency, given.get("currency"))
    life.check_within_budget(request, price, given["acceptOutsideBudget"])
    application_id = application.id if application is not None else None
    now = uow.clock.now()
    booking = await book(uow, life.BookingTerms.of(request, musician, price, application_id, now), request)
    if application_id is not None:
        await store.set_application_status(uow, application_id, "accepted")
    before = request.status
    request = await change_request(uow, request, {"status": "assigned"})
    return {**_facts(booking, request), "before": before}


async def _assignable(uow: UnitOfWork, given: Given) -> RequestRecord:
    request = await REQUEST_ROWS.lock(uow, UUID(given["requestId"]), "There is no request with this id")
    if str(request.client_id) != given["clientId"]:
        raise Forbidden("The request belongs to another user: only its client may assign a musician")
    life.check_bookable(request, uow.clock.now())
    return request


async def _pending_application(
    uow: UnitOfWork, request: RequestRecord, musician_id: UUID, price: str | None
) -> ApplicationRecord | None:
    """Return the musician's pending application; None if the client offers a price without one.

    Raises Conflict for an application that is not pending, unless the client names a price.
    """
    application = await store.application_of(uow, request.id, musician_id)
    if application is None or (application.status != "pending" and price is not None):
        return None
    life.check_assignable(application)
    return application


async def _user_of(uow: UnitOfWork, musician_id: UUID) -> UUID:
    user_id = await store.user_of_musician(uow, musician_id)
    if user_id is None:
        raise NotFound(f"There is no musician with the id {musician_id}")
    return user_id


async def unassign(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo `assign`: cancel the booking, and set application and request to their former statuses.

    A booking that was cancelled meanwhile is left alone.
    """
    booking, request = await booking_and_request(uow, UUID(done["bookingId"]))
    if booking.status != "cancelled":
        await change_booking(uow, booking, request, {"status": "cancelled"}, messages.BookingUndone)
        if booking.application_id is not None:
            await store.set_application_status(uow, booking.application_id, "pending")
        if request.status == "assigned":
            await change_request_unchecked(uow, request, {"status": done["before"]})
    return {"bookingId": done["bookingId"]}


async def offer(uow: UnitOfWork, given: Given) -> Given:
    """Let the musician confirm a booking whose price is in escrow and whose time is blocked.

    The result has `expiresAt`; nothing is done for a booking that was cancelled meanwhile.
    """
    booking, request = await booking_and_request(uow, UUID(given["bookingId"]))
    if booking.status != "pending":
        return NOTHING_DONE
    booking = await change_booking(uow, booking, request, {"is_offered": True}, messages.BookingOffered)
    return {**_facts(booking, request), "done": True}


async def confirm(uow: UnitOfWork, given: Given) -> Given:
    """Confirm an offer that has not expired, as its musician. Raises NotFound, Forbidden, Conflict."""
    booking, request = await booking_and_request(uow, UUID(given["bookingId"]))
    life.check_confirmable(booking, UUID(given["byUserId"]), uow.clock.now())
    return await _change(uow, booking, request, {"status": "confirmed"}, messages.BookingConfirmed)


async def complete(uow: UnitOfWork, given: Given) -> Given:
    """Complete a booking after its event: `byUserId` is its client, or None when the time for objections is
    over (else the result has `notBefore`). Raises NotFound, and for a client Forbidden and Conflict.
    """
    booking, request = await booking_and_request(uow, UUID(given["bookingId"]))
    now = uow.clock.now()
    if given["byUserId"] is not None:
        life.check_completable(booking, UUID(given["byUserId"]), now)
    elif (due := life.time_of_payout(booking)) is None or not life.has_come(due, now):
        return _nothing_before(due)
    return await _settle(uow, booking, request, "completed", messages.BookingCompleted)


async def object_to(uow: UnitOfWork, given: Given) -> Given:
    """Object to the payout of a booking, as one of its parties, with a reason. Raises NotFound, Forbidden,
    Conflict.
    """
    booking, request = await booking_and_request(uow, UUID(given["bookingId"]))
    life.check_objectionable(booking, UUID(given["byUserId"]), uow.clock.now())
    values = {"status": "disputed", "objection": given["reason"]}
    by = life.party_of(booking, UUID(given["byUserId"]))
    return {**await _change(uow, booking, request, values, messages.BookingDisputed), "by": by}


async def decide(uow: UnitOfWork, given: Given) -> Given:
    """Settle a booking to which a party objects: it is completed, or cancelled if the client gets
    everything back (`percent` 100). Raises NotFound, Conflict.
    """
    booking, request = await booking_and_request(uow, UUID(given["bookingId"]))
    if booking.status != "disputed":
        raise Conflict(f"Nobody objects to this booking: it is {booking.status}")
    if given["percent"] < 100:
        return await _settle(uow, booking, request, "completed", messages.BookingCompleted)
    return await _settle(uow, booking, request, "cancelled", messages.BookingCancelled)


async def _settle(
    uow: UnitOfWork, booking: BookingRecord, request: RequestRecord, status: str, event: type[Event]
) -> Given:
    result = await _change(uow, booking, request, {"status": status}, event)
    await change_request_unchecked(uow, request, {"status": "completed"})
    return result


async def cancel(uow: UnitOfWork, given: Given) -> Given:
    """Cancel a booking, or a request with its booking (`requestId`), for `byUserId`.

    The result has `booked` (whether there was a booking), `percent` (of the price, refunded to the client),
    `by` ("client" or "musician") and, if booked, the facts of the booking. Raises NotFound, Forbidden,
    Conflict.
    """
    by = UUID(given["byUserId"])
    booking, request = await _to_cancel(uow, given, by)
    close = given["requestId"] is not None
    rejected = await _reject_all(uow, request) if close else []
    before: dict[str, Any] = {"request": request.status, "rejected": [str(one.id) for one in rejected]}
    result: dict[str, Any] = {"done": True, "booked": booking is not None, "percent": 0, "by": "client"}
    if booking is not None:
        result |= await _cancel_booking(uow, booking, request, by)
        before |= result["before"]
    if close:
        changed = await change_request(uow, request, {"status": "cancelled"})
        facts = values_of(changed, "client_id", "title", "urgency_level")
        uow.emit(messages.RequestCancelled(request_id=request.id, **facts))
    else:
        await _reopen(uow, request)
    return {**_request_facts(request), **result, "before": before}


async def _to_cancel(uow: UnitOfWork, given: Given, by: UUID) -> tuple[BookingRecord | None, RequestRecord]:
    if given["requestId"] is None:
        booking, request = await booking_and_request(uow, UUID(given["bookingId"]))
        life.check_party(booking, by)
        return booking, request
    request = await REQUEST_ROWS.lock(uow, UUID(given["requestId"]), "There is no request with this id")
    if request.client_id != by:
        raise Forbidden("The request belongs to another user: only its client may cancel it")
    return await store.active_booking(uow, request.id), request


async def _reject_all(uow: UnitOfWork, request: RequestRecord) -> list[ApplicationRecord]:
    rejected = await store.close_applications(uow, request.id)
    for application in rejected:
        uow.emit(messages.ApplicationRejected(**handlers.application_facts(application, request)))
    return rejected


async def _cancel_booking(
    uow: UnitOfWork, booking: BookingRecord, request: RequestRecord, by: UUID
) -> dict[str, Any]:
    now, party = uow.clock.now(), life.party_of(booking, by)
    life.check_cancellable(booking, now)
    before = await _statuses(uow, booking, request)
    cancelled = await handlers.cancel(uow, booking, request, by)
    if booking.application_id is not None:
        await store.set_application_status(uow, booking.application_id, life.CLOSED_BY[party])
    percent = life.refunded_percent(booking, party, now)
    is_urgent = request.urgency_level == "urgent" or booking.starts_at - now < life.SOON
    about = {"percent": percent, "by": party, "offered": booking.is_offered, "urgent": is_urgent}
    return {**_facts(cancelled, request), **about, "before": before}


async def _reopen(uow: UnitOfWork, request: RequestRecord) -> None:
    """Let a request without a booking accept applications again."""
    status = await handlers.status_without_booking(uow, request.id)
    await change_request_unchecked(uow, request, {"status": status})


async def expire(uow: UnitOfWork, given: Given) -> Given:
    """Cancel an offer that was not answered in time, and reopen its request.

    The result has `notBefore` if the offer can still be answered.
    """
    booking, request = await booking_and_request(uow, UUID(given["bookingId"]))
    end = life.end_of_offer(booking)
    if end is None or not life.has_come(end, uow.clock.now()):
        return _nothing_before(end)
    before = await _statuses(uow, booking, request)
    cancelled = await handlers.cancel(uow, booking, request, None)
    if booking.application_id is not None:
        await store.set_application_status(uow, booking.application_id, "withdrawn")
    await _reopen(uow, request)
    return {**_facts(cancelled, request), "done": True, "before": before}


def _nothing_before(due: datetime | None) -> Given:
    """Return the result of a timer that has done nothing; `due`: when it has to be set again."""
    return NOTHING_DONE if due is None else {"done": False, "notBefore": due.isoformat()}


async def close_account(uow: UnitOfWork, given: Given) -> Given:
    """End what a closed account has begun: withdraw its applications, cancel its requests without a booking.

    Returns what other sagas have to cancel (`toCancel`): its bookings whose event has not started, those of a
    client with their requests.
    """
    user_id = UUID(given["userId"])
    await mark_closed(uow, user_id)
    for application in await store.withdraw_applications(uow, user_id):
        request = await REQUEST_ROWS.lock(uow, application.request_id, "There is no request with this id")
        uow.emit(messages.ApplicationWithdrawn(**handlers.application_facts(application, request)))
        await handlers.reopen_without_applications(uow, request)
    for request_id in await store.open_requests_of(uow, user_id):
        await cancel(uow, {"requestId": str(request_id), "bookingId": None, "byUserId": str(user_id)})
    active = await store.active_bookings_of(uow, user_id, uow.clock.now())
    return {"toCancel": [_cancellation(booking, user_id) for booking in active]}


def _cancellation(booking: BookingRecord, user_id: UUID) -> Given:
    """Return by which id a user's booking is cancelled: the request's for its client."""
    if booking.client_id == user_id:
        return {"requestId": str(booking.request_id), "bookingId": None}
    return {"requestId": None, "bookingId": str(booking.id)}


async def unclose(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Do nothing: what a closed account has begun stays ended."""
    return {}


async def restore(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo a step: set booking, application and request to their former statuses.

    Raises Conflict if the request has a new booking.
    """
    if not done.get("done", True):
        return NOTHING_DONE
    before: Mapping[str, Any] = done["before"]
    if "booking" not in before:
        request = await REQUEST_ROWS.lock(uow, UUID(done["requestId"]), "There is no request with this id")
    else:
        booking, request = await booking_and_request(uow, UUID(done["bookingId"]))
        if booking.status == "cancelled" and await store.active_booking(uow, request.id) is not None:
            raise Conflict("The step cannot be undone: the request has another booking now")
        values = {"status": before["booking"], "objection": before["objection"]}
        await change_booking(uow, booking, request, values, messages.BookingRestored)
        if booking.application_id is not None:
            await store.set_application_status(uow, booking.application_id, before["application"])
    await store.reopen_applications(uow, [UUID(one) for one in before.get("rejected", ())])
    await change_request_unchecked(uow, request, {"status": before["request"]})
    return {"restored": True}


async def _change(
    uow: UnitOfWork,
    booking: BookingRecord,
    request: RequestRecord,
    values: Mapping[str, Any],
    event: type[Event],
) -> Given:
    """Change columns of a booking, publish the event, and return the result of the step."""
    before = await _statuses(uow, booking, request)
    changed = await change_booking(uow, booking, request, values, event)
    return {**_facts(changed, request), "done": True, "before": before}


async def _statuses(uow: UnitOfWork, booking: BookingRecord, request: RequestRecord) -> dict[str, Any]:
    """Return the statuses of a booking, its application and its request, for `restore`."""
    found: dict[str, Any] = {"booking": booking.status, "request": request.status}
    found["objection"] = booking.objection
    if booking.application_id is not None:
        application = await APPLICATION_ROWS.get(uow, booking.application_id)
        found["application"] = application.status if application is not None else "pending"
    return found


def _request_facts(request: RequestRecord) -> dict[str, Any]:
    return {"requestId": str(request.id), "title": request.title, "clientId": str(request.client_id)}


def _facts(booking: BookingRecord, request: RequestRecord) -> dict[str, Any]:
    """Return the values of a booking that later steps of the saga need, as JSON values by name."""
    return {
        **_request_facts(request),
        "bookingId": str(booking.id),
        "musicianId": str(booking.musician_id),
        "musicianUserId": str(booking.musician_user_id),
        "startsAt": booking.starts_at.isoformat(),
        "endsAt": booking.ends_at.isoformat(),
        "payableAt": (booking.ends_at + life.OBJECT_WITHIN).isoformat(),
        "expiresAt": booking.expires_at.isoformat() if booking.expires_at else None,
        "timeZone": booking.time_zone,
        "price": str(booking.price),
        "currency": booking.currency,
        "urgent": request.urgency_level == "urgent",
    }
