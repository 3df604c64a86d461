"""The use cases of the requests service: the handlers of its commands and of the events that it consumes.

Each handler locks the rows that it changes, calls the rules (`model`), writes, and publishes events about the
rows. All handlers raise NotFound for an unknown id, Forbidden for a caller who may not change the object, and
Conflict if its status does not allow the change. `steps` uses the shared functions, too.
"""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar
from uuid import UUID, uuid4

import msgspec

from subgraphs.kit import checks, closed_accounts
from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.commands.log import Reload
from subgraphs.kit.errors import Conflict, Forbidden, NotFound
from subgraphs.kit.identity import Identity
from subgraphs.kit.messages import Command, Envelope, Event
from subgraphs.kit.queue.inbox import EventHandler
from subgraphs.kit.records import RecordTable, values_of
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.requests import messages, model, store
from subgraphs.requests.aggregates import BOOKINGS, REQUESTS
from subgraphs.requests.life import BookingTerms
from subgraphs.requests.records import ApplicationRecord, BookingRecord, RequestRecord
from subgraphs.requests.tables import APPLICATION_ROWS, BOOKING_ROWS, REQUEST_ROWS

Child = TypeVar("Child", ApplicationRecord, BookingRecord)
Found = TypeVar("Found")


async def publish_request(uow: UnitOfWork, command: messages.PublishRequest) -> RequestRecord:
    """Publish a client's request. Raises BadUserInput, and Forbidden for a closed account."""
    await check_open_account(uow, command.by.user_id)
    values = model.published(command, uow.clock.now())
    created = await REQUESTS.create(uow, uuid4(), values, messages.RequestPublished, request_facts)
    return _require(created, "request")


async def update_request(uow: UnitOfWork, command: messages.UpdateRequest) -> RequestRecord:
    """Change a client's request, which must not have a booking. Also raises BadUserInput.

    Publishes RequestMoved as well if musicians have applied for another time or place.
    """
    request = await _own_request(uow, command.by, command.request_id)
    changed = await change_request(uow, request, model.changed(request, command, uow.clock.now()))
    if model.is_moved(request, changed):
        await _notify_applicants(uow, changed)
    return changed


async def _notify_applicants(uow: UnitOfWork, request: RequestRecord) -> None:
    """Publish RequestMoved for the users whose applications are pending, if there are any."""
    applicants = await store.pending_applicants(uow, request.id)
    if applicants:
        names = "client_id title urgency_level starts_at time_zone address city"
        facts = {**values_of(request, *names.split()), "musician_user_ids": tuple(applicants)}
        uow.emit(messages.RequestMoved(request_id=request.id, **facts))


async def apply_to_request(uow: UnitOfWork, command: messages.ApplyToRequest) -> ApplicationRecord:
    """Add an application of the caller, who needs a musician's profile, to a request, or renew one that was
    withdrawn.

    Also raises BadUserInput.
    """
    await check_open_account(uow, command.by.user_id)
    musician_id = await store.musician_of_user(uow, command.by.user_id)
    if musician_id is None:
        raise Forbidden("Only musicians with a profile can apply: create one with createMusicianProfile")
    request = await REQUEST_ROWS.lock(uow, command.request_id, _no_such("request"))
    model.check_accepts_applications(request, command.by.user_id, uow.clock.now())
    with checks.Mistakes() as mistakes:
        message = mistakes.check(model.check_message, command.message)
        price = mistakes.check(
            model.check_price, command.proposed_price, request.currency, named=command.currency
        )
    values = {
        "id": uuid4(),
        "request_id": request.id,
        "musician_id": musician_id,
        "musician_user_id": command.by.user_id,
        "message": message,
        "proposed_price": price,
    }
    application = await APPLICATION_ROWS.insert(uow, values) or await store.renew_application(uow, values)
    if application is None:
        raise Conflict("You have applied to this request before; a musician can apply once")
    uow.emit(messages.ApplicationSubmitted(**application_facts(application, request)))
    if request.status == "open":
        await change_request(uow, request, {"status": "in_progress"})
    return application


async def change_application(uow: UnitOfWork, command: messages.ChangeApplication) -> ApplicationRecord:
    """Change the message or the price of a pending application, as its musician. Also raises BadUserInput."""
    application, request = await _application(uow, command.application_id)
    _check_owner(command.by, application.musician_user_id)
    model.check_pending(application)
    values: dict[str, Any] = {}
    with checks.Mistakes() as mistakes:
        if command.message is not None:
            values["message"] = mistakes.check(model.check_message, command.message)
        if command.proposed_price is not None:
            values["proposed_price"] = mistakes.check(
                model.check_price, command.proposed_price, request.currency, named=command.currency
            )
    changed = await store.change_application(uow, application.id, values)
    uow.emit(messages.ApplicationChanged(**application_facts(changed, request)))
    return changed


