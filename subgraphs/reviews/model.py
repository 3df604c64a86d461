"""The rules of reviews."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from subgraphs.kit import checks
from subgraphs.kit.errors import Forbidden

LONGEST_TEXT: Final = 2000


@dataclass(frozen=True, slots=True)
class ReviewRecord:
    """A client's review of a booking, as stored."""

    id: UUID
    booking_id: UUID
    musician_id: UUID
    author_id: UUID
    rating: int
    text: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CompletedBooking:
    """A completed booking, with the fields that reviews need."""

    booking_id: UUID
    client_id: UUID
    musician_id: UUID
    musician_user_id: UUID


@dataclass(frozen=True, slots=True)
class Reputation:
    """Sum and number of a musician's ratings."""

    rating_sum: int
    total_reviews: int

    @property
    def rating(self) -> float | None:
        """The mean rating with two decimals, None without reviews."""
        return round(self.rating_sum / self.total_reviews, 2) if self.total_reviews else None


def rating(value: int) -> int:
    """Check a rating, which is from 1 to 5 stars."""
    return checks.whole(value, "rating", 1, 5)


def text(value: str | None) -> str:
    """Check the text of a review; return "" if it is absent."""
    return checks.optional_text(value, "text", LONGEST_TEXT, lines=True) or ""


def only_its_client(booking: CompletedBooking, author_id: UUID) -> None:
    """Raise Forbidden unless the author is the booking's client."""
    if booking.client_id != author_id:
        raise Forbidden("Only the client of a booking can rate it")
