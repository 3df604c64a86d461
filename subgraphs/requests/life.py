"""The rules of a booking's life, without I/O: offered, confirmed, completed or cancelled.

An offer has a price that both parties have seen. It expires unless the musician confirms it. Until the event
starts either party can cancel; afterwards only an objection changes who is paid.

Example: an event starts on 1 June. A client offers 400 on 1 May; the musician has until 3 May to confirm. If
the client cancels on 20 May, 12 days before the event, half of the price is refunded.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

from subgraphs.kit.errors import BadUserInput, Conflict, Forbidden
from subgraphs.requests.model import check_price, check_transition
from subgraphs.requests.records import ApplicationRecord, BookingRecord, RequestRecord

ANSWER_WITHIN: Final = timedelta(hours=48)
OBJECT_WITHIN: Final = timedelta(hours=24)
"""How long after the event's end a payout waits for an objection."""
SOON: Final = timedelta(hours=48)
"""A cancellation is urgent news if the event starts in less than this time."""
MAX_OFFERS: Final = 5
"""How many unanswered offers a client may have, by default."""
TOLERANCE: Final = timedelta(minutes=1)
"""The greatest difference between the clocks of two servers that timers tolerate."""
POLICY: Final = ((14, 100), (7, 50))
"""What is refunded if the client cancels a confirmed booking: the least number of days before the event, and
the percentage of the price. Later than the last pair nothing is refunded.
"""

Party = Literal["client", "musician"]
CLOSED_BY: Final[dict[Party, str]] = {"musician": "withdrawn", "client": "rejected"}
"""The status of an application after this party has cancelled its booking."""


def check_bookable(request: RequestRecord, now: datetime) -> None:
    """Raise Conflict unless a musician can be booked for the request: it is not assigned or closed, and the
    event has not started.
    """
    check_transition("request", request.status, "assigned")
    if request.starts_at <= now:
        raise Conflict("The event has started, so no musician can be booked for it")


def check_assignable(application: ApplicationRecord) -> None:
    """Raise Conflict unless the application is pending, so that its musician can be assigned."""
    if application.status != "pending":
        raise Conflict(f"The musician's application must be pending, it is {application.status}")


def price_of(
    application: ApplicationRecord | None,
    named: Decimal | None,
    currency: str,
    named_currency: str | None = None,
) -> Decimal:
    """Return the price of an offer: the application's, or the one that the client has `named`.

    `currency`: that of the request; `named_currency`: the one that the client has named with the price.
    Raises BadUserInput without either, and Conflict if they differ.
    """
    if application is None:
        if named is None:
            raise BadUserInput(
                "The musician has not applied, so the offer needs a price: name it in 'price'", "price"
            )
        return check_price(named, currency, "price", named_currency)
    if (
        named is not None
        and check_price(named, currency, "price", named_currency) != application.proposed_price
    ):
        raise Conflict(
            f"The musician's price is {application.proposed_price}, and 'price' is {named}: leave 'price' out"
            " to accept the application, or ask the musician for another one"
        )
    return check_price(application.proposed_price, currency, "price")


def check_within_budget(request: RequestRecord, price: Decimal, accepted: bool) -> None:
    """Raise Conflict for a price outside of the request's budget that the client has not `accepted`."""
    if not accepted and not request.budget_min <= price <= request.budget_max:
        raise Conflict(
            f"The price {price} is outside of the budget, {request.budget_min} to {request.budget_max}"
            f" {request.currency}: set 'acceptOutsideBudget' to true if you agree with it"
        )


def check_offers(unanswered: int, most: int) -> None:
    """Raise Conflict if the client has as many unanswered offers as allowed."""
    if unanswered >= most:
        raise Conflict(
            f"You have {unanswered} offers without an answer, and {most} are allowed: wait or cancel one"
        )


def check_party(booking: BookingRecord, user_id: UUID) -> None:
    """Raise Forbidden unless the user is the client or the musician of the booking."""
    if user_id not in (booking.client_id, booking.musician_user_id):
        raise Forbidden("The booking belongs to other users: only its client and musician may change it")