async def reject_application(uow: UnitOfWork, command: messages.RejectApplication) -> ApplicationRecord:
    """Reject a pending application, as the client of its request."""
    application, request = await _application(uow, command.application_id)
    _check_owner(command.by, request.client_id)
    return await _close_application(uow, application, request, "rejected")


async def withdraw_application(uow: UnitOfWork, command: messages.WithdrawApplication) -> ApplicationRecord:
    """Withdraw a pending application, as its musician."""
    application, request = await _application(uow, command.application_id)
    _check_owner(command.by, application.musician_user_id)
    return await _close_application(uow, application, request, "withdrawn")


async def _close_application(
    uow: UnitOfWork, application: ApplicationRecord, request: RequestRecord, status: str
) -> ApplicationRecord:
    model.check_closable(application, status)
    closed = await store.set_application_status(uow, application.id, status)
    event = messages.ApplicationRejected if status == "rejected" else messages.ApplicationWithdrawn
    uow.emit(event(**application_facts(closed, request)))
    await reopen_without_applications(uow, request)
    return closed


async def reopen_without_applications(uow: UnitOfWork, request: RequestRecord) -> None:
    """Set the status of a locked request that is in progress to open if no application is pending."""
    if request.status == "in_progress" and await status_without_booking(uow, request.id) == "open":
        await change_request(uow, request, {"status": "open"})


async def status_without_booking(uow: UnitOfWork, request_id: UUID) -> str:
    """Return the status of a request without a booking that accepts applications."""
    return "in_progress" if await store.has_pending_applications(uow, request_id) else "open"


async def _own_request(uow: UnitOfWork, by: Identity, request_id: UUID) -> RequestRecord:
    request = await REQUEST_ROWS.lock(uow, request_id, _no_such("request"))
    _check_owner(by, request.client_id)
    return request


async def _application(uow: UnitOfWork, application_id: UUID) -> tuple[ApplicationRecord, RequestRecord]:
    return await _with_request(uow, APPLICATION_ROWS, application_id, "application")


async def booking_and_request(uow: UnitOfWork, booking_id: UUID) -> tuple[BookingRecord, RequestRecord]:
    """Return a booking and its request, both locked. Raises NotFound."""
    return await _with_request(uow, BOOKING_ROWS, booking_id, "booking")


async def _with_request(
    uow: UnitOfWork, rows: RecordTable[Child], row_id: UUID, what: str
) -> tuple[Child, RequestRecord]:
    """Return a record and its request, both locked. `what`: the kind of object, for the error.

    Every use case locks the request first, so that two of them cannot deadlock.
    """
    known = _require(await rows.get(uow, row_id), what)
    request = await REQUEST_ROWS.lock(uow, known.request_id, _no_such("request"))
    return await rows.lock(uow, row_id, _no_such(what)), request


async def change_request(uow: UnitOfWork, request: RequestRecord, values: Mapping[str, Any]) -> RequestRecord:
    """Change columns of a locked request and publish RequestUpdated; return the new record.

    Raises Conflict if `values` has a status that must not follow the present one.
    """
    if (status := values.get("status")) is not None:
        model.check_transition("request", request.status, status)
    return await change_request_unchecked(uow, request, values)


async def change_request_unchecked(
    uow: UnitOfWork, request: RequestRecord, values: Mapping[str, Any]
) -> RequestRecord:
    """Change columns of a locked request and publish RequestUpdated, without a check of the status."""
    return await REQUESTS.change(uow, request, values, messages.RequestUpdated, request_facts)


async def book(uow: UnitOfWork, terms: BookingTerms, request: RequestRecord) -> BookingRecord:
    """Create a booking for a locked request and publish BookingMade.

    Raises Conflict if the request has a booking that is not cancelled.
    """
    facts = partial(booking_facts, request=request)
    booking = await BOOKINGS.create(uow, uuid4(), asdict(terms), messages.BookingMade, facts)
    if booking is None:
        raise Conflict(f"The request {request.id} has a booking already")
    return booking


