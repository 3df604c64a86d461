"""The records of the requests service: frozen dataclasses with the columns of its tables.

The functions of `store` and the RecordTables in `tables` return them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """A row of the table `musician_requests`: a client's request."""

    id: UUID
    client_id: UUID
    title: str
    description: str
    event_date: date
    start_time: time
    end_time: time
    time_zone: str
    starts_at: datetime
    ends_at: datetime
    budget_min: Decimal
    budget_max: Decimal
    currency: str
    latitude: float
    longitude: float
    address: str
    city: str
    country: str
    required_skill_ids: Sequence[UUID]
    status: str
    urgency_level: str
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationRecord:
    """A row of the table `applications`: a musician's application to a request."""

    id: UUID
    request_id: UUID
    musician_id: UUID
    musician_user_id: UUID
    message: str
    proposed_price: Decimal
    status: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingRecord:
    """A row of the table `bookings`; `application_id` None: the musician had not applied.

    `expires_at`: until when the musician may confirm it. `is_offered`: false while the saga that makes it has
    not charged the client and blocked the time. `objection`: why a party objects to the payout, "" if none
    does.
    """

    id: UUID
    request_id: UUID
    application_id: UUID | None
    client_id: UUID
    musician_id: UUID
    musician_user_id: UUID
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    price: Decimal
    currency: str
    status: str
    expires_at: datetime | None
    is_offered: bool
    objection: str
    version: int
    created_at: datetime
    updated_at: datetime
