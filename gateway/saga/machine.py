"""The state machine of a saga: from a state to the next move, and from a state and an event to the next
state.

No I/O, no clock. `runner` makes the moves.
"""

from dataclasses import dataclass, replace
from typing import Literal

from gateway.core.errors import SagaError
from gateway.saga.definition import Direction

Status = Literal[
    "started",
    "in_progress",
    "completed",
    "failed",
    "compensating",
    "compensated",
    "compensation_failed",
    "cancelled",
]
StepStatus = Literal[
    "pending",
    "in_progress",
    "completed",
    "failed",
    "compensating",
    "compensated",
    "compensation_failed",
    "skipped",
]
Verb = Literal["retry", "skip", "compensate", "cancel"]

ACTIVE: frozenset[Status] = frozenset({"started", "in_progress", "compensating"})
UNDOABLE: frozenset[StepStatus] = frozenset({"completed", "in_progress", "compensating"})


@dataclass(frozen=True, slots=True)
class StepState:
    """The state of one step.

    `uncertain`: whether it has failed but may have taken effect, so that it must be undone. `failures`: in
    the current direction; `attempts`: in both directions.
    """

    name: str
    status: StepStatus = "pending"
    attempts: int = 0
    failures: int = 0
    uncertain: bool = False


@dataclass(frozen=True, slots=True)
class SagaState:
    """The state of a saga.

    `cancelled`: whether an operator has cancelled it, so that it ends with that status.
    """

    status: Status
    steps: tuple[StepState, ...]
    cancelled: bool = False

    def with_step(self, number: int, **changes: object) -> "SagaState":
        """Return the state with one step changed."""
        changed = replace(self.steps[number], **changes)  # type: ignore[arg-type]
        return replace(self, steps=(*self.steps[:number], changed, *self.steps[number + 1 :]))


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to do or undo a step. `number`: the step's, from 0."""

    number: int
    direction: Direction


def next_move(state: SagaState, late: bool = False) -> Attempt | Status | None:
    """Return the next move: an attempt, or a new status, or None if the saga has ended or waits for an
    operator.

    `late`: whether its deadline has passed.
    """
    if state.status in ("started", "in_progress"):
        if late:
            return "compensating"
        for number, step in enumerate(state.steps):
            if step.status in ("pending", "in_progress"):
                return Attempt(number, "do")
        return "completed"
    if state.status == "compensating":
        for number in reversed(range(len(state.steps))):
            if needs_undo(state.steps[number]):
                return Attempt(number, "undo")
        return end_of(state)
    return None


def needs_undo(step: StepState) -> bool:
    """Return whether a step has, or may have, taken effect."""
    return step.status in UNDOABLE or (step.status == "failed" and step.uncertain)


def end_of(state: SagaState) -> Status:
    """Return the final status of a saga whose steps are undone.

    It is `cancelled` if an operator cancelled the saga, else `compensated` if a step was undone (or skipped),
    else `failed`.
    """
    if state.cancelled:
        return "cancelled"
    return (
        "compensated" if any(step.status in ("compensated", "skipped") for step in state.steps) else "failed"
    )


def begun(state: SagaState, move: Attempt) -> SagaState:
    """Return the state after an attempt has begun."""
    status: Status = "in_progress" if move.direction == "do" else "compensating"
    step = state.steps[move.number]
    now: StepStatus = "in_progress" if move.direction == "do" else "compensating"
    return replace(state.with_step(move.number, status=now, attempts=step.attempts + 1), status=status)


def done(state: SagaState, move: Attempt) -> SagaState:
    """Return the state after a successful attempt."""
    now: StepStatus = "completed" if move.direction == "do" else "compensated"
    return state.with_step(move.number, status=now, failures=0, uncertain=False)


def failed(state: SagaState, move: Attempt, allowed: int, refused: bool) -> SagaState:
    """Return the state after a failed attempt. `allowed`: the maximum number of attempts.

    `refused`: whether the attempt certainly had no effect, and is not repeated. An operator decides what
    follows from an undo that is refused.
    """
    failures = state.steps[move.number].failures + 1
    if move.direction == "undo":
        if not refused and failures < allowed:
            return state.with_step(move.number, failures=failures)
        stuck = state.with_step(move.number, status="compensation_failed", failures=failures)
        return replace(stuck, status="compensation_failed")
    if not refused and failures < allowed:
        return state.with_step(move.number, failures=failures, uncertain=True)
    uncertain = state.steps[move.number].uncertain or not refused
    lost = state.with_step(move.number, status="failed", failures=failures, uncertain=uncertain)
    return start_compensation(lost)


def start_compensation(state: SagaState) -> SagaState:
    """Return the state in which the undoing of completed steps begins.

    Failures are counted from zero again.
    """
    return replace(
        state, status="compensating", steps=tuple(replace(step, failures=0) for step in state.steps)
    )


# The statuses in which an operator may apply each operation. A saga that has not begun has nothing to retry,
# and one that waits for its time must not begin before it.
VERBS: dict[Verb, frozenset[Status]] = {
    "retry": frozenset({"in_progress", "compensating", "compensation_failed"}),
    "skip": frozenset({"in_progress", "compensation_failed"}),
    "compensate": frozenset({"started", "in_progress", "completed", "compensation_failed"}),
    "cancel": frozenset({"started", "in_progress"}),
}


def operated(state: SagaState, verb: Verb) -> SagaState:
    """Return the state after an operator's operation.

    Raises SagaError SAGA_STATE if the status does not allow it.
    """
    if state.status not in VERBS[verb]:
        raise SagaError(
            f"{verb} needs the status {' or '.join(sorted(VERBS[verb]))}, the saga has {state.status}",
            "SAGA_STATE",
        )
    if verb == "cancel":
        return replace(start_compensation(state), cancelled=True)
    if verb == "compensate":
        return start_compensation(_retry_failed_undo(state, "compensating"))
    if verb == "skip":
        return _skipped(state)
    fresh = tuple(replace(step, failures=0) for step in state.steps)
    return replace(_retry_failed_undo(replace(state, steps=fresh), "compensating"))


def _retry_failed_undo(state: SagaState, status: StepStatus) -> SagaState:
    """Return the state in which failed undo steps are tried again. `status`: their new status."""
    steps = tuple(
        replace(step, status=status, failures=0) if step.status == "compensation_failed" else step
        for step in state.steps
    )
    stuck = state.status == "compensation_failed"
    return replace(state, steps=steps, status="compensating" if stuck else state.status)


def _skipped(state: SagaState) -> SagaState:
    """Return the state in which the step that does not succeed is skipped, because a person has
    handled it.
    """
    for number, step in enumerate(state.steps):
        if step.status == "compensation_failed":
            return replace(state.with_step(number, status="skipped", failures=0), status="compensating")
        if state.status == "in_progress" and step.status in ("pending", "in_progress"):
            return state.with_step(number, status="skipped", failures=0)
    raise SagaError("the saga has no failing or pending step to skip", "SAGA_STATE")
