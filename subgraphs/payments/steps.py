"""The steps of sagas that move money: charge a client into escrow, pay the musician, refund the client; their
undoing.

`given` is the input of a step, `done` the result of doing it. Ledger entries are never deleted: the result of
a step has the id of its transaction, and undoing it posts a transaction with the opposite entries.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError

from subgraphs.kit.errors import Conflict, NotFound
from subgraphs.kit.event_store.sourced import Facts
from subgraphs.kit.messages import Event
from subgraphs.kit.steps import Given
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.payments import messages, model, store
from subgraphs.payments.aggregates import ESCROWS

_NOTHING = Decimal("0.00")
_NOT_MADE = "The booking could not be made"


async def create(uow: UnitOfWork, given: Given) -> Given:
    """Charge the client into a new escrow. Raises Conflict if the booking has one."""
    ids = {"booking_id": "bookingId", "request_id": "requestId", "client_id": "clientId"}
    ids |= {"musician_id": "musicianId", "musician_user_id": "musicianUserId"}
    values = {column: UUID(given[name]) for column, name in ids.items()}
    money = {"amount": Decimal(given["amount"]), "currency": given["currency"]}
    escrow = await ESCROWS.create(uow, uuid4(), {**values, **money}, messages.EscrowCreated, _facts)
    if escrow is None:
        raise Conflict(f"The booking {given['bookingId']} has an escrow already")
    payment_id, people = uuid4(), {name: values[name] for name in ("client_id", "musician_user_id")}
    await store.add_payment(uow, {"id": payment_id, "escrow_id": escrow.id, **people, **money})
    charge = {
        model.client_account(escrow.client_id): -escrow.amount,
        model.escrow_account(escrow.id): escrow.amount,
    }
    transaction = await _post(uow, escrow, charge)
    facts = {"paymentId": str(payment_id), "amount": given["amount"], "currency": given["currency"]}
    return {"escrowId": str(escrow.id), **facts, "transactionId": str(transaction)}


async def uncreate(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo `create`: refund the client and void the charge. Raises Conflict if the musician was paid any
    of it.
    """
    escrow = await _locked(uow, done)
    if escrow.status not in ("held", "refunded"):
        raise Conflict("The charge cannot be undone: the musician was paid from the escrow")
    await store.void_payment(uow, escrow.id)
    if escrow.status == "held":
        await store.add_refund(
            uow, {"id": uuid4(), "escrow_id": escrow.id, "amount": escrow.amount, "reason": _NOT_MADE}
        )
        await _reverse(uow, escrow, done)
        await _refunded(uow, escrow, _NOTHING, escrow.amount, _NOT_MADE)
    return {"escrowId": str(escrow.id), "refunded": str(escrow.amount)}


async def release(uow: UnitOfWork, given: Given) -> Given:
    """Pay the whole escrow of a booking to the musician. Raises NotFound, Conflict."""
    escrow = await _of_booking(uow, given)
    pay = {
        model.escrow_account(escrow.id): -escrow.amount,
        model.musician_account(escrow.musician_id): escrow.amount,
    }
    transaction = await _post(uow, escrow, pay)
    changed = await _pay_out(uow, escrow, escrow.amount, _NOTHING, messages.EscrowReleased)
    return {"escrowId": str(escrow.id), "released": str(changed.released), "transactionId": str(transaction)}


async def unrelease(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo `release`: the money is in escrow again. Raises Conflict."""
    escrow = await _restore(uow, done)
    return {"escrowId": str(escrow.id), "released": str(escrow.released)}


async def refund(uow: UnitOfWork, given: Given) -> Given:
    """Refund the client by a percentage, and pay the rest to the musician. Raises NotFound, Conflict."""
    escrow = await _of_booking(uow, given)
    refunded, rest = model.shares(escrow.amount, given["percent"])
    parts = {
        model.escrow_account(escrow.id): -escrow.amount,
        model.client_account(escrow.client_id): refunded,
        model.musician_account(escrow.musician_id): rest,
    }
    transaction = await _post(uow, escrow, parts)
    if refunded:
        ids = {"id": uuid4(), "escrow_id": escrow.id}
        await store.add_refund(uow, {**ids, "amount": refunded, "reason": given["reason"]})
    changed = await _refunded(uow, escrow, rest, refunded, given["reason"])
    amounts = {"refunded": str(changed.refunded), "paidToMusician": str(changed.released)}
    return {"escrowId": str(escrow.id), **amounts, "transactionId": str(transaction)}


async def unrefund(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo `refund`: the money is in escrow again.

    Raises Conflict if the charge was voided, or the booking has another escrow now.
    """
    escrow = await _restore(uow, done)
    return {
        "escrowId": str(escrow.id),
        "refunded": str(escrow.refunded),
        "paidToMusician": str(escrow.released),
    }


async def _restore(uow: UnitOfWork, done: Given) -> Row[Any]:
    """Undo the step that paid out an escrow; there is only one, because a paid out escrow allows no other."""
    escrow = await _locked(uow, done)
    payment = await store.payment_of(uow, escrow.id)
    if payment is None or payment.status == "voided":
        raise Conflict("The payout cannot be undone: the charge was voided")
    await _reverse(uow, escrow, done)
    await store.undo_refunds(uow, escrow.id)
    return await _pay_out(uow, escrow, _NOTHING, _NOTHING, messages.EscrowRestored)


async def _of_booking(uow: UnitOfWork, given: Given) -> Row[Any]:
    """Return the escrow of a booking, locked. Raises NotFound, and Conflict unless its money is held."""
    escrow = await store.lock_of_booking(uow, UUID(given["bookingId"]))
    if escrow is None:
        raise NotFound(f"The booking {given['bookingId']} has no escrow")
    model.check_held(escrow.status)
    return escrow


async def _locked(uow: UnitOfWork, done: Given) -> Row[Any]:
    """Return the escrow in the result of a step, locked. Raises NotFound."""
    escrow = await store.lock(uow, UUID(done["escrowId"]))
    if escrow is None:
        raise NotFound(f"There is no escrow with the id {done['escrowId']}")
    return escrow


async def _post(uow: UnitOfWork, escrow: Row[Any], entries: Mapping[str, Decimal]) -> UUID:
    transaction = uuid4()
    await store.post(uow, escrow, transaction, model.balanced(entries))
    return transaction


async def _reverse(uow: UnitOfWork, escrow: Row[Any], done: Given) -> None:
    entries = await store.entries_of(uow, UUID(done["transactionId"]))
    await _post(uow, escrow, model.reversed_entries(entries))


async def _refunded(
    uow: UnitOfWork, escrow: Row[Any], released: Decimal, refunded: Decimal, reason: str
) -> Row[Any]:
    def facts(row: Row[Any]) -> dict[str, Any]:
        return {**_facts(row), "reason": reason}

    return await _pay_out(uow, escrow, released, refunded, messages.EscrowRefunded, facts)


async def _pay_out(
    uow: UnitOfWork,
    escrow: Row[Any],
    released: Decimal,
    refunded: Decimal,
    event: type[Event],
    facts: Facts | None = None,
) -> Row[Any]:
    status = model.status_of(escrow.amount, released, refunded)
    values = {"status": status, "released": released, "refunded": refunded}
    try:
        return await ESCROWS.change(uow, escrow, values, event, facts or _facts)
    except IntegrityError as error:
        raise Conflict("The booking has another escrow now") from error


_FACTS = "booking_id request_id client_id musician_id musician_user_id amount currency status released refunded version"


def _facts(row: Row[Any]) -> dict[str, Any]:
    return {"escrow_id": row.id, **{name: getattr(row, name) for name in _FACTS.split()}}
