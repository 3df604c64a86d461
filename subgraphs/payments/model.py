"""The rules of money: amounts to the cent, accounts, and the states of an escrow.

Money moves between accounts in transactions whose entries add up to 0. A client's balance is minus the sum of
their payments, a musician's balance is the sum of their earnings, an escrow's balance is the money in it.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput, Conflict

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


def shares(amount: Decimal, percent: int) -> tuple[Decimal, Decimal]:
    """Return the client's and the musician's share of a refund of `percent`.

    Half a cent is rounded in favour of the client; the shares add up to the amount.
    """
    refunded = (amount * percent / 100).quantize(CENT, ROUND_HALF_UP)
    return refunded, amount - refunded


def status_of(amount: Decimal, released: Decimal, refunded: Decimal) -> str:
    """Return the status of an escrow that has paid out its whole amount or nothing."""
    if not released and not refunded:
        return "held"
    if released == amount:
        return "released"
    return "refunded" if refunded == amount else "partly_refunded"


def check_held(status: str) -> None:
    """Raise Conflict unless the escrow's money is held."""
    if status != "held":
        raise Conflict(f"Only a held escrow can be paid out, this one is {status.replace('_', ' ')}")


def check_amount(amount: Decimal) -> Decimal:
    """Check the amount of a charge, which must be above 0. Raises BadUserInput."""
    if not (checked := checks.money(amount, "amount")):
        raise BadUserInput("'amount' must be greater than 0, got 0", "amount")
    return checked


def check_reason(reason: str) -> str:
    """Check the reason of a refund: one line of 1 to 500 characters. Raises BadUserInput."""
    return checks.text(reason, "reason", 500)
