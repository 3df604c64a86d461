"""The SQL statements of the calendar service; its tables are in `tables`.

An exclusion constraint of the database refuses overlapping busy (booked or blocked) slots of one musician.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Row, Select, func, literal, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import TSTZRANGE, Range
from sqlalchemy.exc import IntegrityError

from subgraphs.calendar.model import NewSlot, SlotRecord, Span
from subgraphs.calendar.tables import known_musicians, slots
from subgraphs.kit.database import Session, among_ids
from subgraphs.kit.errors import NotFound
from subgraphs.kit.records import upsert_newer

MAX_SLOTS = 1000
"""The greatest number of slots that `calendar_of` returns."""
_ACTIVE = slots.c.cancelled_at.is_(None)
_BUSY = (slots.c.kind != "free") & _ACTIVE


def _range_of(span: Span) -> Range[Any]:
    return Range(span.starts_at, span.ends_at, bounds="[)")


def _span_of(row: Row[Any]) -> Span:
    return Span(row.during.lower, row.during.upper)


def _slots(rows: Iterable[Row[Any]]) -> list[SlotRecord]:
    """Return the records of rows, in which a Span replaces PostgreSQL's range `during`."""
    found: list[SlotRecord] = []
    for row in rows:
        columns = row._asdict()
        del columns["during"]
        found.append(SlotRecord(span=_span_of(row), **columns))
    return found


async def _first(session: Session, statement: Select[Any]) -> SlotRecord | None:
    row = await session.fetch_one(statement)
    return None if row is None else _slots([row])[0]


def _overlaps(span: Span) -> ColumnElement[bool]:
    return slots.c.during.op("&&")(literal(_range_of(span), TSTZRANGE))


async def busy_times(session: Session, ids: Sequence[UUID], span: Span) -> Mapping[UUID, list[Span]]:
    """Return, by musician id, the spans in which musicians are busy and that overlap `span`, in order."""
    columns = select(slots.c.musician_id, slots.c.during).where(
        among_ids(slots.c.musician_id), _BUSY, _overlaps(span)
    )
    rows = await session.fetch_all(columns.order_by(func.lower(slots.c.during)), ids=ids)
    by_musician: dict[UUID, list[Span]] = defaultdict(list)
    for row in rows:
        by_musician[row.musician_id].append(_span_of(row))
    return by_musician


async def calendar_of(
    session: Session, user_id: UUID, span: Span, kind: str | None = None
) -> list[SlotRecord]:
    """Return the active slots that overlap a span in a user's calendar as a musician, in order.

    `kind`: of the slots; None: all.
    """
    own = select(slots).where(slots.c.musician_user_id == user_id, _ACTIVE, _overlaps(span))
    if kind is not None:
        own = own.where(slots.c.kind == kind)
    ordered = own.order_by(func.lower(slots.c.during), slots.c.id).limit(MAX_SLOTS)
    return _slots(await session.fetch_all(ordered))


async def active_slots(session: Session, ids: Sequence[UUID]) -> dict[UUID, SlotRecord]:
    """Return the slots with these ids that are not cancelled, by id."""
    rows = await session.fetch_all(select(slots).where(among_ids(slots.c.id), _ACTIVE), ids=ids)
    return {slot.id: slot for slot in _slots(rows)}


async def slot(session: Session, slot_id: UUID) -> SlotRecord | None:
    """Return the slot with this id, which may be cancelled; None if there is none."""
    return await _first(session, select(slots).where(slots.c.id == slot_id))


async def add_slot(session: Session, new: NewSlot) -> SlotRecord | None:
    """Insert a slot and return it; None if it overlaps a busy slot, or its booking has a slot."""
    added = postgresql.insert(slots).values(
        id=uuid4(),
        musician_id=new.musician_id,
        musician_user_id=new.musician_user_id,
        booking_id=new.booking_id,
        kind=new.kind,
        during=_range_of(new.span),
        time_zone=new.time_zone,
        title=new.title,
    )
    row = await session.fetch_one(added.on_conflict_do_nothing().returning(slots))
    return None if row is None else _slots([row])[0]