def party_of(booking: BookingRecord, user_id: UUID) -> Party:
    """Return whether a user, who is a party of the booking, is its client or its musician."""
    return "musician" if user_id == booking.musician_user_id else "client"


def check_confirmable(booking: BookingRecord, user_id: UUID, now: datetime) -> None:
    """Raise Forbidden unless the user is the booking's musician, and Conflict unless the offer stands: it is
    pending, the saga that makes it has ended, and it has not expired.
    """
    if user_id != booking.musician_user_id:
        raise Forbidden("The booking belongs to another musician: only its musician may confirm it")
    check_transition("booking", booking.status, "confirmed")
    if not booking.is_offered:
        raise Conflict("The offer is still being made: try again in a moment")
    if booking.starts_at <= now or (booking.expires_at is not None and booking.expires_at <= now):
        raise Conflict("The offer has expired")


def check_completable(booking: BookingRecord, user_id: UUID, now: datetime) -> None:
    """Raise Forbidden unless the user is the booking's client, and Conflict unless the booking is confirmed
    and its event has ended.
    """
    if user_id != booking.client_id:
        raise Forbidden("Only the booking's client may confirm that the event took place")
    if booking.status == "disputed":
        raise Conflict("A party objects to the payout of this booking: an admin decides")
    check_transition("booking", booking.status, "completed")
    if booking.ends_at > now:
        raise Conflict(
            f"A booking can be completed after its event, which ends at {booking.ends_at:%Y-%m-%d %H:%M} UTC"
        )


def check_cancellable(booking: BookingRecord, now: datetime) -> None:
    """Raise Conflict unless the booking is pending or confirmed, and its event has not started."""
    check_transition("booking", booking.status, "cancelled")
    if booking.status == "disputed" or booking.starts_at <= now:
        raise Conflict("The event has started: object to the booking instead, and an admin will decide")


def check_objectionable(booking: BookingRecord, user_id: UUID, now: datetime) -> None:
    """Raise Forbidden unless the user is a party, and Conflict unless the booking is confirmed and its event
    has started.
    """
    check_party(booking, user_id)
    check_transition("booking", booking.status, "disputed")
    if booking.starts_at > now:
        raise Conflict("The event has not started: cancel the booking instead")


def end_of_offer(booking: BookingRecord) -> datetime | None:
    """Return when an offer expires; None if the booking is not pending."""
    return (booking.expires_at or booking.starts_at) if booking.status == "pending" else None


def time_of_payout(booking: BookingRecord) -> datetime | None:
    """Return when a confirmed booking is paid out if nobody objects; None if it is not confirmed."""
    return booking.ends_at + OBJECT_WITHIN if booking.status == "confirmed" else None


def has_come(moment: datetime, now: datetime) -> bool:
    """Return whether the time of a timer has come, with some TOLERANCE."""
    return moment <= now + TOLERANCE


def refunded_percent(booking: BookingRecord, by: Party, now: datetime) -> int:
    """Return the percentage of the price that the client gets back if the party `by` cancels now."""
    if by == "musician" or booking.status == "pending":
        return 100
    ahead = booking.starts_at - now
    return next((percent for days, percent in POLICY if ahead >= timedelta(days=days)), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingTerms:
    """The values of a new booking, by column."""

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
    expires_at: datetime
    is_offered: bool = False

    @classmethod
    def of(
        cls,
        request: RequestRecord,
        musician: tuple[UUID, UUID],
        price: Decimal,
        application_id: UUID | None,
        now: datetime,
    ) -> "BookingTerms":
        """Return the terms of an offer to a musician, whose ids as musician and as user are `musician`."""
        return cls(
            request_id=request.id,
            application_id=application_id,
            client_id=request.client_id,
            musician_id=musician[0],
            musician_user_id=musician[1],
            starts_at=request.starts_at,
            ends_at=request.ends_at,
            time_zone=request.time_zone,
            price=price,
            currency=request.currency,
            expires_at=min(now + ANSWER_WITHIN, request.starts_at),
        )
