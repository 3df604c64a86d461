"""The SQL statements of the notifications service that `RecordTable` does not have; its tables are in
`tables`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.dialects import postgresql

from subgraphs.kit.database import Session, among_ids
from subgraphs.kit.pagination import Order
from subgraphs.kit.records import record_or_none, records
from subgraphs.notifications.model import DeliverySettings, NotificationRecord
from subgraphs.notifications.tables import notifications, settings

NEWEST = Order(
    "notifications_newest", notifications.c.appears_at, datetime, notifications.c.id, descending=True
)
_SETTINGS_COLUMNS = [settings.c[item.name] for item in fields(DeliverySettings)]
_SETTINGS = select(*_SETTINGS_COLUMNS).where(among_ids(settings.c.user_id))


def visible(unread_only: bool) -> list[ColumnElement[bool]]:
    """Return the SQL conditions for notifications that users see in their lists.

    Reminders are not visible before their time, and held ones not before the end of their saga.
    `unread_only`: only those that were not read.
    """
    arrived = [notifications.c.appears_at <= func.now(), notifications.c.is_held.is_(False)]
    return [*arrived, notifications.c.is_read.is_(False)] if unread_only else arrived


@dataclass(frozen=True, slots=True)
class NotificationCriteria:
    """Conditions on the notifications of a user's list; `types` (): of all types."""

    unread_only: bool = False
    types: tuple[str, ...] = ()

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the SQL conditions."""
        wanted = [notifications.c.type.in_(self.types)] if self.types else []
        return [*visible(self.unread_only), *wanted]


async def settings_of(session: Session, users: Sequence[UUID]) -> dict[UUID, DeliverySettings]:
    """Return the settings of users, by user id; users without a row have the defaults."""
    found = records(DeliverySettings, await session.fetch_all(_SETTINGS, ids=users))
    stored = {own.user_id: own for own in found}
    return {user: stored.get(user) or DeliverySettings(user) for user in users}


async def change_settings(session: Session, user_id: UUID, changes: Mapping[str, Any]) -> DeliverySettings:
    """Change a user's settings and return all of them; `changes`: the new values by column.

    In `changes`, `notification_types` (True or False by type) may lack types; their stored values stay.
    """
    values = dict(changes)
    types = values.pop("notification_types", {})
    added = postgresql.insert(settings).values(user_id=user_id, notification_types=types, **values)
    merged = settings.c.notification_types.op("||")(added.excluded.notification_types)
    replaced = {name: added.excluded[name] for name in values}
    changed = {**replaced, "notification_types": merged, "updated_at": func.now()}
    statement = added.on_conflict_do_update(index_elements=["user_id"], set_=changed).returning(
        *_SETTINGS_COLUMNS
    )
    return records(DeliverySettings, await session.fetch_all(statement))[0]


async def add(session: Session, rows: Sequence[Mapping[str, Any]]) -> list[NotificationRecord]:
    """Insert notifications, and return those that were inserted; an existing notification for the same event
    and user is not changed.
    """
    added = postgresql.insert(notifications).values([dict(row) for row in rows]).on_conflict_do_nothing()
    return records(NotificationRecord, await session.fetch_all(added.returning(notifications)))


async def remove_held(session: Session, notification_id: UUID) -> bool:
    """Delete a notification if it is held, so that nobody has seen it; return whether it was deleted."""
    unseen = (notifications.c.id == notification_id) & notifications.c.is_held
    return await session.execute(delete(notifications).where(unseen)) == 1


async def held(session: Session, ids: Sequence[UUID]) -> list[NotificationRecord]:
    """Return those of these notifications that are held, locked until the transaction ends."""
    chosen = select(notifications).where(notifications.c.id.in_(ids), notifications.c.is_held)
    return records(NotificationRecord, await session.fetch_all(chosen.with_for_update()))


async def send_held(session: Session, notification_id: UUID, appears_at: datetime, after: datetime) -> None:
    """Let a held notification appear, and be sent after a time."""
    chosen = update(notifications).where(notifications.c.id == notification_id)
    changed = {"is_held": False, "is_announced": True}
    await session.execute(chosen.values(appears_at=appears_at, deliver_after=after, **changed))


async def claim_appeared(session: Session, most: int) -> list[NotificationRecord]:
    """Mark up to `most` notifications whose time has come as announced; return their records.

    Concurrent calls return different notifications.
    """
    waiting = notifications.c.is_announced.is_(False) & notifications.c.is_held.is_(False)
    due = select(notifications.c.id).where(waiting, notifications.c.appears_at <= func.now())
    chosen = due.order_by(notifications.c.appears_at).limit(most).with_for_update(skip_locked=True).cte("due")
    claimed = update(notifications).where(notifications.c.id == chosen.c.id).values(is_announced=True)
    return records(NotificationRecord, await session.fetch_all(claimed.returning(notifications)))


async def has_unread_message(session: Session, user_id: UUID, booking_id: UUID) -> bool:
    """Return whether a user has not read that there are messages about a booking."""
    unread = (notifications.c.user_id == user_id) & notifications.c.is_read.is_(False)
    of_booking = notifications.c.data["booking_id"].astext == str(booking_id)
    found = select(notifications.c.id).where(unread, notifications.c.type == "message", of_booking).limit(1)
    return await session.fetch_one(found) is not None


async def delete_reminders(session: Session, booking_id: str) -> None:
    """Delete the reminders of a booking that are not visible yet."""
    unsent = (notifications.c.type == "reminder") & notifications.c.sent_at.is_(None)
    of_booking = notifications.c.data["booking_id"].astext == booking_id
    await session.execute(
        delete(notifications).where(unsent, of_booking, notifications.c.appears_at > func.now())
    )


async def mark_read(session: Session, notification_id: UUID) -> NotificationRecord | None:
    """Mark a notification as read and return its record; None if it does not exist.

    A later call does not change `read_at`.
    """
    first = func.coalesce(notifications.c.read_at, func.now())
    chosen = update(notifications).where(notifications.c.id == notification_id)
    row = await session.fetch_one(chosen.values(is_read=True, read_at=first).returning(notifications))
    return record_or_none(NotificationRecord, row)


async def mark_all_read(session: Session, user_id: UUID) -> int:
    """Mark a user's visible notifications as read; return how many were unread."""
    chosen = update(notifications).where(notifications.c.user_id == user_id, *visible(unread_only=True))
    return await session.execute(chosen.values(is_read=True, read_at=func.now()))


async def claim_due(session: Session, most: int) -> list[NotificationRecord]:
    """Mark up to `most` notifications whose delivery time has come as sent; return their records.

    Concurrent calls return different notifications.
    """
    waiting = notifications.c.sent_at.is_(None) & notifications.c.is_held.is_(False)
    unsent = (notifications.c.deliver_after <= func.now()) & waiting
    due = select(notifications.c.id).where(unsent).order_by(notifications.c.deliver_after).limit(most)
    chosen = due.with_for_update(skip_locked=True).cte("due")
    claimed = update(notifications).where(notifications.c.id == chosen.c.id).values(sent_at=func.now())
    return records(NotificationRecord, await session.fetch_all(claimed.returning(notifications)))
