"""The rules of money, without I/O: amounts to the cent, accounts, and the states of an escrow.

Money moves between accounts in transactions whose entries add up to 0. A client's balance is minus the sum of
their payments, a musician's balance is the sum of their earnings, an escrow's balance is the money in it.

Example: a client pays 100 into an escrow, and half of it is refunded. The entries are client -100, escrow
+100; then escrow -100, client +50, musician +50.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final
from uuid import UUID

from subgraphs.kit import checks
from subgraphs.kit.currencies import unit_of
from subgraphs.kit.errors import BadUserInput, Conflict
from subgraphs.payments.records import EscrowRecord, PaymentRecord

Entries = Mapping[str, Decimal]
"""The entries of one transaction: by account, the amount that is added to it (negative: taken from it)."""
CENT = Decimal("0.01")


def client_account(user_id: UUID) -> str:
    """Return the name of a client's account, which contains the user's id."""
    return f"client:{user_id}"


def escrow_account(escrow_id: UUID) -> str:
    """Return the name of an escrow's account."""
    return f"escrow:{escrow_id}"


def musician_account(musician_id: UUID) -> str:
    """Return the name of a musician's account, which contains the profile's id."""
    return f"musician:{musician_id}"


def balanced(entries: Entries) -> Entries:
    """Return the entries without those of amount 0. Raises AssertionError if they do not add up to 0."""
    if sum(entries.values()) != 0:
        raise AssertionError(f"the entries of a transaction must add up to 0, got {entries}")
    return {account: amount for account, amount in entries.items() if amount}


def reversed_entries(entries: Entries) -> Entries:
    """Return the entries of a transaction that undoes a transaction with `entries`: the opposite amounts."""
    return {account: -amount for account, amount in entries.items()}


@dataclass(frozen=True, slots=True)
class Payout:
    """The amounts that an escrow has paid: `released` to the musician, `refunded` to the client."""

    released: Decimal
    refunded: Decimal

    def status(self, amount: Decimal) -> str:
        """Return the status of an escrow with this payout; it has paid its whole `amount` or nothing."""
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


def split_payout(amount: Decimal, percent: int, currency: str = "EUR") -> Payout:
    """Return the payout of `amount` of which `percent` (0 to 100) is refunded and the rest goes to
    the musician.

    Half of the currency's smallest amount is rounded in favour of the client; the two parts add up to the
    amount.
    """
    refunded = (amount * percent / 100).quantize(unit_of(currency), ROUND_HALF_UP).quantize(CENT)
    return Payout(amount - refunded, refunded)


def charge_entries(escrow: EscrowRecord) -> Entries:
    """Return the entries of the transaction that moves the escrow's amount from the client into it."""
    return {client_account(escrow.client_id): -escrow.amount, escrow_account(escrow.id): escrow.amount}


def payout_entries(escrow: EscrowRecord, payout: Payout) -> Entries:
    """Return the entries of the transaction that moves the escrow's amount to client and musician."""
    return {
        escrow_account(escrow.id): -escrow.amount,
        client_account(escrow.client_id): payout.refunded,
        musician_account(escrow.musician_id): payout.released,
    }


def check_held(escrow: EscrowRecord) -> None:
    """Raise Conflict unless the escrow has the status "held": it has paid nothing yet."""
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
    """Return the checked amount of a charge. Raises BadUserInput unless it is above 0."""
    if not (checked := checks.money(amount, "amount")):
        raise BadUserInput("'amount' must be greater than 0, got 0", "amount")
    return checked


def check_reason(reason: str) -> str:
    """Return the trimmed reason of a refund.

    Raises BadUserInput unless it is one line of 1 to 500 characters.
    """
    return checks.text(reason, "reason", 500)
