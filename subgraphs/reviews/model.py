"""The rules of reviews, without I/O, and the records of the service."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from subgraphs.kit import checks
from subgraphs.kit.errors import Conflict, Forbidden

LONGEST_TEXT: Final = 2000
EDITABLE: Final = timedelta(days=1)
"""How long after its publication a review can be changed."""


@dataclass(frozen=True, slots=True)
class ReviewRecord:
    """A row of the table `reviews`: a client's review of a booking."""

    id: UUID
    booking_id: UUID
    musician_id: UUID
    author_id: UUID
    rating: int
    text: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CompletedBooking:
    """A row of the table `completed_bookings`, with the columns that a review needs."""

    booking_id: UUID
    client_id: UUID
    musician_id: UUID
    musician_user_id: UUID


@dataclass(frozen=True, slots=True)
class Reputation:
    """The sum and the number of a musician's ratings."""

    rating_sum: int
    total_reviews: int

    @property
    def rating(self) -> float | None:
        """The mean rating with two decimals, None without reviews."""
        return round(self.rating_sum / self.total_reviews, 2) if self.total_reviews else None


def rating(value: int) -> int:
    """Return a checked rating. Raises BadUserInput unless it is from 1 to 5."""
    return checks.whole(value, "rating", 1, 5)


def text(value: str | None) -> str:
    """Return the trimmed text of a review, "" if it is absent. Raises BadUserInput if it is too long."""
    return checks.optional_text(value, "text", LONGEST_TEXT, lines=True) or ""


def checked(stars: int, words: str | None) -> tuple[int, str]:
    """Return the checked rating and text of a review. Raises BadUserInput, with both if both are wrong."""
    with checks.Mistakes() as mistakes:
        return mistakes.check(rating, stars), mistakes.check(text, words)


def check_editable(review: ReviewRecord, author_id: UUID, now: datetime) -> None:
    """Raise Forbidden unless the user `author_id` wrote the review, and Conflict if it is too old."""
    if review.author_id != author_id:
        raise Forbidden("Only the author of a review can change it")
    if now >= review.created_at + EDITABLE:
        raise Conflict(f"A review can be changed for a day; this one was published at {review.created_at}")


def only_its_client(booking: CompletedBooking, author_id: UUID) -> None:
    """Raise Forbidden unless the user `author_id` is the booking's client."""
    if booking.client_id != author_id:
        raise Forbidden("Only the client of a booking can rate it")
