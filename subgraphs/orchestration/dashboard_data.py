"""What the dashboard shows of sagas, as JSON data: rows of the list, and the details of one saga.

The booking and the money are read from the saga's input and the results of its steps, so no other service is
asked. Example: a completed step of `payments` with the result `{"refunded": "200.00", "paidToMusician":
"200.00"}`, in a saga whose booking has the currency EUR, is shown as two movements, `refunded` and
`released`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from gateway.saga.journal import SagaView, StepView

Facts = dict[str, Any]
BOOKING = (
    "bookingId",
    "title",
    "requestId",
    "clientId",
    "stageName",
    "musicianId",
    "musicianUserId",
    "startsAt",
    "endsAt",
    "timeZone",
    "price",
    "currency",
)
PAYMENTS = "payments"
MOVEMENTS = {
    "amount": "held",
    "released": "released",
    "paidToMusician": "released",
    "refunded": "refunded",
}
"""The names of amounts in the results of payment steps, and what happened to the money."""

_DEADLINE = "SELECT deadline_at FROM sagas WHERE id = $1"


async def deadline(pool: asyncpg.Pool, saga_id: UUID) -> datetime | None:
    """Return when a saga gives up; None if it has no deadline."""
    found: datetime | None = await pool.fetchval(_DEADLINE, saga_id)
    return found


def summary(view: SagaView) -> Facts:
    """Return the facts for a row of the list."""
    current = view.current
    return {
        "id": view.id,
        "saga_type": view.saga_type,
        "status": view.status,
        "started_at": view.started_at,
        "wake_at": view.wake_at,
        "error": view.error,
        "step": None if current is None else current.name,
        "step_number": 0 if current is None else current.number + 1,
        "total_steps": len(view.steps),
    }


def details(view: SagaView, deadline_at: datetime | None, verbs: Sequence[str] = ()) -> Facts:
    """Return all facts about a saga. `deadline_at`: when it gives up; `verbs`: the commands it allows."""
    booking = booking_of(view)
    currency = str(booking.get("currency", ""))
    return {
        **asdict(view),
        "deadline_at": deadline_at,
        "verbs": verbs,
        "booking": booking,
        "money": [one for step in view.steps for one in _movements(step, currency)],
    }


def booking_of(view: SagaView) -> Facts:
    """Return what the saga knows of its booking, by the names in BOOKING; empty if it knows nothing.

    The results of later steps take precedence over earlier ones, and all over the input.
    """
    sources = [view.data, *(step.result for step in view.steps if isinstance(step.result, Mapping))]
    found = {name: one[name] for one in sources for name in BOOKING if _is_plain(one.get(name))}
    return {name: found[name] for name in BOOKING if name in found}


def _movements(step: StepView, currency: str) -> Iterator[Facts]:
    """Yield the movements of money of a payment step. `currency`: that of the booking."""
    if step.service != PAYMENTS or not isinstance(step.result, Mapping):
        return
    for name, kind in MOVEMENTS.items():
        amount = step.result.get(name)
        if _is_plain(amount):
            yield {
                "kind": kind,
                "amount": str(amount),
                "currency": step.result.get("currency") or currency,
                "step": step.name,
                "undone": step.status == "compensated",
                "at": step.completed_at,
            }


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
