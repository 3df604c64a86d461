"""Orders to the requests service, and what it tells the others."""

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Row

from subgraphs.kit.identity import Identity
from subgraphs.kit.messages import Command, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the event is."""

    latitude: float
    longitude: float
    address: str = ""
    city: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WallTimes:
    """When the event is, by the clock on the wall there; `end_date` is only given to be sure of it."""

    event_date: date
    start_time: time
    end_time: time
    time_zone: str
    end_date: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the client would pay for the whole event."""

    least: Decimal
    most: Decimal
    currency: str = "EUR"


@dataclass(frozen=True, kw_only=True)
class PublishRequest(Command[Row[Any]]):
    """Publish a request; returns its row."""

    by: Identity
    title: str
    description: str
    times: WallTimes
    budget: Budget
    place: Place
    required_skill_ids: tuple[UUID, ...]
    urgency_level: str


@dataclass(frozen=True, kw_only=True)
class UpdateRequest(Command[Row[Any]]):
    """Change a request that nobody is booked for; None leaves a value as it is. Returns its row."""

    by: Identity
    request_id: UUID
    title: str | None = None
    description: str | None = None
    budget_min: Decimal | None = None
    budget_max: Decimal | None = None
    required_skill_ids: tuple[UUID, ...] | None = None
    urgency_level: str | None = None


@dataclass(frozen=True, kw_only=True)
class CancelRequest(Command[Row[Any]]):
    """Withdraw a request, and with it its booking; returns the request's row."""

    by: Identity
    request_id: UUID


@dataclass(frozen=True, kw_only=True)
class ApplyToRequest(Command[Row[Any]]):
    """Apply as the musician that the caller is; returns the application's row."""

    by: Identity
    request_id: UUID
    message: str
    proposed_price: Decimal


@dataclass(frozen=True, kw_only=True)
class AcceptApplication(Command[Row[Any]]):
    """Choose a musician; returns the row of the new booking."""

    by: Identity
    application_id: UUID


@dataclass(frozen=True, kw_only=True)
class RejectApplication(Command[Row[Any]]):
    """Turn a musician down; returns the application's row."""

    by: Identity
    application_id: UUID


@dataclass(frozen=True, kw_only=True)
class WithdrawApplication(Command[Row[Any]]):
    """Take one's own application back; returns its row."""

    by: Identity
    application_id: UUID


@dataclass(frozen=True, kw_only=True)
class ConfirmBooking(Command[Row[Any]]):
    """The musician agrees; returns the booking's row."""

    by: Identity
    booking_id: UUID


@dataclass(frozen=True, kw_only=True)
class CompleteBooking(Command[Row[Any]]):
    """One of the two says that the event took place; returns the booking's row."""

    by: Identity
    booking_id: UUID


@dataclass(frozen=True, kw_only=True)
class CancelBooking(Command[Row[Any]]):
    """One of the two cannot; the request looks for somebody again. Returns the booking's row."""

    by: Identity
    booking_id: UUID


@dataclass(frozen=True, kw_only=True)
class _RequestFacts(Event):
    aggregate_type: ClassVar[str] = "musician_request"
    aggregate_key: ClassVar[str] = "request_id"

    request_id: UUID
    client_id: UUID
    title: str
    status: str
    latitude: float
    longitude: float
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    budget_min: Decimal
    budget_max: Decimal
    currency: str
    urgency_level: str
    skill_ids: tuple[UUID, ...]
    description: str
    event_date: date
    start_time: time
    end_time: time
    address: str
    city: str
    country: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class RequestPublished(_RequestFacts):
    """A client looks for a musician."""


@dataclass(frozen=True, kw_only=True)
class RequestUpdated(_RequestFacts):
    """A request, its status included, is now this."""


@dataclass(frozen=True, kw_only=True)
class RequestCancelled(Event):
    """A client no longer looks for a musician."""

    aggregate_type: ClassVar[str] = "musician_request"
    aggregate_key: ClassVar[str] = "request_id"

    request_id: UUID
    client_id: UUID
    title: str
    urgency_level: str


@dataclass(frozen=True, kw_only=True)
class _ApplicationFacts(Event):
    aggregate_type: ClassVar[str] = "application"
    aggregate_key: ClassVar[str] = "application_id"

    application_id: UUID
    request_id: UUID
    client_id: UUID
    musician_id: UUID
    musician_user_id: UUID
    title: str
    urgency_level: str


@dataclass(frozen=True, kw_only=True)
class ApplicationSubmitted(_ApplicationFacts):
    """A musician would play."""


@dataclass(frozen=True, kw_only=True)
class ApplicationAccepted(_ApplicationFacts):
    """The client has chosen this musician."""

    booking_id: UUID


@dataclass(frozen=True, kw_only=True)
class ApplicationRejected(_ApplicationFacts):
    """The client has turned this musician down."""


@dataclass(frozen=True, kw_only=True)
class ApplicationWithdrawn(_ApplicationFacts):
    """The musician would no longer play."""


@dataclass(frozen=True, kw_only=True)
class _BookingFacts(Event):
    aggregate_type: ClassVar[str] = "booking"
    aggregate_key: ClassVar[str] = "booking_id"

    booking_id: UUID
    request_id: UUID
    client_id: UUID
    musician_id: UUID
    musician_user_id: UUID
    starts_at: datetime
    ends_at: datetime
    price: Decimal
    currency: str
    status: str
    title: str
    urgency_level: str


@dataclass(frozen=True, kw_only=True)
class BookingMade(_BookingFacts):
    """A musician is booked, and has to agree."""


@dataclass(frozen=True, kw_only=True)
class BookingUndone(_BookingFacts):
    """The saga that made it could not go through: as if it had never been."""


@dataclass(frozen=True, kw_only=True)
class BookingRestored(_BookingFacts):
    """It is as it was before its last change: a saga has taken that back."""


@dataclass(frozen=True, kw_only=True)
class BookingConfirmed(_BookingFacts):
    """Both have agreed."""


@dataclass(frozen=True, kw_only=True)
class BookingCompleted(_BookingFacts):
    """The event took place."""


@dataclass(frozen=True, kw_only=True)
class BookingCancelled(_BookingFacts):
    """The musician will not play; `cancelled_by` is the user who said so."""

    cancelled_by: UUID
