"""The use cases of the requests service. Each locks the rows that it changes, and publishes events about
them.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Row, Table

from subgraphs.kit import checks
from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.commands.log import Reload
from subgraphs.kit.database import Session
from subgraphs.kit.errors import Conflict, Forbidden, NotFound
from subgraphs.kit.identity import Identity
from subgraphs.kit.messages import Command, Envelope, Event
from subgraphs.kit.queue.inbox import EventHandler
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.requests import messages, model, store
from subgraphs.requests.aggregates import BOOKINGS, REQUESTS
from subgraphs.requests.tables import applications, bookings, requests


async def publish_request(uow: UnitOfWork, command: messages.PublishRequest) -> Row[Any]:
    """Publish a client's request. Raises BadUserInput."""
    event = model.time_range_of(command.times, uow.clock.now())
    budget = model.check_budget(command.budget)
    place = msgspec.to_builtins(model.check_place(command.place))
    values = {
        "client_id": command.by.user_id,
        "title": model.check_title(command.title),
        "description": model.check_description(command.description),
        "event_date": command.times.event_date,
        "start_time": command.times.start_time,
        "end_time": command.times.end_time,
        "time_zone": command.times.time_zone,
        "starts_at": event.starts_at,
        "ends_at": event.ends_at,
        "budget_min": budget.least,
        "budget_max": budget.most,
        "currency": budget.currency,
        "required_skill_ids": list(model.check_skills(command.required_skill_ids)),
        "urgency_level": command.urgency_level,
        **place,
    }
    row = await REQUESTS.create(uow, uuid4(), values, messages.RequestPublished, request_facts)
    return require_row(row, "request")


async def update_request(uow: UnitOfWork, command: messages.UpdateRequest) -> Row[Any]:
    """Change a request without a booking. Raises NotFound, Forbidden, Conflict, BadUserInput."""
    row = await _own_request(uow, command.by, command.request_id)
    if row.status not in {"open", "in_progress"}:
        raise Conflict(f"Only an open request or one in progress can be changed, this one is {row.status}")
    least = row.budget_min if command.budget_min is None else command.budget_min
    most = row.budget_max if command.budget_max is None else command.budget_max
    budget = model.check_budget(messages.Budget(least=least, most=most, currency=row.currency))
    values: dict[str, Any] = {"budget_min": budget.least, "budget_max": budget.most}
    if command.title is not None:
        values["title"] = model.check_title(command.title)
    if command.description is not None:
        values["description"] = model.check_description(command.description)
    if command.required_skill_ids is not None:
        values["required_skill_ids"] = list(model.check_skills(command.required_skill_ids))
    if command.urgency_level is not None:
        values["urgency_level"] = command.urgency_level
    return await change_request(uow, row, values)


async def cancel_request(uow: UnitOfWork, command: messages.CancelRequest) -> Row[Any]:
    """Cancel a request with its booking, and reject its applications. Raises NotFound, Forbidden,
    Conflict.
    """
    row = await _own_request(uow, command.by, command.request_id)
    model.check_transition("request", row.status, "cancelled")
    booking = await store.active_booking(uow, row.id)
    if booking is not None:
        await cancel(uow, booking, row, command.by.user_id)
    for application in await store.close_applications(uow, row.id):
        if booking is None or application.musician_id != booking.musician_id:
            uow.emit(messages.ApplicationRejected(**_application_facts(application, row)))
    changed = await change_request(uow, row, {"status": "cancelled"})
    facts = columns_of(changed, "client_id", "title", "urgency_level")
    uow.emit(messages.RequestCancelled(request_id=row.id, **facts))
    return changed


