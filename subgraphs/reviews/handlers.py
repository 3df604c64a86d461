"""The use cases of the reviews service: the handlers of its command and of the event that it consumes."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import uuid4

from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.commands.log import Reload
from subgraphs.kit.errors import Conflict, NotFound
from subgraphs.kit.messages import Command, Envelope
from subgraphs.kit.queue.inbox import EventHandler
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.reviews import model, store
from subgraphs.reviews.messages import BookingCompleted, Payout, RateBooking, ReviewPublished
from subgraphs.reviews.model import ReviewRecord
from subgraphs.reviews.tables import REVIEW_ROWS


async def rate_booking(uow: UnitOfWork, command: RateBooking) -> ReviewRecord:
    """Publish the review of a completed and paid booking; return its record.

    Raises BadUserInput, NotFound, Forbidden unless the author is the booking's client, and Conflict if the
    booking has a review.
    """
    rating, text = model.rating(command.rating), model.text(command.text)
    booking = await store.reviewable_booking(uow, command.booking_id)
    if booking is None:
        raise NotFound(f"There is no booking with the id {command.booking_id} that is completed and paid")
    model.only_its_client(booking, command.author_id)
    values = {"id": uuid4(), "booking_id": booking.booking_id, "musician_id": booking.musician_id}
    review = await store.add(uow, {**values, "author_id": command.author_id, "rating": rating, "text": text})
    if review is None:
        raise Conflict(f"The booking {command.booking_id} has a review already; it can be rated once")
    uow.emit(
        ReviewPublished(
            review_id=review.id,
            booking_id=review.booking_id,
            musician_id=review.musician_id,
            musician_user_id=booking.musician_user_id,
            author_id=review.author_id,
            rating=review.rating,
        )
    )
    return review


async def on_booking_completed(uow: UnitOfWork, envelope: Envelope) -> None:
    """Store a copy of a completed booking (a handler of events), which its client may rate from now on."""
    booking = envelope.read(BookingCompleted)
    await store.upsert_completed_booking(uow, {**asdict(booking), "completed_at": envelope.occurred_at})


async def on_payout(uow: UnitOfWork, envelope: Envelope) -> None:
    """Store whether a booking's musician was paid from escrow (a handler of events)."""
    escrow = envelope.read(Payout)
    await store.upsert_payout(uow, escrow.booking_id, escrow.released > 0, escrow.version)


COMMAND_HANDLERS: Mapping[type[Command[Any]], CommandHandler] = {RateBooking: rate_booking}


RESULTS: Mapping[type[Command[Any]], Reload] = {RateBooking: REVIEW_ROWS.get}
"""By command type, the function that loads the review that an earlier execution of the command returned."""
EVENT_HANDLERS: Mapping[str, EventHandler] = {
    "BookingCompleted": on_booking_completed,
    **dict.fromkeys(("EscrowReleased", "EscrowRefunded", "EscrowRestored"), on_payout),
}
