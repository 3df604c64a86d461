"""Finds out from the journal why a saga has not succeeded.

The journal keeps the last error of a saga, also if the step succeeded when it was repeated, or if an operator
has ordered the undo: then that error is no reason.
"""

from dataclasses import dataclass

from gateway.saga.journal import AttemptView, SagaView

_RUNNING = frozenset({"started", "in_progress"})
_OPERATORS = frozenset({"compensate", "cancel"})


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a saga has not succeeded. `step`: None if no step has failed, but the deadline has passed."""

    code: str | None
    message: str
    step: str | None


def reason_of(view: SagaView) -> Reason | None:
    """Return why a saga has not succeeded.

    It is None for a completed saga, for one that runs and whose last attempt has not failed, and for one that
    an operator has undone although no step had failed.
    """
    if view.error is None or view.status == "completed":
        return None
    for step in view.steps:
        if step.status == "compensation_failed":
            return _reason(view, view.error, step.name)
    failed = _last_failure(view)
    if failed is not None:
        return _reason(view, view.error, failed.step)
    if view.status in _RUNNING or any(one.direction in _OPERATORS for one in view.attempts):
        return None
    return _reason(view, view.error, None)


def _last_failure(view: SagaView) -> AttemptView | None:
    """Return the last attempt to do a step; None if it succeeded, or none has ended."""
    ended = [one for one in view.attempts if one.direction == "do" and one.ended_at is not None]
    return ended[-1] if ended and ended[-1].outcome != "done" else None


def _reason(view: SagaView, error: str, step: str | None) -> Reason:
    """Return a reason whose message does not begin with the step's name, as errors in the journal do."""
    message = error if step is None else error.removeprefix(f"{step}: ")
    return Reason(code=view.code, message=message, step=step)
