"""The rules of money: what goes where, to the cent, and in which states of an escrow it may.

Money moves between accounts in transactions whose entries sum up to nothing. The account of a client shows
minus what they have paid, that of a musician what they have earned, that of an escrow what waits in it.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput, Conflict

Entries = Mapping[str, Decimal]
"""The entries of one transaction: how much is added to each account."""
CENT = Decimal("0.01")


def client_account(user_id: UUID) -> str:
    """The account of a client, by their user."""
    return f"client:{user_id}"


def escrow_account(escrow_id: UUID) -> str:
    """The account of what waits in an escrow."""
    return f"escrow:{escrow_id}"


def musician_account(musician_id: UUID) -> str:
    """The account of a musician, by their profile."""
    return f"musician:{musician_id}"


def moved(entries: Entries) -> Entries:
    """The entries of a transaction without those of nothing; what does not balance is a mistake of ours."""
    if sum(entries.values()) != 0:
        raise AssertionError(f"a transaction that does not balance: {entries}")
    return {account: amount for account, amount in entries.items() if amount}


def taken_back(entries: Entries) -> Entries:
    """The transaction that has the opposite effect."""
    return {account: -amount for account, amount in entries.items()}


def shares(amount: Decimal, percent: int) -> tuple[Decimal, Decimal]:
    """What the client gets back and what the musician gets.

    A half cent is the client's, and nothing is lost between them.
    """
    refunded = (amount * percent / 100).quantize(CENT, ROUND_HALF_UP)
    return refunded, amount - refunded


def status_of(amount: Decimal, released: Decimal, refunded: Decimal) -> str:
    """Where an escrow stands that has paid out all of it or nothing."""
    if not released and not refunded:
        return "held"
    if released == amount:
        return "released"
    return "refunded" if refunded == amount else "partly_refunded"


def check_held(status: str) -> None:
    """Refuse to pay out what was paid out."""
    if status != "held":
        raise Conflict(f"The escrow is {status.replace('_', ' ')}, so there is nothing in it to pay out")


def check_amount(amount: Decimal) -> Decimal:
    """What a client pays: more than nothing."""
    if not (checked := checks.money(amount, "amount")):
        raise BadUserInput("'amount' must be more than nothing", "amount")
    return checked


def check_reason(reason: str) -> str:
    """Why a client gets money back, in a line."""
    return checks.text(reason, "reason", 500)
