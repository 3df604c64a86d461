"""The steps of sagas that move money: charge a client into escrow, pay the musician, refund the client; and
the undo of each step.

`kit/steps` calls them with `given`, the input of the step, and, to undo it, `done`, the result of doing it.
Ledger entries are never deleted: the result of a step has the id of its transaction, and the undo posts a
transaction with the opposite entries.
"""

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.exc import IntegrityError

from subgraphs.kit.ended_bookings import check_not_ended, mark_ended, unmark_ended
from subgraphs.kit.errors import Conflict, NotFound
from subgraphs.kit.event_store.sourced import Facts
from subgraphs.kit.messages import Event
from subgraphs.kit.records import values_of
from subgraphs.kit.steps import Given
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.payments import messages, model, store
from subgraphs.payments.aggregates import ESCROWS
from subgraphs.payments.model import NO_PAYOUT, Payout
from subgraphs.payments.records import EscrowRecord
from subgraphs.payments.tables import ESCROW_ROWS

_NOT_MADE = "The booking could not be made"


async def create(uow: UnitOfWork, given: Given) -> Given:
    """Create the escrow of a booking and move the client's money into it.

    Raises Conflict if the booking has ended, or has an escrow that was not wholly refunded.
    """
    await check_not_ended(uow, UUID(given["bookingId"]))
    ids = {"booking_id": "bookingId", "request_id": "requestId", "client_id": "clientId"}
    ids |= {"musician_id": "musicianId", "musician_user_id": "musicianUserId"}
    values = {column: UUID(given[name]) for column, name in ids.items()}
    money = {"amount": Decimal(given["amount"]), "currency": given["currency"]}
    escrow = await ESCROWS.create(uow, uuid4(), {**values, **money}, messages.EscrowCreated, _facts)
    if escrow is None:
        raise Conflict(f"The booking {given['bookingId']} has an escrow already")
    payment_id, people = uuid4(), {name: values[name] for name in ("client_id", "musician_user_id")}
    await store.add_payment(uow, {"id": payment_id, "escrow_id": escrow.id, **people, **money})
    transaction = await _post(uow, escrow, model.charge_entries(escrow))
    facts = {"paymentId": str(payment_id), "amount": given["amount"], "currency": given["currency"]}
    return {"escrowId": str(escrow.id), **facts, "transactionId": str(transaction)}