async def apply_to_request(uow: UnitOfWork, command: messages.ApplyToRequest) -> Row[Any]:
    """Apply to a request as the caller's musician. Raises Forbidden, NotFound, BadUserInput, Conflict."""
    musician_id = await store.musician_of_user(uow, command.by.user_id)
    if musician_id is None:
        raise Forbidden("Only musicians with a profile can apply: create one with createMusicianProfile")
    price = model.check_price(command.proposed_price)
    message = checks.optional_text(command.message, "message", 2000, lines=True) or ""
    request = require_row(await store.lock(uow, requests, command.request_id), "request")
    _check_open(request, command.by, uow.clock.now())
    values = {
        "id": uuid4(),
        "request_id": request.id,
        "musician_id": musician_id,
        "musician_user_id": command.by.user_id,
        "message": message,
        "proposed_price": price,
    }
    row = await store.insert_row(uow, applications, values)
    if row is None:
        raise Conflict("You have applied to this request before; a musician can apply once")
    uow.emit(messages.ApplicationSubmitted(**_application_facts(row, request)))
    if request.status == "open":
        await change_request(uow, request, {"status": "in_progress"})
    return row


def _check_open(request: Row[Any], by: Identity, now: datetime) -> None:
    if request.client_id == by.user_id:
        raise Conflict("You cannot apply to your own request")
    if request.status not in {"open", "in_progress"}:
        raise Conflict(f"The request does not accept applications any more: it is {request.status}")
    if request.starts_at <= now:
        raise Conflict("The request does not accept applications any more: the event has started")


async def accept_application(uow: UnitOfWork, command: messages.AcceptApplication) -> Row[Any]:
    """Accept an application: the request becomes assigned, with a booking that the musician has to
    confirm.
    """
    application, request = await _application(uow, command.application_id)
    _check_owner(command.by, request.client_id)
    model.check_transition("application", application.status, "accepted")
    model.check_transition("request", request.status, "assigned")
    if request.starts_at <= uow.clock.now():
        raise Conflict("The event has started, so no musician can be booked for it")
    values = {
        "application_id": application.id,
        "price": application.proposed_price,
        **columns_of(application, "request_id", "musician_id", "musician_user_id"),
        **columns_of(request, "client_id", "starts_at", "ends_at", "time_zone", "currency"),
    }
    booking = await book(uow, values, request)
    chosen = await store.change(uow, applications, application.id, {"status": "accepted"})
    await change_request(uow, request, {"status": "assigned"})
    facts = _application_facts(chosen, request)
    uow.emit(messages.ApplicationAccepted(**facts, booking_id=booking.id))
    return booking


async def reject_application(uow: UnitOfWork, command: messages.RejectApplication) -> Row[Any]:
    """Reject a pending application."""
    application, request = await _application(uow, command.application_id)
    _check_owner(command.by, request.client_id)
    return await _close_application(uow, application, request, "rejected")


async def withdraw_application(uow: UnitOfWork, command: messages.WithdrawApplication) -> Row[Any]:
    """Withdraw a pending application."""
    application, request = await _application(uow, command.application_id)
    _check_owner(command.by, application.musician_user_id)
    return await _close_application(uow, application, request, "withdrawn")


async def _close_application(
    uow: UnitOfWork, application: Row[Any], request: Row[Any], status: str
) -> Row[Any]:
    if application.status == "accepted":
        raise Conflict("The application was accepted and cannot be closed: cancel its booking")
    model.check_transition("application", application.status, status)
    row = await store.change(uow, applications, application.id, {"status": status})
    event = messages.ApplicationRejected if status == "rejected" else messages.ApplicationWithdrawn
    uow.emit(event(**_application_facts(row, request)))
    return row


async def confirm_booking(uow: UnitOfWork, command: messages.ConfirmBooking) -> Row[Any]:
    """Confirm a booking as its musician."""
    booking, request = await booking_and_request(uow, command.booking_id)
    _check_owner(command.by, booking.musician_user_id)
    model.check_transition("booking", booking.status, "confirmed")
    return await change_booking(uow, booking, request, {"status": "confirmed"}, messages.BookingConfirmed)


