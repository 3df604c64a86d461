"""The use cases of the reviews service: the handlers of its command and of the event that it consumes."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID, uuid4

from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.commands.log import Reload
from subgraphs.kit.errors import Conflict, NotFound
from subgraphs.kit.messages import Command, Envelope
from subgraphs.kit.queue.inbox import EventHandler
from subgraphs.kit.records import values_of
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.reviews import model, store
from subgraphs.reviews.messages import (
    BookingCompleted,
    EditReview,
    Payout,
    RateBooking,
    ReviewEdited,
    ReviewPublished,
)
from subgraphs.reviews.model import ReviewRecord
from subgraphs.reviews.tables import REVIEW_ROWS


async def rate_booking(uow: UnitOfWork, command: RateBooking) -> ReviewRecord:
    """Publish the review of a completed and paid booking; return its record.

    Raises BadUserInput, NotFound, Forbidden unless the author is the booking's client, and Conflict if the
    booking has a review.
    """
    rating, text = model.checked(command.rating, command.text)
    booking = await store.reviewable_booking(uow, command.booking_id)
    if booking is None:
        raise NotFound(f"There is no booking with the id {command.booking_id} that is completed and paid")
    model.only_its_client(booking, command.author_id)
    values = {"id": uuid4(), "booking_id": booking.booking_id, "musician_id": booking.musician_id}
    review = await store.add(uow, {**values, "author_id": command.author_id, "rating": rating, "text": text})
    if review is None:
        raise Conflict(f"The booking {command.booking_id} has a review already; it can be rated once")
    uow.emit(ReviewPublished(**_facts(review, booking.musician_user_id)))
    return review


async def edit_review(uow: UnitOfWork, command: EditReview) -> ReviewRecord:
    """Change a review, as its author; return its record.

    Raises BadUserInput, NotFound, Forbidden, and Conflict a day after its publication.
    """
    review = await REVIEW_ROWS.lock(uow, command.review_id, f"There is no review {command.review_id}")
    model.check_editable(review, command.author_id, uow.clock.now())
    rating, text = model.checked(
        review.rating if command.rating is None else command.rating,
        review.text if command.text is None else command.text,
    )
    edited = await store.edit(uow, review.id, rating, text)
    booking = await store.reviewable_booking(uow, review.booking_id)
    if booking is not None:
        facts = _facts(edited, booking.musician_user_id)
        uow.emit(ReviewEdited(**facts, previous_rating=review.rating))
    return edited


def _facts(review: ReviewRecord, musician_user_id: UUID) -> dict[str, Any]:
    """Return the fields of the events about a review, by name."""
    return {
        "review_id": review.id,
        **values_of(review, "booking_id", "musician_id", "author_id", "rating"),
        "musician_user_id": musician_user_id,
    }


async def on_booking_completed(uow: UnitOfWork, envelope: Envelope) -> None:
    """Store a copy of a completed booking (a handler of events), which its client may rate from now on."""
    booking = envelope.read(BookingCompleted)
    await store.upsert_completed_booking(uow, {**asdict(booking), "completed_at": envelope.occurred_at})


async def on_payout(uow: UnitOfWork, envelope: Envelope) -> None:
    """Store whether a booking's musician was paid from escrow (a handler of events)."""
    escrow = envelope.read(Payout)
    await store.upsert_payout(uow, escrow.booking_id, escrow.released > 0, escrow.version)


COMMAND_HANDLERS: Mapping[type[Command[Any]], CommandHandler] = {
    RateBooking: rate_booking,
    EditReview: edit_review,
}


RESULTS: Mapping[type[Command[Any]], Reload] = dict.fromkeys((RateBooking, EditReview), REVIEW_ROWS.get)
"""By command type, the function that loads the review that an earlier execution of the command returned."""
EVENT_HANDLERS: Mapping[str, EventHandler] = {
    "BookingCompleted": on_booking_completed,
    **dict.fromkeys(("EscrowReleased", "EscrowRefunded", "EscrowRestored"), on_payout),
}
