"""The SQL statements of the payments service that `RecordTable` does not have; its tables are in `tables`.

A booking can have several escrows, because a wholly refunded one may be followed by a new one. The active
escrow of a booking is the one that was not wholly refunded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, insert, literal, or_, select, update
from sqlalchemy.dialects import postgresql

from subgraphs.kit.between import EVER, Between
from subgraphs.kit.database import Session, among_ids
from subgraphs.kit.pagination import Order
from subgraphs.kit.records import grouped, records
from subgraphs.payments.model import Entries, client_account
from subgraphs.payments.records import Balance, EscrowRecord, PaymentRecord, RefundRecord
from subgraphs.payments.tables import (
    ESCROW_ROWS,
    PAYMENT_ROWS,
    escrows,
    ledger_entries,
    payments,
    refunds,
)

NEWEST = Order("payments_newest", payments.c.created_at, datetime, payments.c.id, descending=True)
_ACTIVE_FIRST = ((escrows.c.status == "refunded").asc(), escrows.c.created_at.desc())
"""The order of a booking's escrows: one that was not wholly refunded first, then the newest."""
_OF_BOOKINGS = (
    select(escrows)
    .ext(postgresql.distinct_on(escrows.c.booking_id))
    .where(among_ids(escrows.c.booking_id))
    .order_by(escrows.c.booking_id, *_ACTIVE_FIRST)
)
_REFUNDS = select(refunds).where(among_ids(refunds.c.escrow_id)).order_by(refunds.c.created_at, refunds.c.id)


async def escrows_of_bookings(session: Session, ids: Sequence[UUID]) -> dict[UUID, EscrowRecord]:
    """Return the escrow of each booking, by booking id: the active one, or else the newest refunded one."""
    found = records(EscrowRecord, await session.fetch_all(_OF_BOOKINGS, ids=ids))
    return {escrow.booking_id: escrow for escrow in found}


async def refunds_of_escrows(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[RefundRecord]]:
    """Return the refunds of each escrow, by escrow id, the oldest first."""
    return grouped(records(RefundRecord, await session.fetch_all(_REFUNDS, ids=ids)), "escrow_id")


@dataclass(frozen=True, slots=True)
class PaymentCriteria:
    """Conditions on payments, joined by AND; None: no condition.

    `user_id`: who has paid or is paid. `charged`: when the client was charged.
    """

    user_id: UUID | None = None
    status: str | None = None
    charged: Between = EVER

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the SQL conditions."""
        found = list(self.charged.conditions(payments.c.created_at))
        if self.user_id is not None:
            found.append(
                or_(payments.c.client_id == self.user_id, payments.c.musician_user_id == self.user_id)
            )
        return found if self.status is None else [*found, payments.c.status == self.status]


async def balances(session: Session, user_id: UUID) -> list[Balance]:
    """Return the balances of a user's accounts as client and as musician, by account and currency."""
    profile = select(literal("musician:").op("||")(escrows.c.musician_id)).where(
        escrows.c.musician_user_id == user_id
    )
    account, currency = ledger_entries.c.account, ledger_entries.c.currency
    own = or_(account == client_account(user_id), account.in_(profile))
    summed = select(account, currency, func.sum(ledger_entries.c.amount).label("amount")).where(own)
    rows = await session.fetch_all(summed.group_by(account, currency).order_by(account, currency))
    return records(Balance, rows)


async def lock_of_booking(session: Session, booking_id: UUID) -> EscrowRecord | None:
    """Return the escrow of a booking, locked until the transaction ends; None if it has no escrow.

    It is the active one, or else the newest refunded one.
    """
    chosen = select(escrows).where(escrows.c.booking_id == booking_id).order_by(*_ACTIVE_FIRST).limit(1)
    return await ESCROW_ROWS.fetch_one(session, chosen.with_for_update())


async def add_payment(session: Session, values: Mapping[str, Any]) -> None:
    """Insert a row of the table `payments`: a charge."""
    await session.execute(insert(payments).values(**values))


async def payment_of(session: Session, escrow_id: UUID) -> PaymentRecord | None:
    """Return the charge of an escrow, None if there is none."""
    return await PAYMENT_ROWS.fetch_one(session, select(payments).where(payments.c.escrow_id == escrow_id))


async def void_payment(session: Session, escrow_id: UUID) -> None:
    """Mark the charge of an escrow as voided."""
    chosen = update(payments).where(payments.c.escrow_id == escrow_id)
    await session.execute(chosen.values(status="voided", updated_at=func.now()))


async def add_refund(session: Session, values: Mapping[str, Any]) -> None:
    """Insert a row of the table `refunds`."""
    await session.execute(insert(refunds).values(**values))


async def undo_refunds(session: Session, escrow_id: UUID) -> None:
    """Mark the refunds of an escrow as undone."""
    standing = (refunds.c.escrow_id == escrow_id) & refunds.c.undone_at.is_(None)
    await session.execute(update(refunds).where(standing).values(undone_at=func.now()))


async def post(session: Session, escrow: EscrowRecord, transaction_id: UUID, entries: Entries) -> None:
    """Insert the entries of a transaction into the ledger, in the escrow's currency."""
    shared = {"transaction_id": transaction_id, "escrow_id": escrow.id, "currency": escrow.currency}
    rows = [{**shared, "account": account, "amount": amount} for account, amount in entries.items()]
    await session.execute(insert(ledger_entries).values(rows))


async def entries_of(session: Session, transaction_id: UUID) -> Entries:
    """Return the entries of a transaction in the ledger; {} if there is no such transaction."""
    statement = select(ledger_entries).where(ledger_entries.c.transaction_id == transaction_id)
    return {row.account: row.amount for row in await session.fetch_all(statement)}