async def complete_booking(uow: UnitOfWork, command: messages.CompleteBooking) -> Row[Any]:
    """Mark a booking as completed after its event; the client may then rate it."""
    booking, request = await booking_and_request(uow, command.booking_id)
    _check_owner(command.by, booking.client_id, booking.musician_user_id)
    model.check_transition("booking", booking.status, "completed")
    if booking.ends_at > uow.clock.now():
        raise Conflict(
            f"A booking can be completed after its event, which ends at {booking.ends_at:%Y-%m-%d %H:%M} UTC"
        )
    row = await change_booking(uow, booking, request, {"status": "completed"}, messages.BookingCompleted)
    await change_request(uow, request, {"status": "completed"})
    return row


async def cancel_booking(uow: UnitOfWork, command: messages.CancelBooking) -> Row[Any]:
    """Cancel a booking; its application is closed, and the request can be assigned to another applicant."""
    booking, request = await booking_and_request(uow, command.booking_id)
    _check_owner(command.by, booking.client_id, booking.musician_user_id)
    model.check_transition("booking", booking.status, "cancelled")
    row = await cancel(uow, booking, request, command.by.user_id)
    if booking.application_id is not None:
        status = "withdrawn" if command.by.user_id == booking.musician_user_id else "rejected"
        await store.change(uow, applications, booking.application_id, {"status": status})
    await change_request(uow, request, {"status": "in_progress"})
    return row


async def _own_request(uow: UnitOfWork, by: Identity, request_id: UUID) -> Row[Any]:
    row = require_row(await store.lock(uow, requests, request_id), "request")
    _check_owner(by, row.client_id)
    return row


async def _application(uow: UnitOfWork, application_id: UUID) -> tuple[Row[Any], Row[Any]]:
    return await _with_request(uow, applications, application_id, "application")


async def booking_and_request(uow: UnitOfWork, booking_id: UUID) -> tuple[Row[Any], Row[Any]]:
    """Return a booking and its request, both locked. Raises NotFound."""
    return await _with_request(uow, bookings, booking_id, "booking")


async def _with_request(uow: UnitOfWork, table: Table, row_id: UUID, what: str) -> tuple[Row[Any], Row[Any]]:
    """Return a row and its request, both locked. Every use case locks the request first, to avoid
    deadlocks.
    """
    known = require_row((await store.by_ids(uow, table, [row_id])).get(row_id), what)
    request = require_row(await store.lock(uow, requests, known.request_id), "request")
    return require_row(await store.lock(uow, table, row_id), what), request


async def change_request(uow: UnitOfWork, request: Row[Any], values: Mapping[str, Any]) -> Row[Any]:
    """Change a locked request and publish the event. Raises Conflict for a status that must not follow."""
    if (status := values.get("status")) is not None:
        model.check_transition("request", request.status, status)
    return await change_request_unchecked(uow, request, values)


async def change_request_unchecked(uow: UnitOfWork, request: Row[Any], values: Mapping[str, Any]) -> Row[Any]:
    """Change a locked request and publish the event, without a check of the status."""
    return await REQUESTS.change(uow, request, values, messages.RequestUpdated, request_facts)


async def book(uow: UnitOfWork, values: Mapping[str, Any], request: Row[Any]) -> Row[Any]:
    """Create a booking for a locked request and publish the event. Raises Conflict if the request has one."""
    facts = partial(booking_facts, request=request)
    booking = await BOOKINGS.create(uow, uuid4(), values, messages.BookingMade, facts)
    if booking is None:
        raise Conflict(f"The request {request.id} has a booking already")
    return booking


async def change_booking(
    uow: UnitOfWork, booking: Row[Any], request: Row[Any], values: Mapping[str, Any], event: type[Event]
) -> Row[Any]:
    """Change a locked booking, whose request is locked, too, and publish an event of this type."""
    return await BOOKINGS.change(uow, booking, values, event, partial(booking_facts, request=request))


