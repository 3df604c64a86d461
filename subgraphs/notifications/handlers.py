"""The use cases of the notifications service."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.errors import Forbidden, NotFound
from subgraphs.kit.messages import Command, Envelope
from subgraphs.kit.queue.inbox import EventHandler
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.notifications import messages, model, store
from subgraphs.notifications.drafts import DRAFTS, booking_of


async def mark_read(uow: UnitOfWork, command: messages.MarkRead) -> Row[Any]:
    """Mark a notification of one's own as read."""
    known = (await store.by_ids(uow, [command.notification_id])).get(command.notification_id)
    if known is None:
        raise NotFound("There is no such notification")
    if known.user_id != command.by.user_id:
        raise Forbidden("This belongs to another user")
    row = await store.mark_read(uow, known.id)
    if row is None:
        raise NotFound("There is no such notification")
    return row


async def mark_all_read(uow: UnitOfWork, command: messages.MarkAllRead) -> int:
    """Mark all that one has as read."""
    return await store.mark_all_read(uow, command.by.user_id)


async def update_settings(uow: UnitOfWork, command: messages.UpdateSettings) -> model.DeliverySettings:
    """Change how one wants to be told."""
    return await store.change_settings(uow, command.by.user_id, model.check_changes(command.changes))


async def send_due(uow: UnitOfWork, command: messages.SendDue) -> int:
    """Let go out what has waited long enough: the event and the mark are one transaction."""
    rows = await store.claim_due(uow, command.most)
    for row in rows:
        if row.channels:
            uow.emit(
                messages.NotificationDue(
                    notification_id=row.id,
                    user_id=row.user_id,
                    type=row.type,
                    title=row.title,
                    message=row.message,
                    channels=tuple(row.channels),
                    is_urgent=row.is_urgent,
                )
            )
    return len(rows)


async def notify(uow: UnitOfWork, envelope: Envelope) -> None:
    """Tell whom an event concerns, each in their own way."""
    now = uow.clock.now()
    tellings = list(DRAFTS[envelope.event_type](envelope, now))
    settings = await store.settings_of(uow, [telling.user_id for telling in tellings])
    rows = [model.row_of(telling, settings[telling.user_id], envelope.event_id, now) for telling in tellings]
    if rows:
        await store.add(uow, rows)


async def notify_of_cancellation(uow: UnitOfWork, envelope: Envelope) -> None:
    """Nobody is reminded of what does not take place."""
    await store.delete_reminders(uow, booking_of(envelope))
    await notify(uow, envelope)


COMMAND_HANDLERS: Mapping[type[Command[Any]], CommandHandler] = {
    messages.MarkRead: mark_read,
    messages.MarkAllRead: mark_all_read,
    messages.UpdateSettings: update_settings,
    messages.SendDue: send_due,
}
EVENT_HANDLERS: Mapping[str, EventHandler] = {
    **dict.fromkeys(DRAFTS, notify),
    "BookingCancelled": notify_of_cancellation,
}
