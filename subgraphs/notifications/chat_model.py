"""The rules of the messages between the parties of a booking, without I/O."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from subgraphs.kit.errors import Conflict, Forbidden, RateLimited

LONGEST: Final = 2000
"""The greatest number of characters of a message."""
AT_ONCE: Final = 20
WITHIN: Final = timedelta(minutes=1)
"""A party may write AT_ONCE messages about a booking in this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingCopy:
    """The copy of a booking; `position` and `version` are those of its last event."""

    booking_id: UUID
    request_id: UUID
    client_id: UUID
    musician_user_id: UUID
    title: str
    status: str
    position: int
    version: int

    @property
    def parties(self) -> tuple[UUID, UUID]:
        """The user ids of the client and the musician."""
        return self.client_id, self.musician_user_id


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRecord:
    """A row of the table `chat_messages`."""

    id: UUID
    booking_id: UUID
    author_id: UUID
    text: str
    sent_at: datetime


def recipient_of(booking: BookingCopy, author_id: UUID) -> UUID:
    """Return the user to whom a party writes.

    Raises Forbidden for an author who is no party, and Conflict if the booking is cancelled.
    """
    if author_id not in booking.parties:
        raise Forbidden("The booking belongs to other users: only its client and musician may write")
    if booking.status == "cancelled":
        raise Conflict("The booking is cancelled, so nobody can write about it")
    return booking.musician_user_id if author_id == booking.client_id else booking.client_id


def check_pace(recent: Sequence[datetime], now: datetime) -> None:
    """Raise RateLimited if a party has written AT_ONCE messages in the last minute.

    `recent`: the times of the last AT_ONCE messages, the newest first.
    """
    if len(recent) < AT_ONCE:
        return
    pause = (recent[AT_ONCE - 1] + WITHIN - now).total_seconds()
    if pause > 0:
        seconds = math.ceil(pause)
        raise RateLimited(f"Too many messages: write again in {seconds} seconds", seconds)
