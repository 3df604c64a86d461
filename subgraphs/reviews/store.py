"""The tables of the reviews service, and its statements. The tables are created in `migrations/`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import insert

from subgraphs.kit.database import Session, among_ids
from subgraphs.kit.pagination import Order, Page
from subgraphs.reviews.model import CompletedBooking, Reputation, ReviewRecord

_metadata = MetaData()

reviews = Table(
    "reviews",
    _metadata,
    Column("id", Uuid, primary_key=True),
    Column("booking_id", Uuid),
    Column("musician_id", Uuid),
    Column("author_id", Uuid),
    Column("rating", SmallInteger),
    Column("text", Text),
    Column("created_at", DateTime(timezone=True)),
)

bookings = Table(
    "completed_bookings",
    _metadata,
    Column("booking_id", Uuid, primary_key=True),
    Column("request_id", Uuid),
    Column("client_id", Uuid),
    Column("musician_id", Uuid),
    Column("musician_user_id", Uuid),
    Column("title", Text),
    Column("ends_at", DateTime(timezone=True)),
    Column("completed_at", DateTime(timezone=True)),
)

ratings = Table(
    "musician_ratings",
    _metadata,
    Column("musician_id", Uuid, primary_key=True),
    Column("rating_sum", BigInteger),
    Column("total_reviews", BigInteger),
)

NEWEST = Order("reviews:newest", reviews.c.created_at, datetime, reviews.c.id, descending=True)


_BY_IDS = select(reviews).where(among_ids(reviews.c.id))
_BY_BOOKINGS = select(reviews).where(among_ids(reviews.c.booking_id))
_REPUTATIONS = select(ratings).where(among_ids(ratings.c.musician_id))
_COUNTS = (
    select(reviews.c.author_id, func.count().label("total"))
    .where(among_ids(reviews.c.author_id))
    .group_by(reviews.c.author_id)
)


async def reviews_by_ids(session: Session, ids: Sequence[UUID]) -> dict[UUID, ReviewRecord]:
    """Return reviews by id, with one statement."""
    rows = await session.fetch_all(_BY_IDS, ids=ids)
    return {row.id: ReviewRecord(**row._asdict()) for row in rows}


async def reviews_by_bookings(session: Session, ids: Sequence[UUID]) -> dict[UUID, ReviewRecord]:
    """Return reviews by booking, with one statement."""
    rows = await session.fetch_all(_BY_BOOKINGS, ids=ids)
    return {row.booking_id: ReviewRecord(**row._asdict()) for row in rows}


async def page_of_reviews(session: Session, page: Page) -> list[ReviewRecord]:
    """Return the reviews of a page, and one more if there is a next page."""
    return [ReviewRecord(**row._asdict()) for row in await session.fetch_all(page.select(select(reviews)))]


async def count_reviews(session: Session) -> int:
    """Return the number of reviews, from the sums per musician, which are fewer rows."""
    return int(await session.fetch_value(select(func.coalesce(func.sum(ratings.c.total_reviews), 0))))


async def pages_of_musicians(
    session: Session, ids: Sequence[UUID], page: Page
) -> dict[UUID, list[ReviewRecord]]:
    """Return the same page of each musician's reviews, by musician, with one statement."""
    rows = await session.fetch_all(page.select_of_each(select(reviews), reviews.c.musician_id, ids))
    return _grouped([ReviewRecord(**row._asdict()) for row in rows], "musician_id")


async def pages_of_authors(
    session: Session, ids: Sequence[UUID], page: Page
) -> dict[UUID, list[ReviewRecord]]:
    """Return the same page of each author's reviews, by author, with one statement."""
    rows = await session.fetch_all(page.select_of_each(select(reviews), reviews.c.author_id, ids))
    return _grouped([ReviewRecord(**row._asdict()) for row in rows], "author_id")


async def reputations(session: Session, ids: Sequence[UUID]) -> dict[UUID, Reputation]:
    """Return sum and number of ratings by musician, with one statement."""
    rows = await session.fetch_all(_REPUTATIONS, ids=ids)
    return {row.musician_id: Reputation(row.rating_sum, row.total_reviews) for row in rows}


async def counts_by_authors(session: Session, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return the number of reviews by author, with one statement."""
    return {row.author_id: row.total for row in await session.fetch_all(_COUNTS, ids=ids)}


async def completed_booking(session: Session, booking_id: UUID) -> CompletedBooking | None:
    """Return the copy of a completed booking, None if there is none."""
    columns = (
        bookings.c.booking_id,
        bookings.c.client_id,
        bookings.c.musician_id,
        bookings.c.musician_user_id,
    )
    row = await session.fetch_one(select(*columns).where(bookings.c.booking_id == booking_id))
    return CompletedBooking(**row._asdict()) if row else None


async def upsert_completed_booking(session: Session, values: Mapping[str, Any]) -> None:
    """Insert a copy of a completed booking; an existing one is not changed, because completion is final."""
    await session.execute(insert(bookings).values(**values).on_conflict_do_nothing())


async def add(session: Session, values: Mapping[str, Any]) -> ReviewRecord | None:
    """Insert a review and return it; None if the booking has one."""
    statement = insert(reviews).values(**values).on_conflict_do_nothing(index_elements=["booking_id"])
    row = await session.fetch_one(statement.returning(*reviews.c))
    return ReviewRecord(**row._asdict()) if row else None


def _grouped(records: Sequence[ReviewRecord], by: str) -> dict[UUID, list[ReviewRecord]]:
    groups: dict[UUID, list[ReviewRecord]] = {}
    for record in records:
        groups.setdefault(getattr(record, by), []).append(record)
    return groups