async def cancel(uow: UnitOfWork, booking: Row[Any], request: Row[Any], by: UUID) -> Row[Any]:
    """Cancel a locked booking, whose request is locked, too, and publish the event with the user `by`."""

    def facts(row: Row[Any]) -> dict[str, Any]:
        return {**booking_facts(row, request), "cancelled_by": by}

    return await BOOKINGS.change(uow, booking, {"status": "cancelled"}, messages.BookingCancelled, facts)


def require_row(row: Row[Any] | None, what: str) -> Row[Any]:
    """Return the row. Raises NotFound if it is None; `what` names the kind of object."""
    if row is None:
        raise NotFound(f"There is no {what} with this id")
    return row


def _check_owner(by: Identity, *owners: UUID) -> None:
    if not any(by.is_owner_or_admin(owner) for owner in owners):
        raise Forbidden("This belongs to another user")


def columns_of(row: Row[Any], *names: str) -> dict[str, Any]:
    """Return some columns of a row by name."""
    return {name: getattr(row, name) for name in names}


_SHARED_WITH_EVENT = (
    "client_id title status latitude longitude starts_at ends_at time_zone budget_min budget_max currency urgency_level "
    "description event_date start_time end_time address city country created_at"
)


def request_facts(row: Row[Any]) -> dict[str, Any]:
    """Return the fields of the events about a request."""
    facts = columns_of(row, *_SHARED_WITH_EVENT.split())
    return {**facts, "request_id": row.id, "skill_ids": tuple(row.required_skill_ids)}


def _application_facts(row: Row[Any], request: Row[Any]) -> dict[str, Any]:
    own = columns_of(row, "request_id", "musician_id", "musician_user_id")
    return {**own, "application_id": row.id, **columns_of(request, "client_id", "title", "urgency_level")}


def booking_facts(row: Row[Any], request: Row[Any]) -> dict[str, Any]:
    """Return the fields of the events about a booking."""
    names = "request_id client_id musician_id musician_user_id starts_at ends_at price currency status"
    return {
        **columns_of(row, *names.split()),
        "booking_id": row.id,
        **columns_of(request, "title", "urgency_level"),
    }


class _MusicianFacts(msgspec.Struct):
    """The fields of the musicians' events that this service reads."""

    musician_id: UUID
    user_id: UUID


async def store_musician(uow: UnitOfWork, envelope: Envelope) -> None:
    """Store which user owns a musician's profile, for applications and access rights."""
    facts = envelope.read(_MusicianFacts)
    await store.upsert_musician(uow, facts.musician_id, facts.user_id, envelope.position)


COMMAND_HANDLERS: Mapping[type[Command[Any]], CommandHandler] = {
    messages.PublishRequest: publish_request,
    messages.UpdateRequest: update_request,
    messages.CancelRequest: cancel_request,
    messages.ApplyToRequest: apply_to_request,
    messages.AcceptApplication: accept_application,
    messages.RejectApplication: reject_application,
    messages.WithdrawApplication: withdraw_application,
    messages.ConfirmBooking: confirm_booking,
    messages.CompleteBooking: complete_booking,
    messages.CancelBooking: cancel_booking,
}


def _reload_from(table: Table) -> Reload:
    async def load(session: Session, row_id: UUID) -> Row[Any] | None:
        return (await store.by_ids(session, table, [row_id])).get(row_id)

    return load


RESULTS: Mapping[type[Command[Any]], Reload] = {
    **dict.fromkeys(
        (messages.PublishRequest, messages.UpdateRequest, messages.CancelRequest), _reload_from(requests)
    ),
    **dict.fromkeys(
        (messages.ApplyToRequest, messages.RejectApplication, messages.WithdrawApplication),
        _reload_from(applications),
    ),
    **dict.fromkeys(
        (
            messages.AcceptApplication,
            messages.ConfirmBooking,
            messages.CompleteBooking,
            messages.CancelBooking,
        ),
        _reload_from(bookings),
    ),
}
"""How the result of a command that was executed before is loaded."""
EVENT_HANDLERS: Mapping[str, EventHandler] = {
    "MusicianProfileCreated": store_musician,
    "MusicianProfileUpdated": store_musician,
}
