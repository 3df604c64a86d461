"""The rules of money: amounts to the cent, accounts, and the states of an escrow.

Money moves between accounts in transactions whose entries add up to 0. A client's balance is minus the sum of
their payments, a musician's balance is the sum of their earnings, an escrow's balance is the money in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final
from uuid import UUID

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput, Conflict
from subgraphs.payments.records import EscrowRecord, PaymentRecord

Entries = Mapping[str, Decimal]
"""The entries of one transaction: the amount that is added to each account."""
CENT = Decimal("0.01")


def client_account(user_id: UUID) -> str:
    """Return the name of a client's account, by the user's id."""
    return f"client:{user_id}"


def escrow_account(escrow_id: UUID) -> str:
    """Return the name of an escrow's account."""
    return f"escrow:{escrow_id}"


def musician_account(musician_id: UUID) -> str:
    """Return the name of a musician's account, by the profile's id."""
    return f"musician:{musician_id}"


def balanced(entries: Entries) -> Entries:
    """Return the entries without those of amount 0. Raises AssertionError if they do not add up to 0."""
    if sum(entries.values()) != 0:
        raise AssertionError(f"the entries of a transaction must add up to 0, got {entries}")
    return {account: amount for account, amount in entries.items() if amount}


def reversed_entries(entries: Entries) -> Entries:
    """Return the entries of the transaction with the opposite effect."""
    return {account: -amount for account, amount in entries.items()}


@dataclass(frozen=True, slots=True)
class Payout:
    """What an escrow has paid: `released` to the musician, `refunded` to the client."""

    released: Decimal
    refunded: Decimal

    def status(self, amount: Decimal) -> str:
        """Return the status of an escrow of `amount` that has paid out its whole amount or nothing."""
        if not self.released and not self.refunded:
            return "held"
        if self.released == amount:
            return "released"
        return "refunded" if self.refunded == amount else "partly_refunded"


NO_PAYOUT: Final = Payout(Decimal("0.00"), Decimal("0.00"))


def payout_to_musician(escrow: EscrowRecord) -> Payout:
    """Return the payout of the whole escrow to the musician."""
    return Payout(escrow.amount, NO_PAYOUT.refunded)


def payout_to_client(escrow: EscrowRecord) -> Payout:
    """Return the payout of the whole escrow to the client."""
    return Payout(NO_PAYOUT.released, escrow.amount)


def split_payout(amount: Decimal, percent: int) -> Payout:
    """Return the payout of an amount of which `percent` is refunded; the musician is paid the rest.

    Half a cent is rounded in favour of the client; the parts add up to the amount.
    """
    refunded = (amount * percent / 100).quantize(CENT, ROUND_HALF_UP)
    return Payout(amount - refunded, refunded)


def charge_entries(escrow: EscrowRecord) -> Entries:
    """Return the entries of the transaction that charges the client into the escrow."""
    return {client_account(escrow.client_id): -escrow.amount, escrow_account(escrow.id): escrow.amount}


def payout_entries(escrow: EscrowRecord, payout: Payout) -> Entries:
    """Return the entries of the transaction that pays the money in the escrow to client and musician."""
    return {
        escrow_account(escrow.id): -escrow.amount,
        client_account(escrow.client_id): payout.refunded,
        musician_account(escrow.musician_id): payout.released,
    }


def check_held(escrow: EscrowRecord) -> None:
    """Raise Conflict unless the escrow's money is held."""
    if escrow.status != "held":
        raise Conflict(f"Only a held escrow can be paid out, this one is {escrow.status.replace('_', ' ')}")


def check_voidable(escrow: EscrowRecord) -> None:
    """Raise Conflict if the musician was paid from the escrow, so that its charge cannot be undone."""
    if escrow.status not in ("held", "refunded"):
        raise Conflict("The charge cannot be undone: the musician was paid from the escrow")


def check_restorable(payment: PaymentRecord | None) -> None:
    """Raise Conflict if the charge of an escrow was voided, so that its payout cannot be undone."""
    if payment is None or payment.status == "voided":
        raise Conflict("The payout cannot be undone: the charge was voided")


def check_amount(amount: Decimal) -> Decimal:
    """Check the amount of a charge, which must be above 0. Raises BadUserInput."""
    if not (checked := checks.money(amount, "amount")):
        raise BadUserInput("'amount' must be greater than 0, got 0", "amount")
    return checked


def check_reason(reason: str) -> str:
    """Check the reason of a refund: one line of 1 to 500 characters. Raises BadUserInput."""
    return checks.text(reason, "reason", 500)
