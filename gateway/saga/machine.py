"""The state machine of a saga, as tables.

No I/O, no clock: what is the case goes in, what is to be done comes out.
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
    """One step. `uncertain`: it failed, and may have happened all the same, so it has to be undone.

    `failures` in the direction that the saga goes now; `attempts` in both.
    """

    name: str
    status: StepStatus = "pending"
    attempts: int = 0
    failures: int = 0
    uncertain: bool = False


@dataclass(frozen=True, slots=True)
class SagaState:
    """A saga as far as the machine cares. `cancelled`: it was called off, which is how it will end."""

    status: Status
    steps: tuple[StepState, ...]
    cancelled: bool = False

    def with_step(self, number: int, **changes: object) -> "SagaState":
        """The same with one step changed."""
        changed = replace(self.steps[number], **changes)  # type: ignore[arg-type]
        return replace(self, steps=(*self.steps[:number], changed, *self.steps[number + 1 :]))


@dataclass(frozen=True, slots=True)
class Attempt:
    """The next thing to do: a step, in a direction."""

    number: int
    direction: Direction


def next_move(state: SagaState, late: bool = False) -> Attempt | Status | None:
    """What is to be done: an attempt, a new status, or nothing (the saga rests).

    `late`: its deadline has passed.
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
            if to_be_undone(state.steps[number]):
                return Attempt(number, "undo")
        return end_of(state)
    return None


def to_be_undone(step: StepState) -> bool:
    """Whether a step has happened, or may have."""
    return step.status in UNDOABLE or (step.status == "failed" and step.uncertain)


def end_of(state: SagaState) -> Status:
    """How a saga ends whose steps are undone: nothing had happened, it was called off, or it was undone."""
    if state.cancelled:
        return "cancelled"
    return (
        "compensated" if any(step.status in ("compensated", "skipped") for step in state.steps) else "failed"
    )


def begun(state: SagaState, move: Attempt) -> SagaState:
    """An attempt begins."""
    status: Status = "in_progress" if move.direction == "do" else "compensating"
    step = state.steps[move.number]
    now: StepStatus = "in_progress" if move.direction == "do" else "compensating"
    return replace(state.with_step(move.number, status=now, attempts=step.attempts + 1), status=status)


def done(state: SagaState, move: Attempt) -> SagaState:
    """An attempt has succeeded."""
    now: StepStatus = "completed" if move.direction == "do" else "compensated"
    return state.with_step(move.number, status=now, failures=0, uncertain=False)


def failed(state: SagaState, move: Attempt, allowed: int, refused: bool) -> SagaState:
    """An attempt has failed; `allowed` is how often it may.

    `refused`: surely nothing happened, and it is not tried again.
    """
    failures = state.steps[move.number].failures + 1
    if move.direction == "undo":
        if failures < allowed:
            return state.with_step(move.number, failures=failures)
        stuck = state.with_step(move.number, status="compensation_failed", failures=failures)
        return replace(stuck, status="compensation_failed")
    if not refused and failures < allowed:
        return state.with_step(move.number, failures=failures, uncertain=True)
    uncertain = state.steps[move.number].uncertain or not refused
    lost = state.with_step(move.number, status="failed", failures=failures, uncertain=uncertain)
    return turned_back(lost)


def turned_back(state: SagaState) -> SagaState:
    """From now on the saga undoes; what failed on the way there counts no more."""
    return replace(
        state, status="compensating", steps=tuple(replace(step, failures=0) for step in state.steps)
    )


# What an operator may do in which status; the value is what it is called when it is not possible.
VERBS: dict[Verb, frozenset[Status]] = {
    "retry": frozenset({"started", "in_progress", "compensating", "compensation_failed"}),
    "skip": frozenset({"in_progress", "compensation_failed"}),
    "compensate": frozenset({"started", "in_progress", "completed", "compensation_failed"}),
    "cancel": frozenset({"started", "in_progress"}),
}


def operated(state: SagaState, verb: Verb) -> SagaState:
    """A saga after an operator's word; SagaError SAGA_STATE where it makes no sense."""
    if state.status not in VERBS[verb]:
        raise SagaError(f"a saga that is {state.status} can't be told to {verb}", "SAGA_STATE")
    if verb == "cancel":
        return replace(turned_back(state), cancelled=True)
    if verb == "compensate":
        return turned_back(_unstuck(state, "compensating"))
    if verb == "skip":
        return _skipped(state)
    fresh = tuple(replace(step, failures=0) for step in state.steps)
    return replace(_unstuck(replace(state, steps=fresh), "compensating"))


def _unstuck(state: SagaState, status: StepStatus) -> SagaState:
    """Steps whose undoing was given up are tried again."""
    steps = tuple(
        replace(step, status=status, failures=0) if step.status == "compensation_failed" else step
        for step in state.steps
    )
    stuck = state.status == "compensation_failed"
    return replace(state, steps=steps, status="compensating" if stuck else state.status)


def _skipped(state: SagaState) -> SagaState:
    """The step that does not succeed is passed over: somebody has seen to it by hand."""
    for number, step in enumerate(state.steps):
        if step.status == "compensation_failed":
            return replace(state.with_step(number, status="skipped", failures=0), status="compensating")
        if state.status == "in_progress" and step.status in ("pending", "in_progress"):
            return state.with_step(number, status="skipped", failures=0)
    raise SagaError("there is no step that could be skipped", "SAGA_STATE")
