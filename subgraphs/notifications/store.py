"""The statements of the notifications service; its tables are in tables.py and migrations/."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Uuid, any_, column, delete, func, literal, select, true, update
from sqlalchemy.dialects import postgresql

from subgraphs.kit.database import Session
from subgraphs.kit.pagination import Order, Page
from subgraphs.notifications.model import DeliverySettings
from subgraphs.notifications.tables import notifications, settings

NEWEST = Order(
    "notifications_newest", notifications.c.appears_at, datetime, notifications.c.id, descending=True
)
_SETTINGS_COLUMNS = [settings.c[item.name] for item in fields(DeliverySettings)]


def _visible(unread_only: bool) -> list[ColumnElement[bool]]:
    """Return the conditions for visible notifications: reminders appear at their time only."""
    arrived = notifications.c.appears_at <= func.now()
    return [arrived, notifications.c.is_read.is_(False)] if unread_only else [arrived]


async def by_ids(session: Session, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Return notifications by id."""
    rows = await session.fetch_all(select(notifications).where(_is_one_of(notifications.c.id, ids)))
    return {row.id: row for row in rows}


async def page_of_each(
    session: Session, users: Sequence[UUID], page: Page, unread_only: bool
) -> Mapping[UUID, list[Row[Any]]]:
    """Return the same page of each user's visible notifications, by user, with one statement."""
    keys = func.unnest(_array(users)).table_valued(column("user_key", Uuid), name="users").render_derived()
    own = select(notifications).where(notifications.c.user_id == keys.c.user_key, *_visible(unread_only))
    rows = page.select(own).lateral("page")
    pages: dict[UUID, list[Row[Any]]] = defaultdict(list)
    for row in await session.fetch_all(select(rows).select_from(keys.join(rows, true()))):
        pages[row.user_id].append(row)
    return pages


async def count_of_each(session: Session, users: Sequence[UUID], unread_only: bool) -> dict[UUID, int]:
    """Return the number of each user's visible notifications, by user, with one statement."""
    owner = notifications.c.user_id
    counted = (
        select(owner, func.count()).where(_is_one_of(owner, users), *_visible(unread_only)).group_by(owner)
    )
    rows: Sequence[Row[Any]] = await session.fetch_all(counted)
    return {UUID(str(key)): int(count) for key, count in map(tuple, rows)}


async def settings_of(session: Session, users: Sequence[UUID]) -> dict[UUID, DeliverySettings]:
    """Return the settings of users, the defaults for those without settings."""
    rows = await session.fetch_all(select(*_SETTINGS_COLUMNS).where(_is_one_of(settings.c.user_id, users)))
    stored = {row.user_id: DeliverySettings(**row._mapping) for row in rows}
    return {user: stored.get(user) or DeliverySettings(user) for user in users}


async def change_settings(session: Session, user_id: UUID, changes: Mapping[str, Any]) -> DeliverySettings:
    """Change some of a user's settings and return all; `notification_types` are merged into the stored
    ones.
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
    rows = await session.fetch_all(statement)
    return DeliverySettings(**rows[0]._mapping)


async def add(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert notifications; an existing one for the same event and user is not changed."""
    statement = postgresql.insert(notifications).values([dict(row) for row in rows]).on_conflict_do_nothing()
    await session.execute(statement)


async def remove_unread(session: Session, notification_id: UUID) -> bool:
    """Delete a notification if it is unread and not sent; return whether it was."""
    unread = (
        (notifications.c.id == notification_id) & ~notifications.c.is_read & notifications.c.sent_at.is_(None)
    )
    return await session.execute(delete(notifications).where(unread)) == 1


async def delete_reminders(session: Session, booking_id: str) -> None:
    """Delete the reminders of a booking that have not appeared."""
    unsent = (notifications.c.type == "reminder") & notifications.c.sent_at.is_(None)
    of_booking = notifications.c.data["booking_id"].astext == booking_id
    await session.execute(
        delete(notifications).where(unsent, of_booking, notifications.c.appears_at > func.now())
    )


async def mark_read(session: Session, notification_id: UUID) -> Row[Any] | None:
    """Mark a notification as read and return it; `read_at` stays the time of the first call. None if it is
    absent.
    """
    first = func.coalesce(notifications.c.read_at, func.now())
    chosen = update(notifications).where(notifications.c.id == notification_id)
    return await session.fetch_one(chosen.values(is_read=True, read_at=first).returning(notifications))


async def mark_all_read(session: Session, user_id: UUID) -> int:
    """Mark a user's visible notifications as read; return how many were unread."""
    chosen = update(notifications).where(notifications.c.user_id == user_id, *_visible(unread_only=True))
    return await session.execute(chosen.values(is_read=True, read_at=func.now()))


async def claim_due(session: Session, most: int) -> Sequence[Row[Any]]:
    """Mark due notifications as sent, at most `most`, and return them; concurrent calls get different
    ones.
    """
    unsent = (notifications.c.deliver_after <= func.now()) & notifications.c.sent_at.is_(None)
    due = select(notifications.c.id).where(unsent).order_by(notifications.c.deliver_after).limit(most)
    chosen = due.with_for_update(skip_locked=True).cte("due")
    claimed = update(notifications).where(notifications.c.id == chosen.c.id).values(sent_at=func.now())
    return await session.fetch_all(claimed.returning(notifications))


def _array(ids: Sequence[UUID]) -> Any:
    return literal(list(ids), postgresql.ARRAY(Uuid))


def _is_one_of(owner: ColumnElement[Any], ids: Sequence[UUID]) -> ColumnElement[bool]:
    return owner == any_(_array(ids))
