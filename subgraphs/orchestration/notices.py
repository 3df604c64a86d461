"""The texts of the notifications that sagas write, with times in the time zone of the event's place.

Example: “Wedding” begins on 2026-06-01 at 20:00 (Europe/Berlin).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

Given = Mapping[str, Any]
CLIENT, MUSICIAN = "clientId", "musicianUserId"
"""The names of the parties' user ids in the booking's values."""
_STEPS = (
    "update_status",
    "confirm_booking",
    "complete_booking",
    "cancel_booking",
    "expire_booking",
    "object",
    "decide",
)


def booking_of(results: Given) -> Given:
    """Return the values of the booking from the result of the step that has them; {} if there is none."""
    found: Given = next((results[name] for name in _STEPS if name in results), {})
    return found


def ids_of(results: Given) -> list[str]:
    """Return the ids of the notifications that the steps of a saga have added."""
    found = [results.get(name) for name in ("notify_client", "notify_musician")]
    return [one["notificationId"] for one in found if one is not None]


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification. `message`: returns the text, from the saga's input and the results of its steps."""

    title: str
    message: Callable[[Given, Given], str]


def _local(moment: str, zone: str) -> str:
    local = datetime.fromisoformat(moment).astimezone(ZoneInfo(zone))
    return f"{local:%Y-%m-%d} at {local:%H:%M} ({zone})"


def _about(text: str) -> Callable[[Given, Given], str]:
    """Return a function that makes a text from a pattern with {event}, {price}, {until} and {reason}."""

    def message(data: Given, results: Given) -> str:
        booking = booking_of(results)
        zone = booking["timeZone"]
        return text.format(
            event=f"“{booking['title']}” on {_local(booking['startsAt'], zone)}",
            price=f"{booking['price']} {booking['currency']}",
            until=_local(booking["expiresAt"] or booking["startsAt"], zone),
            reason=data.get("reason", ""),
            refunded=_paid(results, "refunded"),
            paid=_paid(results, "paidToMusician"),
            by=booking.get("by", "client"),
        )

    return message


def _paid(results: Given, name: str) -> str:
    """Return an amount that the payments service has paid, with its currency."""
    currency = booking_of(results)["currency"]
    refund = results.get("refund")
    if refund is not None:
        return f"{refund[name]} {currency}"
    released = results.get("release_escrow", {}).get("released", "0.00")
    return f"{released if name == 'paidToMusician' else '0.00'} {currency}"


OFFERED = Notice(
    "An offer for you",
    _about("You are offered {event} for {price}. Confirm it until {until}, or decline it."),
)
CONFIRMED_CLIENT = Notice(
    "Booking confirmed",
    _about("The musician has confirmed {event}. The price, {price}, stays in escrow until it is over."),
)
CONFIRMED_MUSICIAN = Notice(
    "Booking confirmed", _about("You have confirmed {event}. You are paid {price} after it.")
)
EXPIRED_CLIENT = Notice(
    "The offer has expired",
    _about("The musician has not answered your offer for {event}. {refunded} went back to you."),
)
EXPIRED_MUSICIAN = Notice(
    "The offer has expired",
    _about("The offer for {event} has expired because you have not answered it until {until}."),
)
COMPLETED = Notice(
    "Event completed",
    _about("{event} took place, and the musician was paid {price}. How was the music? Rate the musician."),
)
PAID = Notice("You are paid", _about("{event} took place, and you were paid {price}."))
OBJECTED = Notice(
    "An objection to the payout",
    _about("The {by} objects to the payout of {event}: “{reason}”. An admin will decide."),
)
DECIDED = Notice(
    "The objection is decided",
    _about("{event}: {refunded} to the client, {paid} to the musician. Reason: “{reason}”."),
)
CANCELLED = Notice(
    "The booking is cancelled",
    _about("The {by} has cancelled {event}. {refunded} went back to the client, {paid} to the musician."),
)
