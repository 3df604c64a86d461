"""The rules of a booking's life without a database."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as some

from subgraphs.kit.errors import BadUserInput, Conflict, Forbidden
from subgraphs.requests import life
from tests.subgraphs.requests.test_model import (
    CLIENT,
    NOW,
    PLAYER,
    STATUSES,
    STRANGER,
    allowed,
    application,
    booking,
    request,
)

ANY_STATUS = some.sampled_from(sorted(STATUSES["booking"]))


@given(ANY_STATUS, some.integers(-3, 3))
def test_a_booking_is_completed_after_its_event(status: str, hours: int) -> None:
    """The client can complete a confirmed booking from the end of its event on, nobody else can."""
    event = booking(status, NOW + timedelta(hours=hours))
    done = allowed(life.check_completable, event, CLIENT, NOW)
    assert done == (status == "confirmed" and hours <= 0)
    with pytest.raises(Forbidden):
        life.check_completable(event, PLAYER, NOW)


@given(ANY_STATUS, some.integers(-30, 30))
def test_a_payout_waits_for_objections(status: str, hours: int) -> None:
    """A confirmed booking is payable 24 hours after its end, and no other one."""
    event = booking(status, NOW + timedelta(hours=hours))
    due = life.time_of_payout(event)
    assert (due is not None) == (status == "confirmed")
    assert due is None or life.has_come(due, NOW) == (hours <= -24)


@given(ANY_STATUS, some.integers(-3, 3), some.booleans())
def test_only_a_standing_offer_is_confirmed(status: str, hours: int, is_offered: bool) -> None:
    """It is pending, the saga that makes it has ended, and neither the time to answer nor the event has
    begun to pass.
    """
    made = replace(booking(status, NOW + timedelta(days=3)), is_offered=is_offered)
    made = replace(made, expires_at=NOW + timedelta(hours=hours))
    expected = status == "pending" and is_offered and hours > 0
    assert allowed(life.check_confirmable, made, PLAYER, NOW) == expected
    end = life.end_of_offer(made)
    assert (end is not None) == (status == "pending")
    assert end is None or life.has_come(end, NOW) == (hours <= 0)
    for other in (CLIENT, STRANGER):
        with pytest.raises(Forbidden):
            life.check_confirmable(made, other, NOW)


@given(ANY_STATUS, some.integers(-3, 3))
def test_cancelled_before_and_objected_to_after_the_start(status: str, hours: int) -> None:
    """At each moment a confirmed booking can be cancelled or objected to, never both."""
    start = NOW + timedelta(hours=hours)
    made = replace(booking(status, start + timedelta(hours=4)), starts_at=start)
    cancelled = allowed(life.check_cancellable, made, NOW)
    objected = allowed(life.check_objectionable, made, PLAYER, NOW)
    assert cancelled == (status in ("pending", "confirmed") and hours > 0)
    assert objected == (status == "confirmed" and hours <= 0)
    with pytest.raises(Forbidden):
        life.check_objectionable(made, STRANGER, NOW)


@pytest.mark.parametrize(
    ("ahead", "percent"),
    [
        (timedelta(days=14), 100),
        (timedelta(days=14) - timedelta(seconds=1), 50),
        (timedelta(days=7), 50),
        (timedelta(days=7) - timedelta(seconds=1), 0),
        (timedelta(seconds=1), 0),
    ],
)
def test_the_policy(ahead: timedelta, percent: int) -> None:
    """What a client gets back depends on the time before the event; of an offer, and if the musician
    cancels, it is all.
    """
    made = replace(booking("confirmed"), starts_at=NOW + ahead)
    assert life.refunded_percent(made, "client", NOW) == percent
    assert life.refunded_percent(made, "musician", NOW) == 100
    assert life.refunded_percent(replace(made, status="pending"), "client", NOW) == 100


def test_parties_of_a_booking() -> None:
    """Client and musician are the parties."""
    made = booking()
    for user_id, party in ((CLIENT, "client"), (PLAYER, "musician")):
        life.check_party(made, user_id)
        assert life.party_of(made, user_id) == party
    with pytest.raises(Forbidden):
        life.check_party(made, STRANGER)


def test_a_price_that_somebody_has_named() -> None:
    """It is the application's, or the client's; never none, 0, or another than the application's."""
    applied = application()
    assert life.price_of(applied, None, "EUR") == applied.proposed_price
    assert life.price_of(applied, applied.proposed_price, "EUR") == applied.proposed_price
    assert life.price_of(None, Decimal("250.50"), "EUR") == Decimal("250.50")
    with pytest.raises(Conflict, match=str(applied.proposed_price)):
        life.price_of(applied, Decimal(1), "EUR")
    for wrong in (None, Decimal(0), Decimal(-1)):
        with pytest.raises(BadUserInput, match="price"):
            life.price_of(None, wrong, "EUR")
    with pytest.raises(BadUserInput, match="JPY has no decimals"):
        life.price_of(None, Decimal("250.50"), "JPY")


def test_the_budget_needs_a_word() -> None:
    """Bounds are inside; outside of them the client must agree."""
    event = request()
    for price in (event.budget_min, event.budget_max):
        life.check_within_budget(event, price, accepted=False)
    for price in (event.budget_min - Decimal("0.01"), event.budget_max + Decimal("0.01")):
        with pytest.raises(Conflict, match="acceptOutsideBudget"):
            life.check_within_budget(event, price, accepted=False)
        life.check_within_budget(event, price, accepted=True)


def test_the_terms_of_an_offer() -> None:
    """Currency, times and client are the request's; the time to answer ends with the start of the event."""
    event, musician = request(), (uuid4(), STRANGER)
    terms = life.BookingTerms.of(event, musician, Decimal(200), None, NOW)
    assert (terms.request_id, terms.client_id, terms.currency) == (event.id, CLIENT, "CHF")
    assert (terms.starts_at, terms.ends_at) == (event.starts_at, event.ends_at)
    assert (terms.musician_id, terms.musician_user_id, terms.is_offered) == (*musician, False)
    assert terms.expires_at == event.starts_at
    later = replace(event, starts_at=NOW + timedelta(days=9))
    assert life.BookingTerms.of(later, musician, Decimal(200), None, NOW).expires_at == NOW + timedelta(
        hours=48
    )
