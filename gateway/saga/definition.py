"""The definition of a saga: named steps in order, each with an action that does it and one that undoes it.

See Garcia-Molina and Salem, "Sagas", 1987.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from gateway.core.errors import SagaError

Direction = Literal["do", "undo"]


class StepRefused(Exception):
    """Raised by a step's action that was refused and has had no effect; the step is not tried again."""

    def __init__(self, message: str, code: str = "REFUSED") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@dataclass(frozen=True, slots=True)
class StepCall:
    """The argument of a step's action.

    - `data`: the saga's input. `results`: the results of earlier steps, by name.
    - `request`: the result of the step's `request` function. `attempt`: the number of this attempt,
      from 1; attempts to do and to undo the step are counted together.
    - `key`: the idempotency key, equal for all attempts in one direction. An action that was done under this
      key must not be done again.
    - `token`: the fencing token; it increases with each process that leases the saga. An action must refuse a
      token lower than one that it has received before.
    """

    saga_id: UUID
    saga_type: str
    step: str
    direction: Direction
    attempt: int
    token: int
    data: Mapping[str, Any]
    results: Mapping[str, Any]
    request: Any = None

    @property
    def key(self) -> str:
        """Return the idempotency key: saga id, step and direction."""
        return f"{self.saga_id}:{self.step}:{self.direction}"


Action = Callable[[StepCall], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The number of attempts, and the pauses between them: exponential backoff with full jitter.

    `first`, `longest`: the maximum of the first pause and of any pause, in seconds. `factor`: by which the
    maximum grows with each failure.
    """

    attempts: int = 6
    first: float = 0.2
    factor: float = 2.0
    longest: float = 30.0

    def delay(self, failures: int, chance: float) -> float:
        """Return the pause in seconds.

        `failures`: the number of failures so far. `chance`: a random number from 0 to 1.
        """
        return chance * min(self.first * self.factor ** (failures - 1), self.longest)


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    - `undo`: None if there is nothing to undo. `timeout`: seconds for one attempt.
    - `when`: whether the step is needed, from the saga's input and earlier results; a step that is not needed
      counts as completed and has no result. None: it is always needed.
    - `request`: computes the request from the saga's input and earlier results; it is stored in the journal.
    - `service`, `operation`: where the step runs, for people.
    """

    name: str
    do: Action
    undo: Action | None = None
    request: Callable[[Mapping[str, Any], Mapping[str, Any]], Any] | None = None
    service: str = ""
    operation: str = ""
    timeout: float = 10.0
    retry: RetryPolicy = RetryPolicy()
    undo_retry: RetryPolicy = RetryPolicy(attempts=10)
    when: Callable[[Mapping[str, Any], Mapping[str, Any]], bool] | None = None


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A saga that is started in the moment in which another one ends.

    `key`: the idempotency key; nothing is started if there is a saga of the type `saga_type` with this key.
    `data`: the input. `at`: when it begins, a durable timer; None: now. `after`: the least number of seconds
    until it begins.
    """

    saga_type: str
    key: str
    data: Mapping[str, Any]
    at: datetime | None = None
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Saga:
    """A type of saga. A saga runs to its end with the version with which it was started.

    `deadline`: seconds after it begins; from then on no step is begun, and completed steps are undone.
    `follow_ups`: the sagas to start when this one is completed, from its input and the results of its steps;
    they are written together with its completion. `after_undo`: the same for a saga that ends as failed,
    compensated or cancelled; its first argument is the saga's id. `forward_only`: an operator can neither
    cancel nor undo it, as money or people would wait forever for what it does. Raises SagaError INVALID_SAGA
    unless the steps have unique names without colons.
    """

    type: str
    steps: tuple[Step, ...]
    version: int = 1
    deadline: float | None = None
    follow_ups: Callable[[Mapping[str, Any], Mapping[str, Any]], Sequence[FollowUp]] | None = None
    after_undo: Callable[[UUID, Mapping[str, Any], Mapping[str, Any]], Sequence[FollowUp]] | None = None
    forward_only: bool = False

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if not names or len(set(names)) != len(names) or any(not name or ":" in name for name in names):
            raise SagaError(
                f"saga {self.type}: expected steps with unique names without colons, got {names}",
                "INVALID_SAGA",
            )

    def step(self, number: int) -> Step:
        """Return the step with this number, from 0."""
        return self.steps[number]


@dataclass(frozen=True)
class Definitions:
    """The sagas that a process can run, by type and version."""

    known: Mapping[tuple[str, int], Saga] = field(default_factory=dict)

    @classmethod
    def of(cls, sagas: Iterable[Saga]) -> "Definitions":
        """Return an index of sagas. Raises SagaError INVALID_SAGA for two with the same type and version."""
        known: dict[tuple[str, int], Saga] = {}
        for saga in sagas:
            if known.setdefault((saga.type, saga.version), saga) is not saga:
                raise SagaError(f"saga {saga.type}: version {saga.version} is defined twice", "INVALID_SAGA")
        return cls(known)

    def newest(self, saga_type: str) -> Saga:
        """Return the newest version of a saga type. Raises SagaError UNKNOWN_SAGA."""
        versions = [saga for saga in self.known.values() if saga.type == saga_type]
        if not versions:
            raise SagaError(f"there is no saga of the type {saga_type}", "UNKNOWN_SAGA")
        return max(versions, key=lambda saga: saga.version)

    def pinned(self, saga_type: str, version: int) -> Saga:
        """Return the saga of this type and version. Raises SagaError UNKNOWN_SAGA."""
        saga = self.known.get((saga_type, version))
        if saga is None:
            raise SagaError(
                f"saga {saga_type}: version {version} is not defined in this process", "UNKNOWN_SAGA"
            )
        return saga
