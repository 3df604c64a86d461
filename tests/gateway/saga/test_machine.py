"""The saga's state machine: every path through it, without a clock."""

import pytest

from gateway.core.errors import SagaError
from gateway.saga.definition import Definitions, RetryPolicy, Saga, Step
from gateway.saga.machine import (
    ACTIVE,
    VERBS,
    Attempt,
    SagaState,
    Status,
    StepState,
    StepStatus,
    Verb,
    begun,
    done,
    failed,
    next_move,
    operated,
    start_compensation,
)


def state(status: Status, *steps: StepStatus) -> SagaState:
    """Return a state with the steps a, b, c, ..."""
    return SagaState(status, tuple(StepState(name, one) for name, one in zip("abcdef", steps, strict=False)))


def test_the_straight_way() -> None:
    """Each step begins and is done, in order; then the saga is completed, and there is no next move."""
    here = state("started", "pending", "pending")
    for number in range(2):
        move = next_move(here)
        assert move == Attempt(number, "do")
        assert isinstance(move, Attempt)
        here = begun(here, move)
        assert here.status == "in_progress"
        assert next_move(here) == move, "who takes it over does the same step again"
        here = done(here, move)
    assert next_move(here) == "completed"
    assert next_move(state("completed", "completed", "completed")) is None


def test_a_refused_step_turns_back() -> None:
    """The completed steps are undone in reverse order; the refused step needs no undo."""
    here = begun(state("in_progress", "completed", "completed", "pending"), Attempt(2, "do"))
    here = failed(here, Attempt(2, "do"), 5, refused=True)
    assert (here.status, here.steps[2].status, here.steps[2].uncertain) == ("compensating", "failed", False)
    for number in (1, 0):
        move = next_move(here)
        assert move == Attempt(number, "undo")
        assert isinstance(move, Attempt)
        here = done(begun(here, move), move)
    assert next_move(here) == "compensated"


def test_a_step_that_may_have_happened_is_undone() -> None:
    """After timeouts the step itself is undone first, also if its last attempt was refused."""
    for last_refused in (False, True):
        here = state("in_progress", "completed", "pending")
        move = Attempt(1, "do")
        for number in range(3):
            here = failed(begun(here, move), move, 3, refused=last_refused and number == 2)
        assert here.steps[1].status == "failed"
        assert next_move(here) == Attempt(1, "undo")


def test_nothing_happened() -> None:
    """If the first step is refused, nothing is undone, and the saga has failed."""
    here = failed(begun(state("started", "pending"), Attempt(0, "do")), Attempt(0, "do"), 3, refused=True)
    assert next_move(here) == "failed"


def test_undoing_that_fails_waits_for_a_person() -> None:
    """After all attempts the saga is compensation_failed; `retry` tries again, `skip` skips the step."""
    here = start_compensation(state("in_progress", "completed", "completed"))
    move = Attempt(1, "undo")
    for _ in range(3):
        assert here.status == "compensating"
        here = failed(begun(here, move), move, 3, refused=False)
    assert (here.status, here.steps[1].status, next_move(here)) == (
        "compensation_failed",
        "compensation_failed",
        None,
    )
    again = operated(here, "retry")
    assert (next_move(again), again.steps[1].failures) == (move, 0)
    skipped = operated(here, "skip")
    assert next_move(skipped) == Attempt(0, "undo")
    assert next_move(operated(here, "compensate")) == move


def test_an_undo_that_is_refused_waits_for_a_person_at_once() -> None:
    """A service that refuses an undo would refuse it again, so the attempt is not repeated."""
    here = start_compensation(state("in_progress", "completed", "completed"))
    refused = failed(begun(here, Attempt(1, "undo")), Attempt(1, "undo"), 12, refused=True)
    assert (refused.status, refused.steps[1].status) == ("compensation_failed", "compensation_failed")


def test_a_deadline_turns_back() -> None:
    """No step begins after the deadline."""
    assert next_move(state("in_progress", "completed", "pending"), late=True) == "compensating"
    assert next_move(state("compensating", "completed", "pending"), late=True) == Attempt(0, "undo")
    assert next_move(state("completed", "completed"), late=True) is None


def test_calling_off() -> None:
    """A step in progress may have taken effect, so it is undone too; the final status is cancelled."""
    here = operated(state("in_progress", "completed", "in_progress", "pending"), "cancel")
    assert next_move(here) == Attempt(1, "undo")
    here = done(begun(here, Attempt(1, "undo")), Attempt(1, "undo"))
    here = done(begun(here, Attempt(0, "undo")), Attempt(0, "undo"))
    assert next_move(here) == "cancelled"


def test_skipping_a_step() -> None:
    """After a skipped step the next one runs."""
    assert next_move(
        operated(state("in_progress", "completed", "in_progress", "pending"), "skip")
    ) == Attempt(2, "do")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "status",
    [
        "started",
        "in_progress",
        "completed",
        "failed",
        "compensating",
        "compensated",
        "compensation_failed",
        "cancelled",
    ],
)
def test_an_operators_word_makes_sense_or_is_refused(verb: Verb, status: Status) -> None:
    """In each status each operation either continues the saga, or is refused with SAGA_STATE."""
    step: StepStatus = "compensation_failed" if status == "compensation_failed" else "completed"
    here = state(status, step, "pending" if status in ("started", "in_progress") else "completed")
    if status in VERBS[verb]:
        assert operated(here, verb).status in ACTIVE
    else:
        with pytest.raises(SagaError) as caught:
            operated(here, verb)
        assert caught.value.code == "SAGA_STATE"


async def act(_: object) -> None:
    """Do nothing: an action that is never called."""


@pytest.mark.parametrize("names", [[], ["a", "a"], [""], ["a:b"]])
def test_sagas_are_checked(names: list[str]) -> None:
    """Steps need unique names without the separator of keys."""
    with pytest.raises(SagaError) as caught:
        Saga("s", tuple(Step(name, act) for name in names))
    assert caught.value.code == "INVALID_SAGA"


def test_versions() -> None:
    """New sagas get the newest version, running ones continue with theirs."""
    one, two = Saga("s", (Step("a", act),)), Saga("s", (Step("b", act),), version=2)
    definitions = Definitions.of([two, one])
    assert definitions.newest("s") is two
    assert definitions.pinned("s", 1) is one
    with pytest.raises(SagaError):
        definitions.newest("t")
    with pytest.raises(SagaError):
        definitions.pinned("s", 3)
    with pytest.raises(SagaError):
        Definitions.of([one, Saga("s", (Step("c", act),))])


def test_pauses_grow_and_are_spread() -> None:
    """Pauses are exponential backoff with full jitter, up to the longest pause."""
    retry = RetryPolicy(first=0.2, factor=2.0, longest=1.0)
    assert [retry.delay(failures, 1.0) for failures in (1, 2, 3, 4, 50)] == [0.2, 0.4, 0.8, 1.0, 1.0]
    assert retry.delay(3, 0.0) == 0.0
