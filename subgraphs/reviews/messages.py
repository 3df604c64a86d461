"""Commands and events of the reviews service, and the fields that it reads from events of other services."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from subgraphs.kit.messages import Command, Event
from subgraphs.reviews.model import ReviewRecord


@dataclass(frozen=True)
class RateBooking(Command[ReviewRecord]):
    """Rate a completed booking with 1 to 5 stars, as its client; returns the review's record."""

    author_id: UUID
    booking_id: UUID
    rating: int
    text: str | None


@dataclass(frozen=True)
class EditReview(Command[ReviewRecord]):
    """Change a review within a day of its publication, as its author; returns the review's record.

    None: do not change it.
    """

    author_id: UUID
    review_id: UUID
    rating: int | None
    text: str | None


@dataclass(frozen=True, kw_only=True)
class ReviewPublished(Event):
    """A review was published."""

    aggregate_type: ClassVar[str] = "review"
    aggregate_key: ClassVar[str] = "review_id"
    review_id: UUID
    booking_id: UUID
    musician_id: UUID
    musician_user_id: UUID
    author_id: UUID
    rating: int


@dataclass(frozen=True, kw_only=True)
class ReviewEdited(ReviewPublished):
    """The author of a review has changed its rating or its text."""

    previous_rating: int


@dataclass(frozen=True, slots=True)
class BookingCompleted:
    """The fields that this service reads from the event BookingCompleted of the requests service."""

    booking_id: UUID
    request_id: UUID
    client_id: UUID
    musician_id: UUID
    musician_user_id: UUID
    ends_at: datetime
    title: str = ""


@dataclass(frozen=True, slots=True)
class Payout:
    """The fields that this service reads from events about escrows; `version`: of the escrow."""

    booking_id: UUID
    released: Decimal
    version: int