async def uncreate(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo `create`: refund the client and void the charge.

    Raises Conflict if the musician was paid from the escrow.
    """
    escrow = await _locked(uow, done)
    model.check_voidable(escrow)
    await store.void_payment(uow, escrow.id)
    if escrow.status == "held":
        await store.add_refund(
            uow, {"id": uuid4(), "escrow_id": escrow.id, "amount": escrow.amount, "reason": _NOT_MADE}
        )
        await _reverse(uow, escrow, done)
        await _refunded(uow, escrow, model.payout_to_client(escrow), _NOT_MADE)
    return {"escrowId": str(escrow.id), "refunded": str(escrow.amount)}


async def release(uow: UnitOfWork, given: Given) -> Given:
    """Pay the whole escrow of a booking to the musician.

    Raises NotFound if the booking has no escrow, Conflict unless its money is held.
    """
    escrow = await _of_booking(uow, given)
    payout = model.payout_to_musician(escrow)
    transaction = await _post(uow, escrow, model.payout_entries(escrow, payout))
    changed = await _pay_out(uow, escrow, payout, messages.EscrowReleased)
    amounts = {"released": str(changed.released), "currency": escrow.currency}
    return {"escrowId": str(escrow.id), **amounts, "transactionId": str(transaction)}


async def unrelease(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo `release`: move the money back into the escrow. Raises Conflict if the charge was voided."""
    escrow = await _restore(uow, done)
    return {"escrowId": str(escrow.id), "released": str(escrow.released)}


async def refund(uow: UnitOfWork, given: Given) -> Given:
    """Refund `percent` of a booking's escrow to the client, and pay the rest to the musician.

    Nothing is paid if the booking has no escrow or a wholly refunded one: the saga that made the booking had
    not charged the client yet, or is being undone. From now on no escrow is made for the booking. Raises
    Conflict if the musician was paid.
    """
    await mark_ended(uow, UUID(given["bookingId"]))
    escrow = await store.lock_of_booking(uow, UUID(given["bookingId"]))
    if escrow is None or escrow.status == "refunded":
        return {
            "escrowId": None,
            "bookingId": given["bookingId"],
            "refunded": "0.00",
            "paidToMusician": "0.00",
        }
    model.check_held(escrow)
    payout = model.split_payout(escrow.amount, given["percent"], escrow.currency)
    transaction = await _post(uow, escrow, model.payout_entries(escrow, payout))
    if payout.refunded:
        refund_ids = {"id": uuid4(), "escrow_id": escrow.id}
        await store.add_refund(uow, {**refund_ids, "amount": payout.refunded, "reason": given["reason"]})
    changed = await _refunded(uow, escrow, payout, given["reason"])
    amounts = {"refunded": str(changed.refunded), "paidToMusician": str(changed.released)}
    ids = {"escrowId": str(escrow.id), "bookingId": given["bookingId"]}
    return {**ids, **amounts, "currency": escrow.currency, "transactionId": str(transaction)}


async def unrefund(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo `refund`: move the money back into the escrow.

    Raises Conflict if the charge was voided, or the booking has another escrow now.
    """
    await unmark_ended(uow, UUID(given["bookingId"]))
    if done["escrowId"] is None:
        return {}
    escrow = await _restore(uow, done)
    return {
        "escrowId": str(escrow.id),
        "refunded": str(escrow.refunded),
        "paidToMusician": str(escrow.released),
    }


async def _restore(uow: UnitOfWork, done: Given) -> EscrowRecord:
    """Undo the payout of an escrow by the step with the result `done`; return the escrow, with its
    money held.

    An escrow has at most one payout, because a payout needs a held escrow.
    """
    escrow = await _locked(uow, done)
    model.check_restorable(await store.payment_of(uow, escrow.id))
    await _reverse(uow, escrow, done)
    await store.undo_refunds(uow, escrow.id)
    return await _pay_out(uow, escrow, NO_PAYOUT, messages.EscrowRestored)


async def _of_booking(uow: UnitOfWork, given: Given) -> EscrowRecord:
    """Return the escrow of a booking, locked. Raises NotFound, and Conflict unless its money is held."""
    escrow = await store.lock_of_booking(uow, UUID(given["bookingId"]))
    if escrow is None:
        raise NotFound(f"The booking {given['bookingId']} has no escrow")
    model.check_held(escrow)
    return escrow


async def _locked(uow: UnitOfWork, done: Given) -> EscrowRecord:
    """Return the escrow in the result of a step, locked. Raises NotFound."""
    escrow_id = UUID(done["escrowId"])
    return await ESCROW_ROWS.lock(uow, escrow_id, f"There is no escrow with the id {escrow_id}")


async def _post(uow: UnitOfWork, escrow: EscrowRecord, entries: model.Entries) -> UUID:
    transaction = uuid4()
    await store.post(uow, escrow, transaction, model.balanced(entries))
    return transaction


async def _reverse(uow: UnitOfWork, escrow: EscrowRecord, done: Given) -> None:
    entries = await store.entries_of(uow, UUID(done["transactionId"]))
    await _post(uow, escrow, model.reversed_entries(entries))


async def _refunded(uow: UnitOfWork, escrow: EscrowRecord, payout: Payout, reason: str) -> EscrowRecord:
    def facts(changed: EscrowRecord) -> dict[str, Any]:
        return {**_facts(changed), "reason": reason}

    return await _pay_out(uow, escrow, payout, messages.EscrowRefunded, facts)


async def _pay_out(
    uow: UnitOfWork,
    escrow: EscrowRecord,
    payout: Payout,
    event: type[Event],
    facts: Facts[EscrowRecord] | None = None,
) -> EscrowRecord:
    amounts = {"released": payout.released, "refunded": payout.refunded}
    values = {"status": payout.status(escrow.amount), **amounts}
    try:
        return await ESCROWS.change(uow, escrow, values, event, facts or _facts)
    except IntegrityError as error:
        raise Conflict("The payout cannot be undone: the booking has another escrow now") from error


_FACTS = (
    "booking_id request_id client_id musician_id musician_user_id amount currency status"
    " released refunded version"
)


def _facts(escrow: EscrowRecord) -> dict[str, Any]:
    return {"escrow_id": escrow.id, **values_of(escrow, *_FACTS.split())}
