"""The use cases of messages: to send one, and to store copies of the bookings about which they are."""

from collections.abc import Mapping
from typing import Final

from subgraphs.kit import mutation_keys
from subgraphs.kit.errors import NotFound
from subgraphs.kit.messages import Envelope
from subgraphs.kit.records import values_of
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.notifications import appearance, chat_model, chat_store, model, store
from subgraphs.notifications.chat_model import BookingCopy, MessageRecord
from subgraphs.notifications.messages import BookingCopyFacts, MessageSent, SendMessage

BOOKING_EVENTS: Final = (
    *("BookingMade", "BookingOffered", "BookingConfirmed", "BookingDisputed", "BookingCompleted"),
    *("BookingCancelled", "BookingUndone", "BookingRestored", "BookingUpdated"),
)
"""All types of events about bookings; BookingUpdated is that of a change by hand at the database."""


async def send_message(uow: UnitOfWork, command: SendMessage) -> MessageRecord:
    """Write to the other party of a booking, once for a key; return the message's record.

    Raises NotFound, Forbidden, Conflict and RateLimited.
    """
    by, given = command.by.user_id, {"bookingId": command.booking_id, "text": command.text}
    missing = f"There is no message with the id {command.message_id}"
    if await mutation_keys.claim(uow, command.idempotency_key, str(by), "sendMessage", given):
        return await chat_store.MESSAGE_ROWS.lock(uow, command.message_id, missing)
    booking = await chat_store.lock_booking(uow, command.booking_id)
    if booking is None:
        raise NotFound(f"There is no booking with the id {command.booking_id}")
    recipient = chat_model.recipient_of(booking, by)
    chat_model.check_pace(await chat_store.last_times(uow, booking.booking_id, by), uow.clock.now())
    values = {"id": command.message_id, "booking_id": booking.booking_id, "author_id": by}
    sent = await chat_store.MESSAGE_ROWS.insert(uow, {**values, "text": command.text})
    if sent is None:  # a key that was used more than a week ago
        return await chat_store.MESSAGE_ROWS.lock(uow, command.message_id, missing)
    event = MessageSent(
        message_id=sent.id, booking_id=booking.booking_id, author_id=by, recipient_id=recipient
    )
    uow.emit(event)
    await _notify(uow, booking, event)
    return sent


async def _notify(uow: UnitOfWork, booking: BookingCopy, event: MessageSent) -> None:
    """Add a notification for the recipient, unless an earlier one about this booking was not read.

    It does not have the text: e-mail and push messages are seen by others, too.
    """
    user_id = event.recipient_id
    if await store.has_unread_message(uow, user_id, booking.booking_id):
        return
    draft = model.NotificationDraft(
        user_id=user_id,
        kind="message",
        title=f"New message: {booking.title}",
        message="The other party of your booking has written to you.",
        data={name: str(value) for name, value in values_of(booking, "booking_id", "request_id").items()},
    )
    settings = await store.settings_of(uow, [user_id])
    await appearance.add(uow, [model.row_of(draft, settings[user_id], event.event_id, uow.clock.now())])


async def store_booking(uow: UnitOfWork, envelope: Envelope) -> None:
    """Store a copy of the booking in an event of the requests service (a handler of events)."""
    facts = envelope.read(BookingCopyFacts)
    order: Mapping[str, int] = {"position": envelope.position, "version": envelope.version}
    await chat_store.upsert_booking(uow, {**values_of(facts, *facts.__struct_fields__), **order})
