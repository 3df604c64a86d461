"""The invariants of bookings: what must hold in all services when every saga has ended and all time is over.

Money: what was charged for a booking is released or refunded, and the ledger balances. No escrow is held and
no time is booked for a booking that has ended. Each step's notification exists once, and none is held.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.crash.services import Case, Town

_BOOKINGS = "SELECT id, request_id, status FROM bookings WHERE request_id = ANY(:ids)"
_ESCROWS = """SELECT booking_id, status, amount, released, refunded FROM escrows
    WHERE request_id = ANY(:ids)"""
_CHARGES = """SELECT 1 FROM ledger_entries GROUP BY transaction_id, currency HAVING sum(amount) <> 0"""
_IN_ESCROW = """SELECT account FROM ledger_entries WHERE account LIKE 'escrow:%'
    GROUP BY account HAVING sum(amount) <> 0"""
_SLOTS = (
    "SELECT booking_id FROM slots WHERE kind = 'booked' AND cancelled_at IS NULL AND musician_id = ANY(:ids)"
)
_NOTICES = """SELECT id, title, is_held, data->>'booking_id' AS booking, user_id FROM notifications
    WHERE user_id = ANY(:ids)"""
_WRITTEN = """SELECT state, result::jsonb ->> 'notificationId' AS notice,
    undo_result::jsonb ->> 'removed' AS removed, undo_result::jsonb ->> 'notificationId' AS taken_back
    FROM saga_calls WHERE step LIKE 'notify_%' AND state IN ('done', 'undone')"""


async def faults_of(town: Town, cases: Sequence[Case]) -> list[str]:
    """Return the faults in the state of the services after a run, as text."""
    requests = [case.request for case in cases]
    bookings = {row.id: row for row in await town.rows("requests", _BOOKINGS, ids=requests)}
    found = [f"the booking {row.id} has not ended: {row.status}" for row in bookings.values() if _open(row)]
    found += await _money(town, requests, bookings)
    for row in await town.rows("calendar", _SLOTS, ids=[case.musician for case in cases]):
        if bookings[row.booking_id].status == "cancelled":
            found.append(f"stranded: a slot of the cancelled booking {row.booking_id}")
    return found + await _notices(town, cases)


def _open(booking: Any) -> bool:
    return booking.status not in ("completed", "cancelled")


async def _money(town: Town, requests: Sequence[Any], bookings: dict[Any, Any]) -> list[str]:
    found = []
    escrows = await town.rows("payments", _ESCROWS, ids=requests)
    for one in escrows:
        booking = bookings[one.booking_id]
        if one.released + one.refunded != one.amount:
            found.append(f"stranded: the escrow of the {booking.status} booking {booking.id} is {one.status}")
    paid = Counter(one.booking_id for one in escrows if one.released > 0)
    for booking in bookings.values():
        if booking.status == "completed" and paid[booking.id] != 1:
            found.append(f"the completed booking {booking.id} was paid {paid[booking.id]} times")
    if await town.rows("payments", _CHARGES):
        found.append("the ledger does not balance")
    accounts = [row.account for row in await town.rows("payments", _IN_ESCROW)]
    return found + [f"stranded: money in {account}" for account in accounts]


async def _notices(town: Town, cases: Sequence[Case]) -> list[str]:
    people = [user for case in cases for user in (case.client, case.user)]
    rows = await town.rows("notifications", _NOTICES, ids=people)
    found = [f"stranded: the notice {row.title!r} is held" for row in rows if row.is_held]
    here = {str(row.id) for row in rows}
    written = await town.rows("notifications", _WRITTEN)
    expected = {row.notice for row in written if row.state == "done" or row.removed != "true"}
    expected |= {row.taken_back for row in written}
    return found + [f"a notice without a step: {one}" for one in here - expected]
