"""What the calendar service reads and writes; the tables themselves are in tables.py and migrations/."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, literal, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import TSTZRANGE, Range
from sqlalchemy.exc import IntegrityError

from subgraphs.calendar.model import Span
from subgraphs.calendar.tables import known_musicians, slots
from subgraphs.kit.database import Session, among_ids

MOST = 1000
"""How many slots of one musician are answered at once."""
_HOLDS = slots.c.cancelled_at.is_(None)
_BUSY = (slots.c.kind != "free") & _HOLDS


def range_of(span: Span) -> Range[Any]:
    """A span as the database keeps it."""
    return Range(span.starts_at, span.ends_at, bounds="[)")


def span_of(row: Row[Any]) -> Span:
    """When a slot is."""
    return Span(row.during.lower, row.during.upper)


def _overlaps(span: Span) -> ColumnElement[bool]:
    return slots.c.during.op("&&")(literal(range_of(span), TSTZRANGE))


async def busy_times(session: Session, ids: Sequence[UUID], span: Span) -> Mapping[UUID, list[Span]]:
    """When these musicians are busy within a span, in one statement."""
    columns = select(slots.c.musician_id, slots.c.during).where(
        among_ids(slots.c.musician_id), _BUSY, _overlaps(span)
    )
    rows = await session.fetch_all(columns.order_by(func.lower(slots.c.during)), ids=ids)
    found: dict[UUID, list[Span]] = defaultdict(list)
    for row in rows:
        found[row.musician_id].append(span_of(row))
    return found


async def calendar_of(session: Session, user_id: UUID, span: Span) -> Sequence[Row[Any]]:
    """All that a user has in their calendar as a musician within a span."""
    own = select(slots).where(slots.c.musician_user_id == user_id, _HOLDS, _overlaps(span))
    return await session.fetch_all(own.order_by(func.lower(slots.c.during), slots.c.id).limit(MOST))


async def add_slot(session: Session, values: Mapping[str, Any]) -> Row[Any] | None:
    """Add a slot; None if it overlaps with another that is busy, or its booking has one."""
    added = postgresql.insert(slots).values(**values).on_conflict_do_nothing().returning(slots)
    return await session.fetch_one(added)


async def lock(session: Session, slot_id: UUID) -> Row[Any] | None:
    """A slot that nobody else changes until the transaction ends."""
    return await session.fetch_one(select(slots).where(slots.c.id == slot_id).with_for_update())


async def lock_of_booking(session: Session, booking_id: UUID) -> Row[Any] | None:
    """The slot that a booking holds, locked."""
    held = select(slots).where(slots.c.booking_id == booking_id, _HOLDS)
    return await session.fetch_one(held.with_for_update())


async def own_within(session: Session, musician_id: UUID, span: Span) -> Sequence[Row[Any]]:
    """What a musician has blocked or said to be free and is touched by a span, locked."""
    own = select(slots).where(
        slots.c.musician_id == musician_id, slots.c.kind != "booked", _HOLDS, _overlaps(span)
    )
    return await session.fetch_all(own.order_by(slots.c.id).with_for_update())


async def is_booked(session: Session, musician_id: UUID, span: Span) -> bool:
    """Whether a musician has a booking within a span."""
    booked = select(slots.c.id).where(
        slots.c.musician_id == musician_id, slots.c.kind == "booked", _BUSY, _overlaps(span)
    )
    return await session.fetch_one(booked.limit(1)) is not None


async def cancel(session: Session, ids: Sequence[UUID], by: str) -> None:
    """Have slots hold no longer."""
    chosen = update(slots).where(slots.c.id.in_(ids))
    await session.execute(chosen.values(cancelled_at=func.now(), cancelled_by=by))


async def mark_undone(session: Session, slot_id: UUID) -> None:
    """Have a slot hold no longer, and never again: who made it has taken it back."""
    first = func.coalesce(slots.c.cancelled_at, func.now())
    chosen = update(slots).where(slots.c.id == slot_id)
    await session.execute(chosen.values(cancelled_at=first, cancelled_by="undo"))


async def restore_slot(session: Session, slot_id: UUID) -> bool:
    """Have a slot hold again; False if something else is there by now, which breaks the transaction."""
    chosen = update(slots).where(slots.c.id == slot_id)
    try:
        await session.execute(chosen.values(cancelled_at=None, cancelled_by=None))
    except IntegrityError:
        return False
    return True


async def lock_musician_of(session: Session, user_id: UUID) -> UUID | None:
    """Which musician this user is; whoever changes their own calendar holds this row, one after another."""
    chosen = select(known_musicians.c.musician_id).where(known_musicians.c.user_id == user_id)
    found = await session.fetch_value(chosen.with_for_update())
    return found if found is None else UUID(str(found))


async def upsert_musician(session: Session, musician_id: UUID, user_id: UUID, position: int) -> None:
    """Keep which user a musician is, unless something newer is known."""
    row = {"musician_id": musician_id, "user_id": user_id, "position": position}
    added = postgresql.insert(known_musicians).values(row)
    newer = known_musicians.c.position < added.excluded.position
    changes = {"user_id": added.excluded.user_id, "position": added.excluded.position}
    await session.execute(
        added.on_conflict_do_update(index_elements=["musician_id"], set_=changes, where=newer)
    )
