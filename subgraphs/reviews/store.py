"""The SQL statements of the reviews service that `RecordTable` does not have; its tables are in `tables`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert

from subgraphs.kit.database import Session, among_ids
from subgraphs.kit.errors import NotFound
from subgraphs.kit.pagination import Order
from subgraphs.kit.records import record, record_or_none
from subgraphs.reviews.model import CompletedBooking, Reputation, ReviewRecord
from subgraphs.reviews.tables import bookings, paid_bookings, ratings, reviews

NEWEST = Order("reviews:newest", reviews.c.created_at, datetime, reviews.c.id, descending=True)
_REPUTATIONS = select(ratings).where(among_ids(ratings.c.musician_id))


async def count_reviews(session: Session) -> int:
    """Return the number of all reviews; it is computed from the numbers per musician, which are
    fewer rows.
    """
    return int(await session.fetch_value(select(func.coalesce(func.sum(ratings.c.total_reviews), 0))))


async def reputations(session: Session, ids: Sequence[UUID]) -> dict[UUID, Reputation]:
    """Return the sum and number of ratings by musician id; musicians without reviews are absent."""
    rows = await session.fetch_all(_REPUTATIONS, ids=ids)
    return {row.musician_id: Reputation(row.rating_sum, row.total_reviews) for row in rows}


async def reviewable_booking(session: Session, booking_id: UUID) -> CompletedBooking | None:
    """Return the copy of a completed booking that was paid out through escrow; None if this service has not
    received the events about that.
    """
    columns = (
        bookings.c.booking_id,
        bookings.c.client_id,
        bookings.c.musician_id,
        bookings.c.musician_user_id,
    )
    paid = select(paid_bookings.c.booking_id).where(
        paid_bookings.c.booking_id == booking_id, paid_bookings.c.is_paid
    )
    completed = select(*columns).where(bookings.c.booking_id == booking_id, paid.exists())
    row = await session.fetch_one(completed)
    return record_or_none(CompletedBooking, row)


async def upsert_completed_booking(session: Session, values: Mapping[str, Any]) -> None:
    """Insert a copy of a completed booking; an existing one is not changed, because completion is final."""
    await session.execute(insert(bookings).values(**values).on_conflict_do_nothing())


async def upsert_payout(session: Session, booking_id: UUID, is_paid: bool, version: int) -> None:
    """Store whether a booking's musician was paid from escrow, unless an event about a higher version of the
    escrow is stored.
    """
    added = insert(paid_bookings).values(booking_id=booking_id, is_paid=is_paid, version=version)
    new = {"is_paid": added.excluded.is_paid, "version": added.excluded.version}
    newer = paid_bookings.c.version < added.excluded.version
    await session.execute(added.on_conflict_do_update(index_elements=["booking_id"], set_=new, where=newer))


async def add(session: Session, values: Mapping[str, Any]) -> ReviewRecord | None:
    """Insert a review and return its record; None if the booking has a review."""
    statement = insert(reviews).values(**values).on_conflict_do_nothing(index_elements=["booking_id"])
    return record_or_none(ReviewRecord, await session.fetch_one(statement.returning(*reviews.c)))


async def edit(session: Session, review_id: UUID, rating: int, text: str) -> ReviewRecord:
    """Replace the rating and the text of a review, and return its new record."""
    statement = update(reviews).where(reviews.c.id == review_id)
    row = await session.fetch_one(
        statement.values(rating=rating, text=text, updated_at=func.now()).returning(*reviews.c)
    )
    if row is None:
        raise NotFound(f"There is no review {review_id}")
    return record(ReviewRecord, row)


@dataclass(frozen=True, slots=True)
class ReviewCriteria:
    """Conditions on the reviews of a list; None: no condition."""

    min_rating: int | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the SQL conditions."""
        return [] if self.min_rating is None else [reviews.c.rating >= self.min_rating]
