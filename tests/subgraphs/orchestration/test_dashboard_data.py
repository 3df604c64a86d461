"""What the dashboard reads from a saga's input and the results of its steps, whatever they contain."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from gateway.saga.journal import SagaView, StepView
from subgraphs.orchestration.dashboard_data import booking_of, details, summary

AT = datetime(2026, 1, 1, tzinfo=UTC)


def saga(*steps: tuple[str, str, str, Any], **data: Any) -> SagaView:
    """Return a saga of steps, each with its name, service, status and result."""
    made = [
        StepView(number, name, service, "op", status, 1, result, None, AT, AT)
        for number, (name, service, status, result) in enumerate(steps)
    ]
    view = SagaView(UUID(int=1), "t", 1, "in_progress", "k", "by", "c", data, None, None, AT, None, AT)
    return replace(view, steps=made)


def test_the_booking() -> None:
    """The booking's values come from the input and the results, the later ones first."""
    view = saga(
        ("a", "requests", "completed", {"bookingId": "b", "title": "old", "price": "400"}),
        ("b", "calendar", "completed", {"title": "new", "slotId": "s"}),
        bookingId="other",
        clientId="c",
        password="x",
    )
    assert booking_of(view) == {"bookingId": "b", "title": "new", "clientId": "c", "price": "400"}


@pytest.mark.parametrize(
    "result", [None, [], "text", 5, {"amount": None}, {"amount": {"a": 1}}, {"amount": True}]
)
def test_results_of_any_shape(result: Any) -> None:
    """A result that is no object, or whose amount is none, is no booking and no money."""
    found = details(saga(("pay", "payments", "completed", result)), None)
    assert (found["booking"], found["money"], found["deadline_at"]) == ({}, [], None)


def test_the_money() -> None:
    """Amounts are shown for payment steps only, with the result's own currency, else the booking's; what was
    undone is marked.
    """
    view = saga(
        ("hold", "payments", "compensated", {"amount": "400.00", "currency": "JPY"}),
        ("cancel", "requests", "completed", {"currency": "EUR", "amount": "1"}),
        ("refund", "payments", "completed", {"refunded": "150.00", "paidToMusician": "250.00"}),
        ("payout", "payments", "completed", {"released": 0}),
    )
    money = details(view, AT)["money"]
    assert [(one["kind"], one["amount"], one["currency"], one["step"], one["undone"]) for one in money] == [
        ("held", "400.00", "JPY", "hold", True),
        ("released", "250.00", "EUR", "refund", False),
        ("refunded", "150.00", "EUR", "refund", False),
        ("released", "0", "EUR", "payout", False),
    ]


def test_a_row_of_the_list() -> None:
    """A row has the step at which the saga is, and how many there are."""
    view = saga(("a", "s", "completed", None), ("b", "s", "in_progress", None), ("c", "s", "pending", None))
    row = summary(view)
    assert (row["step"], row["step_number"], row["total_steps"]) == ("b", 2, 3)
    assert summary(saga())["step"] is None