async def lock(session: Session, slot_id: UUID) -> SlotRecord:
    """Return a slot, locked until the transaction ends. Raises NotFound."""
    found = await _first(session, select(slots).where(slots.c.id == slot_id).with_for_update())
    if found is None:
        raise NotFound(f"There is no slot with the id {slot_id}")
    return found


async def lock_of_booking(session: Session, booking_id: UUID) -> SlotRecord | None:
    """Return the active slot of a booking, locked until the transaction ends; None if there is none."""
    active = select(slots).where(slots.c.booking_id == booking_id, _ACTIVE)
    return await _first(session, active.with_for_update())


async def own_within(session: Session, musician_id: UUID, span: Span) -> list[SlotRecord]:
    """Return a musician's active slots, blocked or free, that overlap a span, locked until the transaction
    ends.
    """
    own = select(slots).where(
        slots.c.musician_id == musician_id, slots.c.kind != "booked", _ACTIVE, _overlaps(span)
    )
    return _slots(await session.fetch_all(own.order_by(slots.c.id).with_for_update()))


async def is_booked(session: Session, musician_id: UUID, span: Span) -> bool:
    """Return whether a musician has a booking that overlaps a span."""
    booked = select(slots.c.id).where(
        slots.c.musician_id == musician_id, slots.c.kind == "booked", _BUSY, _overlaps(span)
    )
    return await session.fetch_one(booked.limit(1)) is not None


async def cancel(session: Session, ids: Sequence[UUID], by: str) -> None:
    """Cancel slots; `by`: "musician" (replaced by the musician) or "release" (by a saga's step)."""
    chosen = update(slots).where(slots.c.id.in_(ids))
    await session.execute(chosen.values(cancelled_at=func.now(), cancelled_by=by))


async def mark_undone(session: Session, slot_id: UUID) -> None:
    """Cancel a slot because the step that has added it is undone; `cancelled_by` "undo" forbids to restore
    it.
    """
    first = func.coalesce(slots.c.cancelled_at, func.now())
    chosen = update(slots).where(slots.c.id == slot_id)
    await session.execute(chosen.values(cancelled_at=first, cancelled_by="undo"))


async def restore_slot(session: Session, slot_id: UUID) -> bool:
    """Make a cancelled slot active again; return False if it overlaps a busy slot now.

    After False the caller must roll the transaction back.
    """
    chosen = update(slots).where(slots.c.id == slot_id)
    try:
        await session.execute(chosen.values(cancelled_at=None, cancelled_by=None))
    except IntegrityError:
        return False
    return True


async def musician_of(session: Session, user_id: UUID) -> UUID | None:
    """Return the id of a user's musician profile; None if the user has none."""
    chosen = select(known_musicians.c.musician_id).where(known_musicians.c.user_id == user_id)
    musician_id = await session.fetch_value(chosen)
    return musician_id if musician_id is None else UUID(str(musician_id))


async def lock_musician_of(session: Session, user_id: UUID) -> UUID | None:
    """Return the id of a user's musician profile; None if the user has none.

    Its row is locked until the transaction ends, so that changes of one calendar do not run concurrently.
    """
    chosen = select(known_musicians.c.musician_id).where(known_musicians.c.user_id == user_id)
    musician_id = await session.fetch_value(chosen.with_for_update())
    return musician_id if musician_id is None else UUID(str(musician_id))


async def upsert_musician(session: Session, musician_id: UUID, user_id: UUID, position: int) -> None:
    """Store which user a musician is, unless an event with a higher position is stored.

    `position`: the event's position in the outbox of the musicians service.
    """
    row = {"musician_id": musician_id, "user_id": user_id, "position": position}
    await upsert_newer(session, known_musicians, "musician_id", row)
