"""Tests of the rules of money without a database: payouts, statuses, and entries that balance."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as some

from subgraphs.kit.errors import BadUserInput, Conflict
from subgraphs.payments import model
from subgraphs.payments.model import Payout
from subgraphs.payments.records import EscrowRecord, PaymentRecord

NOW = datetime(2027, 1, 1, tzinfo=UTC)
AMOUNTS = some.decimals(min_value="0.01", max_value="99999999.99", places=2)
PERCENTS = some.integers(min_value=0, max_value=100)


def escrow(amount: Decimal = Decimal("10.00"), status: str = "held") -> EscrowRecord:
    """Return an escrow with new ids."""
    ids = ("id", "booking_id", "request_id", "client_id", "musician_id", "musician_user_id")
    keys: dict[str, UUID] = {name: uuid4() for name in ids}
    nothing = Decimal("0.00")
    return EscrowRecord(
        **keys,
        amount=amount,
        currency="EUR",
        status=status,
        released=nothing,
        refunded=nothing,
        version=1,
        created_at=NOW,
        updated_at=NOW,
    )


def payment(status: str) -> PaymentRecord:
    """Return the charge of an escrow."""
    ids = {name: uuid4() for name in ("id", "escrow_id", "client_id", "musician_user_id")}
    rest: dict[str, Any] = {**ids, "amount": Decimal(10), "created_at": NOW, "updated_at": NOW}
    return PaymentRecord(**rest, currency="EUR", status=status)


@given(AMOUNTS, PERCENTS)
def test_a_split_payout_adds_up(amount: Decimal, percent: int) -> None:
    """No cent is lost, no part is negative, and the client gets at most half a cent too much."""
    payout = model.split_payout(amount, percent)
    assert payout.released + payout.refunded == amount
    assert min(payout.released, payout.refunded) >= 0
    assert abs(payout.refunded - amount * percent / 100) <= Decimal("0.005")
    assert payout.refunded == payout.refunded.quantize(model.CENT)


def test_half_a_cent_is_the_clients() -> None:
    """Of 0.01 at 50 percent the client gets the cent."""
    assert model.split_payout(Decimal("0.01"), 50) == Payout(Decimal("0.00"), Decimal("0.01"))


@given(AMOUNTS, PERCENTS)
def test_the_status_names_the_owner_of_the_money(amount: Decimal, percent: int) -> None:
    """released: all is paid to the musician; refunded: all to the client; partly_refunded: both get
    a part.
    """
    payout = model.split_payout(amount, percent)
    expected = {(True, True): "partly_refunded", (True, False): "released", (False, True): "refunded"}
    assert payout.status(amount) == expected[bool(payout.released), bool(payout.refunded)]
    assert model.NO_PAYOUT.status(amount) == "held"


@given(AMOUNTS, PERCENTS)
def test_entries_balance_and_empty_the_escrow(amount: Decimal, percent: int) -> None:
    """A charge and any payout each add up to 0; together they leave nothing in the escrow."""
    held = escrow(amount)
    charge = model.balanced(model.charge_entries(held))
    account = model.escrow_account(held.id)
    for payout in (
        model.split_payout(amount, percent),
        model.payout_to_musician(held),
        model.payout_to_client(held),
    ):
        paid = model.balanced(model.payout_entries(held, payout))
        assert charge[account] + paid[account] == 0
        assert sum(paid.values()) == 0
        assert all(paid.values())
        assert paid.get(model.client_account(held.client_id), Decimal(0)) == payout.refunded
        assert paid.get(model.musician_account(held.musician_id), Decimal(0)) == payout.released


@given(some.dictionaries(some.text(max_size=3), AMOUNTS, max_size=4))
def test_the_opposite_entries_cancel(entries: dict[str, Decimal]) -> None:
    """A transaction and its reverse change no balance."""
    opposite = model.reversed_entries(entries)
    assert {account: entries[account] + opposite[account] for account in entries} == dict.fromkeys(entries, 0)


def test_entries_that_do_not_balance_are_refused() -> None:
    """One missing cent raises AssertionError."""
    with pytest.raises(AssertionError, match="add up to 0"):
        model.balanced({"client:a": Decimal("-5.00"), "escrow:b": Decimal("4.99")})


@pytest.mark.parametrize("status", ["released", "refunded", "partly_refunded"])
def test_only_a_held_escrow_is_paid_out(status: str) -> None:
    """A second payout is a Conflict."""
    model.check_held(escrow())
    with pytest.raises(Conflict, match=status.replace("_", " ")):
        model.check_held(escrow(status=status))


@pytest.mark.parametrize(
    ("status", "voidable"),
    [("held", True), ("refunded", True), ("released", False), ("partly_refunded", False)],
)
def test_a_charge_is_undone_unless_the_musician_was_paid(status: str, voidable: bool) -> None:
    """The undo of a charge is a Conflict after a payment to the musician."""
    if voidable:
        model.check_voidable(escrow(status=status))
    else:
        with pytest.raises(Conflict, match="musician was paid"):
            model.check_voidable(escrow(status=status))


def test_the_payout_of_a_voided_charge_stays() -> None:
    """The undo of a payout is a Conflict after the charge was voided."""
    model.check_restorable(payment("captured"))
    for missing in (payment("voided"), None):
        with pytest.raises(Conflict, match="voided"):
            model.check_restorable(missing)


@pytest.mark.parametrize("amount", ["0", "0.00", "-1", "0.001", "NaN", "Infinity", "100000000"])
def test_wrong_amounts_are_refused(amount: str) -> None:
    """An amount must be above 0, below 100 million, and in whole cents."""
    assert model.check_amount(Decimal("0.01")) == Decimal("0.01")
    with pytest.raises(BadUserInput):
        model.check_amount(Decimal(amount))
