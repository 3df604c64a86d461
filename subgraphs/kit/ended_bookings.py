"""Bookings that have ended, as services store them whose steps act for a booking (`payments`, `calendar`).

A booking can be cancelled while the saga that makes it has not reached a service yet. The cancellation then
finds nothing to undo there; it stores that the booking has ended, and the step of the first saga is refused
when it arrives.

Each of the functions locks the booking until the transaction ends, so that one of the two sagas is first. The
service's migrations create the table `ended_bookings`.
"""

from uuid import UUID

from sqlalchemy import Column, MetaData, Table, Uuid, delete, func, select
from sqlalchemy.dialects import postgresql

from subgraphs.kit.database import Session
from subgraphs.kit.errors import Conflict

_ENDED = Table("ended_bookings", MetaData(), Column("booking_id", Uuid, primary_key=True))


async def check_not_ended(session: Session, booking_id: UUID) -> None:
    """Lock a booking. Raises Conflict if it has ended."""
    await _lock(session, booking_id)
    if await session.fetch_one(select(_ENDED).where(_ENDED.c.booking_id == booking_id)) is not None:
        raise Conflict(f"The booking {booking_id} has ended")


async def mark_ended(session: Session, booking_id: UUID) -> None:
    """Lock a booking, and store that it has ended."""
    await _lock(session, booking_id)
    added = postgresql.insert(_ENDED).values(booking_id=booking_id)
    await session.execute(added.on_conflict_do_nothing())


async def unmark_ended(session: Session, booking_id: UUID) -> None:
    """Lock a booking, and forget that it has ended: the step that has ended it is undone."""
    await _lock(session, booking_id)
    await session.execute(delete(_ENDED).where(_ENDED.c.booking_id == booking_id))


async def _lock(session: Session, booking_id: UUID) -> None:
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"booking:{booking_id}"))))
