"""The tables and SQL statements of messages, and of the copies of bookings about which they are."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, Table, Text, Uuid, func, select

from subgraphs.kit.database import Session
from subgraphs.kit.pagination import Order
from subgraphs.kit.records import RecordTable, upsert_newer
from subgraphs.notifications.chat_model import AT_ONCE, BookingCopy, MessageRecord

_METADATA = MetaData()
bookings: Final = Table(
    "known_bookings",
    _METADATA,
    Column("booking_id", Uuid, primary_key=True),
    Column("request_id", Uuid),
    Column("client_id", Uuid),
    Column("musician_user_id", Uuid),
    Column("title", Text),
    Column("status", Text),
    Column("position", BigInteger),
    Column("version", Integer),
)
chat_messages: Final = Table(
    "chat_messages",
    _METADATA,
    Column("id", Uuid, primary_key=True),
    Column("booking_id", Uuid),
    Column("author_id", Uuid),
    Column("text", Text),
    Column("sent_at", DateTime(timezone=True), server_default=func.clock_timestamp()),
)
NEWEST: Final = Order(
    "messages_newest", chat_messages.c.sent_at, datetime, chat_messages.c.id, descending=True
)
BOOKING_ROWS: Final = RecordTable(bookings, BookingCopy)
MESSAGE_ROWS: Final = RecordTable(chat_messages, MessageRecord)


async def copies_of(session: Session, ids: Sequence[UUID]) -> dict[UUID, BookingCopy]:
    """Return the copies of these bookings, by id."""
    return await BOOKING_ROWS.by_ids(session, ids, "booking_id")


async def booking(session: Session, booking_id: UUID) -> BookingCopy | None:
    """Return the copy of a booking, None if this service has received no event about it."""
    return (await copies_of(session, [booking_id])).get(booking_id)


async def lock_booking(session: Session, booking_id: UUID) -> BookingCopy | None:
    """Return the copy of a booking, locked until the transaction ends: its parties write one after the other,
    and not while it is cancelled.
    """
    return await BOOKING_ROWS.lock_first(session, bookings.c.booking_id == booking_id)


async def upsert_booking(session: Session, values: Mapping[str, Any]) -> None:
    """Insert or update the copy of a booking, unless it is from an event with a higher position."""
    await upsert_newer(session, bookings, "booking_id", values)


async def last_times(session: Session, booking_id: UUID, author_id: UUID) -> list[datetime]:
    """Return when a party wrote the last AT_ONCE messages about a booking, the newest first."""
    own = (chat_messages.c.booking_id == booking_id) & (chat_messages.c.author_id == author_id)
    newest = select(chat_messages.c.sent_at).where(own).order_by(chat_messages.c.sent_at.desc())
    return [row.sent_at for row in await session.fetch_all(newest.limit(AT_ONCE))]