async def change_booking(
    uow: UnitOfWork,
    booking: BookingRecord,
    request: RequestRecord,
    values: Mapping[str, Any],
    event: type[Event],
) -> BookingRecord:
    """Change columns of a booking and publish an event of the type `event`; return the new record.

    The caller has locked both records.
    """
    return await BOOKINGS.change(uow, booking, values, event, partial(booking_facts, request=request))


async def cancel(
    uow: UnitOfWork, booking: BookingRecord, request: RequestRecord, by: UUID | None
) -> BookingRecord:
    """Cancel a booking and publish BookingCancelled; `by`: the id of the user who cancels it, if one does.

    The caller has locked both records.
    """

    def facts(cancelled: BookingRecord) -> dict[str, Any]:
        return {**booking_facts(cancelled, request), "cancelled_by": by}

    return await BOOKINGS.change(uow, booking, {"status": "cancelled"}, messages.BookingCancelled, facts)


def _no_such(what: str) -> str:
    return f"There is no {what} with this id"


def _require(found: Found | None, what: str) -> Found:
    """Return the record. Raises NotFound if it is None; `what` names the kind of object."""
    if found is None:
        raise NotFound(_no_such(what))
    return found


def _check_owner(by: Identity, *owners: UUID) -> None:
    if not by.is_owner_or_admin(*owners):
        raise Forbidden("The object belongs to another user: only its owners and admins may change it")


_SHARED_WITH_EVENT = (
    "client_id title status latitude longitude starts_at ends_at time_zone budget_min budget_max currency "
    "urgency_level description event_date start_time end_time address city country created_at"
)


def request_facts(request: RequestRecord) -> dict[str, Any]:
    """Return the fields of RequestPublished and RequestUpdated, by name."""
    facts = values_of(request, *_SHARED_WITH_EVENT.split())
    return {**facts, "request_id": request.id, "skill_ids": tuple(request.required_skill_ids)}


def application_facts(application: ApplicationRecord, request: RequestRecord) -> dict[str, Any]:
    """Return the fields that all events about an application have, by name."""
    own = values_of(application, "request_id", "musician_id", "musician_user_id")
    shared = values_of(request, "client_id", "title", "urgency_level")
    return {**own, "application_id": application.id, **shared}


def booking_facts(booking: BookingRecord, request: RequestRecord) -> dict[str, Any]:
    """Return the fields that all events about a booking have, by name."""
    names = (
        "request_id client_id musician_id musician_user_id starts_at ends_at time_zone price currency status"
        " expires_at"
    )
    return {
        **values_of(booking, *names.split()),
        "booking_id": booking.id,
        **values_of(request, "title", "urgency_level"),
    }


class _MusicianFacts(msgspec.Struct):
    """The fields that this service reads from events about musicians' profiles."""

    musician_id: UUID
    user_id: UUID


async def store_account(uow: UnitOfWork, envelope: Envelope) -> None:
    """Store whether an account is closed (a handler of events): closed accounts book nothing."""
    await closed_accounts.store_account(uow, envelope)


async def check_open_account(uow: UnitOfWork, *users: UUID) -> None:
    """Raise Forbidden if the account of one of these users is closed."""
    if await closed_accounts.has_closed(uow, users):
        raise Forbidden("The account is closed")


async def store_musician(uow: UnitOfWork, envelope: Envelope) -> None:
    """Store which user owns a musician's profile (a handler of events), for applications and access
    rights.
    """
    facts = envelope.read(_MusicianFacts)
    await store.upsert_musician(uow, facts.musician_id, facts.user_id, envelope.position)


COMMAND_HANDLERS: Mapping[type[Command[Any]], CommandHandler] = {
    messages.PublishRequest: publish_request,
    messages.UpdateRequest: update_request,
    messages.ApplyToRequest: apply_to_request,
    messages.ChangeApplication: change_application,
    messages.RejectApplication: reject_application,
    messages.WithdrawApplication: withdraw_application,
}


RESULTS: Mapping[type[Command[Any]], Reload] = {
    **dict.fromkeys((messages.PublishRequest, messages.UpdateRequest), REQUEST_ROWS.get),
    **dict.fromkeys(
        (
            messages.ApplyToRequest,
            messages.ChangeApplication,
            messages.RejectApplication,
            messages.WithdrawApplication,
        ),
        APPLICATION_ROWS.get,
    ),
}
"""By command type, the function that loads the object that an earlier execution of the command returned."""
EVENT_HANDLERS: Mapping[str, EventHandler] = {
    "UserUpdated": store_account,
    "MusicianProfileCreated": store_musician,
    "MusicianProfileUpdated": store_musician,
}
