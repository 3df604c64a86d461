"""A saga as data: named steps in order, each with what does it and what undoes it (Garcia-Molina and
Salem, "Sagas", 1987).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from gateway.core.errors import SagaError

Direction = Literal["do", "undo"]


class StepRefused(Exception):
    """A step was turned down and nothing has happened: trying again is of no use."""

    def __init__(self, message: str, code: str = "REFUSED") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@dataclass(frozen=True, slots=True)
class StepCall:
    """What a step's action is told.

    `data` is the saga's input, `results` what steps gave so far, by their names, `request` what the step made
    of both. `key` is the same for every attempt in this direction: who has had it does nothing again. `token`
    is higher in each process that takes the saga over: who has seen a higher one refuses.
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
        """The idempotency key: saga, step and direction."""
        return f"{self.saga_id}:{self.step}:{self.direction}"


Action = Callable[[StepCall], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often something is tried, and how long in between: exponential backoff with full jitter.

    Times in seconds.
    """

    attempts: int = 6
    first: float = 0.2
    factor: float = 2.0
    longest: float = 30.0

    def delay(self, failures: int, chance: float) -> float:
        """The pause after so many failures; `chance` is a random number from 0 to 1."""
        return chance * min(self.first * self.factor ** (failures - 1), self.longest)


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `undo` None: there is nothing to undo. `timeout`: seconds for one attempt.

    `request` makes what is asked out of the saga's input and earlier results; it is kept in the journal.
    `service` and `operation` say to people where it happens.
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


@dataclass(frozen=True, slots=True)
class Saga:
    """A kind of saga. A saga that was started goes on with the version it was started with.

    `deadline`: seconds after the start from which no step is begun any more, and what was done is undone.
    """

    type: str
    steps: tuple[Step, ...]
    version: int = 1
    deadline: float | None = None

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if not names or len(set(names)) != len(names) or any(not name or ":" in name for name in names):
            raise SagaError(
                f"saga {self.type} needs steps with names of their own, without colons", "INVALID_SAGA"
            )

    def step(self, number: int) -> Step:
        """A step by its place, from 0."""
        return self.steps[number]


@dataclass(frozen=True)
class Definitions:
    """The sagas that a process can run, by type and version."""

    known: Mapping[tuple[str, int], Saga] = field(default_factory=dict)

    @classmethod
    def of(cls, sagas: Iterable[Saga]) -> "Definitions":
        """Index sagas; SagaError INVALID_SAGA where two are the same."""
        known: dict[tuple[str, int], Saga] = {}
        for saga in sagas:
            if known.setdefault((saga.type, saga.version), saga) is not saga:
                raise SagaError(f"there are two sagas {saga.type} of version {saga.version}", "INVALID_SAGA")
        return cls(known)

    def newest(self, saga_type: str) -> Saga:
        """The version that new sagas of a type get; SagaError UNKNOWN_SAGA."""
        versions = [saga for saga in self.known.values() if saga.type == saga_type]
        if not versions:
            raise SagaError(f"there is no saga {saga_type}", "UNKNOWN_SAGA")
        return max(versions, key=lambda saga: saga.version)

    def pinned(self, saga_type: str, version: int) -> Saga:
        """The version that a saga was started with; SagaError UNKNOWN_SAGA."""
        saga = self.known.get((saga_type, version))
        if saga is None:
            raise SagaError(f"there is no version {version} of saga {saga_type} here", "UNKNOWN_SAGA")
        return saga
