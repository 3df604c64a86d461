"""The use cases of the notifications service: the handlers of its commands and of the events that it
consumes.
"""

from collections.abc import Mapping
from typing import Any

from subgraphs.kit import mutation_keys
from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.errors import Forbidden, NotFound
from subgraphs.kit.messages import Command, Envelope
from subgraphs.kit.queue.inbox import EventHandler
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.notifications import appearance, delivery_store, messages, model, store
from subgraphs.notifications.chat_handlers import BOOKING_EVENTS, send_message, store_booking
from subgraphs.notifications.delivery_store import DELIVERY_ROWS, DeliveryRecord
from subgraphs.notifications.drafts import DRAFTS
from subgraphs.notifications.tables import NOTIFICATION_ROWS

_Keyed = messages.MarkRead | messages.MarkAllRead | messages.UpdateSettings | messages.SendAgain


async def mark_read(uow: UnitOfWork, command: messages.MarkRead) -> model.NotificationRecord:
    """Mark the caller's notification as read. Raises NotFound, Forbidden."""
    known = await NOTIFICATION_ROWS.get(uow, command.notification_id)
    if known is None:
        raise NotFound(f"There is no notification with the id {command.notification_id}")
    if known.user_id != command.by.user_id:
        raise Forbidden("The notification belongs to another user: only that user may change it")
    await _claim(uow, command, "markNotificationRead", id=known.id)
    read = await store.mark_read(uow, known.id)
    if read is None:
        raise NotFound(f"There is no notification with the id {command.notification_id}")
    return read


async def mark_all_read(uow: UnitOfWork, command: messages.MarkAllRead) -> int:
    """Mark all of the caller's visible notifications as read, once for a key; return how many were unread."""
    if await _claim(uow, command, "markAllNotificationsRead"):
        return 0
    return await store.mark_all_read(uow, command.by.user_id)


async def update_settings(uow: UnitOfWork, command: messages.UpdateSettings) -> model.DeliverySettings:
    """Change the caller's settings for notifications, once for a key."""
    user_id = command.by.user_id
    if await _claim(uow, command, "updateNotificationSettings", **command.changes):
        return (await store.settings_of(uow, [user_id]))[user_id]
    return await store.change_settings(uow, user_id, command.changes)


async def send_due(uow: UnitOfWork, command: messages.SendDue) -> int:
    """Add the deliveries of due notifications, at most `command.most`, and publish NotificationDue for them.

    A notification without a channel is only marked as sent. Reminders whose time has come are published as
    received. Returns how many notifications were due.
    """
    await appearance.publish_appeared(uow, command.most)
    claimed = await store.claim_due(uow, command.most)
    await delivery_store.add_notifications(uow, claimed)
    for due in claimed:
        if due.channels:
            uow.emit(
                messages.NotificationDue(
                    notification_id=due.id,
                    user_id=due.user_id,
                    type=due.type,
                    title=due.title,
                    message=due.message,
                    channels=tuple(due.channels),
                    is_urgent=due.is_urgent,
                )
            )
    return len(claimed)


async def send_again(uow: UnitOfWork, command: messages.SendAgain) -> DeliveryRecord:
    """Send a message that has failed or was skipped, once for a key. Raises NotFound, Conflict."""
    if await _claim(uow, command, "sendAgain", id=command.delivery_id):
        missing = f"There is no delivery with the id {command.delivery_id}"
        return await DELIVERY_ROWS.lock(uow, command.delivery_id, missing)
    return await delivery_store.send_again(uow, command.delivery_id)


async def _claim(uow: UnitOfWork, command: _Keyed, mutation: str, **given: Any) -> bool:
    """Record the use of a command's idempotency key; return whether it is a repetition."""
    by = str(command.by.user_id)
    return await mutation_keys.claim(uow, command.idempotency_key, by, mutation, given)


async def notify(uow: UnitOfWork, envelope: Envelope) -> None:
    """Add the notifications that follow from an event (a handler of events).

    Channels and delivery times follow from the settings of their users.
    """
    now = uow.clock.now()
    drafts = list(DRAFTS[envelope.event_type](envelope, now))
    settings = await store.settings_of(uow, [draft.user_id for draft in drafts])
    rows = [model.row_of(draft, settings[draft.user_id], envelope.event_id, now) for draft in drafts]
    await appearance.add(uow, rows)


async def delete_reminders(uow: UnitOfWork, envelope: Envelope) -> None:
    """Delete the reminders of a booking that is not confirmed any more (a handler of events)."""
    await store.delete_reminders(uow, str(envelope.read(messages.BookingId).booking_id))


async def send_account_mail(uow: UnitOfWork, envelope: Envelope) -> None:
    """Add the delivery of a mail of the users service (a handler of events).

    An event without a user is ignored: somebody has asked for the password of an account that does not exist.
    """
    facts = envelope.read(messages.AccountMailFacts)
    if facts.user_id is not None:
        await delivery_store.add_mail(uow, facts.mail_id, facts.kind, facts.user_id, facts.expires_at)


def both(*handlers: EventHandler) -> EventHandler:
    """Return a handler of events that calls several ones, in their order."""

    async def handle(uow: UnitOfWork, envelope: Envelope) -> None:
        for handler in handlers:
            await handler(uow, envelope)

    return handle


COMMAND_HANDLERS: Mapping[type[Command[Any]], CommandHandler] = {
    messages.MarkRead: mark_read,
    messages.MarkAllRead: mark_all_read,
    messages.UpdateSettings: update_settings,
    messages.SendDue: send_due,
    messages.SendAgain: send_again,
    messages.SendMessage: send_message,
}
EVENT_HANDLERS: Mapping[str, EventHandler] = {
    **dict.fromkeys(BOOKING_EVENTS, store_booking),
    **dict.fromkeys(DRAFTS, notify),
    "AccountMailRequested": send_account_mail,
    "BookingConfirmed": both(store_booking, notify),
    **dict.fromkeys(
        ("BookingCancelled", "BookingUndone", "BookingRestored"), both(store_booking, delete_reminders)
    ),
}
