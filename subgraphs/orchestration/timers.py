"""The sagas that start when another one ends: those that send notifications, and the timers of a booking.

An offer has a timer for its end (EXPIRY), a confirmed booking one for its payout (PAYOUT).
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from gateway.saga.definition import FollowUp
from subgraphs.orchestration import notices
from subgraphs.orchestration.notices import booking_of
from subgraphs.orchestration.step_calls import Given

EXPIRY: Final = "offer_expiry"
PAYOUT: Final = "booking_payout"
NOTICES: Final = "booking_notices"
AGAIN: Final = 3600.0
"""The least number of seconds until a timer of an undone saga."""


def send_held(_: Given, results: Given) -> Sequence[FollowUp]:
    """Return the saga that sends the notifications which the steps have added; none if they added none."""
    ids = notices.ids_of(results)
    return [FollowUp(NOTICES, ids[0], {"ids": ids})] if ids else []


def set_both(saga_id: UUID, _: Given, results: Given) -> Sequence[FollowUp]:
    """Return both timers of a booking to which an undone saga has given back its former status.

    The timer that the booking had may have ended while it had another status. The one that does not fit the
    booking's status does nothing.
    """
    booking = booking_of(results)
    if "bookingId" not in booking:
        return []
    expiry = datetime.fromisoformat(booking["expiresAt"] or booking["startsAt"])
    payout = datetime.fromisoformat(booking["payableAt"])
    key, ids = f"undone:{saga_id}", {"bookingId": booking["bookingId"]}
    return [
        timer(EXPIRY, key, ids, expiry, AGAIN),
        timer(PAYOUT, key, {**ids, "byUserId": None}, payout, AGAIN),
    ]


def timer(saga_type: str, key: str, data: Given, at: datetime, after: float = 0.0) -> FollowUp:
    """Return a timer (`FollowUp.at`); `key` is part of its data, so that it can be set again."""
    return FollowUp(saga_type, key, {"timer": key, **data}, at, after)


def after_timer(saga_type: str, step: str) -> Callable[[Given, Given], Sequence[FollowUp]]:
    """Return the follow-ups of a timer: the sending of its notifications, or the timer again.

    A timer begins too early if the clocks of two servers differ; its first step, `step`, has then done
    nothing.
    """

    def follow(data: Given, results: Given) -> Sequence[FollowUp]:
        due = results[step].get("notBefore")
        if due is None:
            return send_held(data, results)
        times, key = data.get("times", 0) + 1, data.get("timer", data["bookingId"])
        again = {**data, "times": times}
        return [FollowUp(saga_type, f"{key}:{times}", again, datetime.fromisoformat(due))]

    return follow
