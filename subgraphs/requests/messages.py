"""Commands and events of the requests service.

`inputs` and `schema` make commands; `handlers` and `steps` publish events. The fields of an event are the
object's values after the change.
"""

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from subgraphs.kit.identity import Identity
from subgraphs.kit.messages import Command, Event
from subgraphs.requests.records import ApplicationRecord, RequestRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The place of an event."""

    latitude: float
    longitude: float
    address: str = ""
    city: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WallTimes:
    """The local times of an event in its time zone.

    `end_date` None: the end is on `event_date`, or on the next day if `end_time` is not after `start_time`.
    """

    event_date: date
    start_time: time
    end_time: time
    time_zone: str
    end_date: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeChanges:
    """Changes of the local times of an event; None: the value is not changed."""

    event_date: date | None = None
    start_time: time | None = None
    end_time: time | None = None
    time_zone: str | None = None
    end_date: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The lowest and highest price for the whole event that the client would pay."""

    least: Decimal
    most: Decimal
    currency: str = "EUR"


@dataclass(frozen=True, kw_only=True)
class PublishRequest(Command[RequestRecord]):
    """Publish a request; returns its record."""

    by: Identity
    title: str
    description: str
    times: WallTimes
    budget: Budget
    place: Place
    required_skill_ids: tuple[UUID, ...]
    urgency_level: str


@dataclass(frozen=True, kw_only=True)
class UpdateRequest(Command[RequestRecord]):
    """Change a request without a booking; None: the value is not changed. Returns its record.

    `currency`: that of the new budget; `expected_version`: refuse the change if the request has another one.
    """

    by: Identity
    request_id: UUID
    title: str | None = None
    description: str | None = None
    budget_min: Decimal | None = None
    budget_max: Decimal | None = None
    currency: str | None = None
    times: TimeChanges = TimeChanges()
    place: Place | None = None
    required_skill_ids: tuple[UUID, ...] | None = None
    urgency_level: str | None = None
    expected_version: int | None = None


@dataclass(frozen=True, kw_only=True)
class ApplyToRequest(Command[ApplicationRecord]):
    """Apply to a request, as a user with a musician's profile; returns the application's record."""

    by: Identity
    request_id: UUID
    message: str
    proposed_price: Decimal
    currency: str | None = None


@dataclass(frozen=True, kw_only=True)
class ChangeApplication(Command[ApplicationRecord]):
    """Change a pending application; None: the value is not changed. Returns its record."""

    by: Identity
    application_id: UUID
    message: str | None
    proposed_price: Decimal | None
    currency: str | None


@dataclass(frozen=True, kw_only=True)
class RejectApplication(Command[ApplicationRecord]):
    """Reject an application to the caller's request; returns the application's record."""

    by: Identity
    application_id: UUID


@dataclass(frozen=True, kw_only=True)
class WithdrawApplication(Command[ApplicationRecord]):
    """Withdraw the caller's application; returns its record."""

    by: Identity
    application_id: UUID


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
    """A request was published."""


@dataclass(frozen=True, kw_only=True)
class RequestUpdated(_RequestFacts):
    """A request or its status was changed; the event has its new values."""


@dataclass(frozen=True, kw_only=True)
class _RequestHeadline(Event):
    aggregate_type: ClassVar[str] = "musician_request"
    aggregate_key: ClassVar[str] = "request_id"

    request_id: UUID
    client_id: UUID
    title: str
    urgency_level: str


@dataclass(frozen=True, kw_only=True)
class RequestMoved(_RequestHeadline):
    """The client has changed when or where the event of a request is; the event has the new values.

    `musician_user_ids`: the users whose applications to the request are pending.
    """

    starts_at: datetime
    time_zone: str
    address: str
    city: str
    musician_user_ids: tuple[UUID, ...]


@dataclass(frozen=True, kw_only=True)
class RequestCancelled(_RequestHeadline):
    """A request was cancelled."""


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
    """A musician has applied to a request."""


@dataclass(frozen=True, kw_only=True)
class ApplicationChanged(_ApplicationFacts):
    """The musician has changed the message or the price of a pending application."""


@dataclass(frozen=True, kw_only=True)
class ApplicationRejected(_ApplicationFacts):
    """The client has rejected an application, or cancelled its request."""


@dataclass(frozen=True, kw_only=True)
class ApplicationWithdrawn(_ApplicationFacts):
    """The musician has withdrawn an application."""


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
    time_zone: str
    price: Decimal
    currency: str
    status: str
    expires_at: datetime | None
    title: str
    urgency_level: str


@dataclass(frozen=True, kw_only=True)
class BookingMade(_BookingFacts):
    """A musician was booked, and has to confirm the booking."""


@dataclass(frozen=True, kw_only=True)
class BookingOffered(_BookingFacts):
    """The saga that made the booking has charged the client and blocked the time: it can be confirmed."""


@dataclass(frozen=True, kw_only=True)
class BookingUndone(_BookingFacts):
    """The saga that made the booking has failed and undone it: consumers treat it as never made."""


@dataclass(frozen=True, kw_only=True)
class BookingRestored(_BookingFacts):
    """A saga has undone the booking's last change; the event has the values from before it."""


@dataclass(frozen=True, kw_only=True)
class BookingConfirmed(_BookingFacts):
    """The musician has confirmed a booking."""


@dataclass(frozen=True, kw_only=True)
class BookingDisputed(_BookingFacts):
    """A party objects to the payout of a booking; an admin decides."""


@dataclass(frozen=True, kw_only=True)
class BookingCompleted(_BookingFacts):
    """A booking was completed: the event took place."""


@dataclass(frozen=True, kw_only=True)
class BookingCancelled(_BookingFacts):
    """A booking was cancelled by the user `cancelled_by`; None: its offer has expired, or an admin has
    decided so.
    """

    cancelled_by: UUID | None = None
