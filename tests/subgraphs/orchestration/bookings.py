"""What the tests of booking sagas share: mutations that start sagas, and the state of a booking in every
service.
"""

from typing import Any
from uuid import UUID, uuid4

from subgraphs.kit.testing import ApiUser
from tests.subgraphs.orchestration.conftest import Town

SAGA = """saga {
    uuid type status failure { code message step } booking { uuid } request { uuid }
    steps { name service status attempts } attempts { step kind outcome }
  } userErrors { code field message }"""
INPUTS = {
    "requestId": "ID!",
    "musicianId": "ID!",
    "bookingId": "ID!",
    "price": "MoneyInput",
    "acceptOutsideBudget": "Boolean!",
    "reason": "String!",
    "verdict": "PayoutVerdict!",
    "refundPercent": "Int",
}
LEDGER = "SELECT currency, sum(amount) AS total FROM ledger_entries GROUP BY currency HAVING sum(amount) <> 0"


async def run(town: Town, mutation: str, by: ApiUser, key: str | None = None, **given: Any) -> Any:
    """Run a saga by its mutation, and return it when it has ended; or the code of the error."""
    declared = ", ".join(f"${name}: {INPUTS[name]}" for name in given)
    passed = ", ".join(f"{name}: ${name}" for name in given)
    query = f"""mutation($key: String!, {declared}) {{
      {mutation}({passed}, idempotencyKey: $key, wait: true) {{ {SAGA} }} }}"""
    answer = await town.client("orchestration").send(query, by, key=key or uuid4().hex, **given)
    if errors := answer.get("errors"):
        return errors[0]["extensions"]["code"]
    payload = answer["data"][mutation]
    return payload["saga"] or payload["userErrors"][0]["code"]


def eur(amount: str) -> dict[str, str]:
    """Return an amount in euros as an input."""
    return {"amount": amount, "currency": "EUR"}


async def assign(
    town: Town,
    request: str,
    musician_id: UUID,
    by: ApiUser | None = None,
    key: str | None = None,
    **given: Any,
) -> Any:
    """Run the saga of assignment, and return it when it has ended; or the code of the error."""
    ids = {"requestId": request, "musicianId": str(musician_id)}
    return await run(town, "assignMusician", by or town.host, key, **ids, **given)


def booking_of(saga: Any) -> str:
    """Return the booking that a saga has made."""
    return str(saga["booking"]["uuid"])


async def offered(town: Town, player: tuple[ApiUser, UUID], days: int = 20, **about: int) -> tuple[str, str]:
    """Return a request and its booking, which a musician has been offered."""
    request = await town.applied(player, days=days, **about)
    saga = await assign(town, request, player[1])
    assert saga["status"] == "COMPLETED", saga
    await town.settled()
    return request, booking_of(saga)


async def confirmed(
    town: Town, player: tuple[ApiUser, UUID], days: int = 20, **about: int
) -> tuple[str, str]:
    """Return a request and its booking, which the musician has confirmed."""
    request, booking = await offered(town, player, days, **about)
    saga = await run(town, "confirmOffer", player[0], bookingId=booking)
    assert saga["status"] == "COMPLETED", saga
    await town.settled()
    return request, booking


async def state(town: Town, request: str, booking: str) -> dict[str, Any]:
    """Return the state of a booking in each service."""
    (told,) = await town.rows(
        "requests", "SELECT status FROM musician_requests WHERE id = :id", id=UUID(request)
    )
    (booked,) = await town.rows(
        "requests", "SELECT status, price FROM bookings WHERE id = :id", id=UUID(booking)
    )
    escrows = await town.rows(
        "payments", "SELECT status, amount FROM escrows WHERE booking_id = :id", id=UUID(booking)
    )
    query = "SELECT 1 FROM slots WHERE booking_id = :id AND cancelled_at IS NULL"
    slots = await town.rows("calendar", query, id=UUID(booking))
    return {
        "request": told.status,
        "booking": booked.status,
        "escrow": [row.status for row in escrows],
        "slots": len(slots),
        "unbalanced": len(await town.rows("payments", LEDGER)),
    }


async def paid(town: Town, booking: str) -> tuple[str, str]:
    """Return what the musician was paid, and what the client got back."""
    query = "SELECT released, refunded FROM escrows WHERE booking_id = :id"
    (row,) = await town.rows("payments", query, id=UUID(booking))
    return str(row.released), str(row.refunded)


async def notices(town: Town, person: ApiUser) -> list[str]:
    """Return the titles of a user's notifications that the user sees, except reminders, the oldest first."""
    query = """SELECT title FROM notifications WHERE user_id = :id AND NOT is_held AND type <> 'reminder'
        ORDER BY appears_at"""
    return [row.title for row in await town.rows("notifications", query, id=person.id)]
