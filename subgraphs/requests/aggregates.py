"""Requests and bookings as event-sourced aggregates: their states, and the tables with the current states.

Handlers and steps change them only by `REQUESTS` and `BOOKINGS`, which append an event and write the row.
"""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec

from subgraphs.kit.copies import KeyedTable
from subgraphs.kit.event_store.aggregate import Aggregate
from subgraphs.kit.event_store.sourced import EventSourcedTable, merge_changes
from subgraphs.requests.tables import BOOKING_ROWS, REQUEST_ROWS

_NOBODY: Final = UUID(int=0)
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class RequestState(msgspec.Struct, frozen=True):
    """The state of a client's request; the defaults are the state before its first event."""

    client_id: UUID = _NOBODY
    title: str = ""
    description: str = ""
    event_date: date = _NEVER.date()
    start_time: time = time()
    end_time: time = time()
    time_zone: str = "UTC"
    starts_at: datetime = _NEVER
    ends_at: datetime = _NEVER
    budget_min: Decimal = Decimal(0)
    budget_max: Decimal = Decimal(0)
    currency: str = "EUR"
    latitude: float = 0.0
    longitude: float = 0.0
    address: str = ""
    city: str = ""
    country: str = ""
    required_skill_ids: tuple[UUID, ...] = ()
    status: str = "open"
    urgency_level: str = "medium"


class BookingState(msgspec.Struct, frozen=True):
    """The state of a booking; the defaults are the state before its first event."""

    request_id: UUID = _NOBODY
    application_id: UUID | None = None
    client_id: UUID = _NOBODY
    musician_id: UUID = _NOBODY
    musician_user_id: UUID = _NOBODY
    starts_at: datetime = _NEVER
    ends_at: datetime = _NEVER
    time_zone: str = "UTC"
    price: Decimal = Decimal(0)
    currency: str = "EUR"
    status: str = "pending"
    expires_at: datetime | None = None
    is_offered: bool = True
    objection: str = ""


REQUESTS: Final = EventSourcedTable(
    Aggregate(aggregate_type="musician_request", initial=RequestState(), apply=merge_changes),
    REQUEST_ROWS,
)
BOOKINGS: Final = EventSourcedTable(
    Aggregate(aggregate_type="booking", initial=BookingState(), apply=merge_changes), BOOKING_ROWS
)
ORIGINALS: Final = {
    "musician_request": KeyedTable("musician_requests", "id", "request_facts(it)"),
    "booking": KeyedTable("bookings", "id", "booking_facts(it)"),
    "escrow_of_booking": KeyedTable("bookings_in_escrow", "id"),
    "time_of_booking": KeyedTable("bookings_with_time", "id"),
}
"""The tables of which other services have copies, or for whose rows they must have something, by kind of
object, for the consistency check (`kit/copies`).
"""
