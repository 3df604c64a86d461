"""Why a saga has not succeeded, whatever the journal has of its attempts."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from gateway.saga.journal import AttemptView, SagaView, StepView
from subgraphs.orchestration.failures import Reason, reason_of

AT = datetime(2026, 1, 1, tzinfo=UTC)
LATE, TAKEN = "escrow: did not reply within 8 s", "calendar: The musician is taken"
DONE = ("escrow", "do", "done", None)
REFUSED = ("calendar", "do", "refused", TAKEN)
LATE_DO, LATE_UNDO = ("escrow", "do", "failed", LATE), ("escrow", "undo", "failed", LATE)
UNDONE = ("escrow", "undo", "done", None)
OPERATED = ("", "compensate", "told", "a mistake")
Tried = tuple[str, Any, str | None, str | None]


def saga(status: str, error: str | None, code: str | None, *tried: Tried, stuck: str = "") -> SagaView:
    """Return a saga with attempts: step, direction, outcome and error. `stuck`: the step without an undo."""
    attempts = [
        AttemptView(step, direction, 1, outcome, text, "", AT, AT if outcome else None)
        for step, direction, outcome, text in tried
    ]
    steps = [
        StepView(number, name, name, "op", state, 1, None, None, AT, AT)
        for number, name in enumerate(("escrow", "calendar"))
        for state in ("compensation_failed" if name == stuck else "completed",)
    ]
    view = SagaView(UUID(int=1), "t", 1, status, "k", "by", "c", {}, error, code, AT, None, None)
    return replace(view, steps=steps, attempts=attempts)


CONFLICT = Reason("CONFLICT", "The musician is taken", "calendar")


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (saga("compensated", TAKEN, "CONFLICT", DONE, REFUSED, UNDONE), CONFLICT),
        (saga("compensating", TAKEN, "CONFLICT", LATE_DO, DONE, REFUSED), CONFLICT),
        (saga("compensated", TAKEN, "CONFLICT", DONE, REFUSED, LATE_UNDO, UNDONE), CONFLICT),
        (
            saga("compensation_failed", LATE, "TIMEOUT", DONE, REFUSED, LATE_UNDO, stuck="escrow"),
            Reason("TIMEOUT", "did not reply within 8 s", "escrow"),
        ),
        (
            saga("in_progress", LATE, "TIMEOUT", LATE_DO),
            Reason("TIMEOUT", "did not reply within 8 s", "escrow"),
        ),
        (
            saga("in_progress", LATE, "TIMEOUT", LATE_DO, ("escrow", "do", None, None)),
            Reason("TIMEOUT", "did not reply within 8 s", "escrow"),
        ),
        (saga("in_progress", LATE, "TIMEOUT", LATE_DO, DONE), None),
        (saga("completed", LATE, "TIMEOUT", LATE_DO, DONE), None),
        (saga("compensated", LATE, "TIMEOUT", LATE_DO, DONE, OPERATED, UNDONE), None),
        (
            saga("compensated", "the deadline has passed", "DEADLINE", DONE, UNDONE),
            Reason("DEADLINE", "the deadline has passed", None),
        ),
        (
            saga("compensated", "the deadline has passed", "DEADLINE", LATE_DO, UNDONE),
            Reason("DEADLINE", "the deadline has passed", "escrow"),
        ),
        (saga("started", None, None), None),
    ],
)
def test_the_reason(view: SagaView, reason: Reason | None) -> None:
    """The reason is the failed step's error, not that of an undo or of an attempt that was repeated."""
    assert reason_of(view) == reason
