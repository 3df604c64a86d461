"""What is known of sagas, durably: the protocol of the journal, and its records.

Every method is one transaction.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import orjson

from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.core.errors import SagaError
from gateway.saga.definition import Direction, Saga
from gateway.saga.machine import ACTIVE, Attempt, SagaState, Verb

MOST = 65_536  # bytes of a saga's input, and of what one step gives
LONGEST_KEY = 200  # characters


class LostLease(Exception):
    """Another process has taken the saga over, or an operator has changed it.

    Whoever held it writes nothing more.
    """


@dataclass(frozen=True, slots=True)
class SagaRequest:
    """A saga that is to be started. `key`: equal keys of one type are one saga.

    `by` and `correlation_id` say who and because of what.
    """

    saga: Saga
    key: str
    data: Mapping[str, Any]
    by: str = ""
    correlation_id: str = ""

    @property
    def digest(self) -> bytes:
        """What equal inputs share; SagaError for one that is no JSON or too large, or a key that is none."""
        if not 0 < len(self.key) <= LONGEST_KEY:
            raise SagaError(f"an idempotency key has 1 to {LONGEST_KEY} characters", "INVALID_KEY")
        return hashlib.sha256(payload(self.data, f"the input of saga {self.saga.type}", sort=True)).digest()


def payload(value: Any, what: str, *, sort: bool = False) -> bytes:
    """A value as JSON; SagaError PAYLOAD_INVALID or PAYLOAD_TOO_LARGE."""
    try:
        found = orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort else 0)
    except TypeError as error:
        raise SagaError(f"{what} can't be written as JSON: {error}", "PAYLOAD_INVALID") from error
    if len(found) > MOST:
        raise SagaError(f"{what} has {len(found):,} bytes; {MOST:,} are allowed", "PAYLOAD_TOO_LARGE")
    return found


@dataclass(frozen=True, slots=True)
class SagaRecord:
    """A saga as the journal has it.

    `token` is the fencing token of the lease under which it was read; `results` are by step.
    """

    id: UUID
    saga_type: str
    version: int
    state: SagaState
    data: Mapping[str, Any]
    results: Mapping[str, Any]
    token: int
    late: bool = False


@dataclass(frozen=True, slots=True)
class SagaChange:
    """One write about a saga: its state afterwards, and what there is to say about it.

    `name` says to people and to failpoints which write it is. `ended` is the attempt that ends with
    `outcome`, `begun` the one that begins; the end of a step and the beginning of the next are one write.
    `wake_after`: seconds until the saga goes on.
    """

    name: str
    state: SagaState
    ended: Attempt | None = None
    outcome: str | None = None
    result: bytes | None = None
    error: str | None = None
    code: str | None = None
    begun: Attempt | None = None
    request: bytes | None = None
    wake_after: float = 0.0

    def then(self, following: "SagaChange") -> "SagaChange":
        """This and what follows it as one write."""
        told = (self.error or following.error, self.code or following.code)
        return SagaChange(
            f"{self.name}, {following.name}",
            following.state,
            self.ended,
            self.outcome,
            self.result,
            *told,
            following.begun,
            following.request,
            following.wake_after,
        )


@dataclass(frozen=True, slots=True)
class StepView:
    """A step for people to look at."""

    number: int
    name: str
    service: str
    operation: str
    status: str
    attempts: int
    result: Any
    error: str | None
    started_at: datetime | None
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One attempt, or one word of an operator (then `direction` is the verb, and `error` the reason)."""

    step: str
    direction: Direction | Verb
    number: int
    outcome: str | None
    error: str | None
    by: str
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class SagaView:
    """A saga for people to look at, whole."""

    id: UUID
    saga_type: str
    version: int
    status: str
    key: str
    by: str
    correlation_id: str
    data: Mapping[str, Any]
    error: str | None
    code: str | None
    started_at: datetime
    completed_at: datetime | None
    wake_at: datetime | None
    steps: Sequence[StepView] = ()
    attempts: Sequence[AttemptView] = ()

    @property
    def current(self) -> StepView | None:
        """The step that it is at: the last that is not as it was in the beginning."""
        touched = [step for step in self.steps if step.status != "pending"]
        return touched[-1] if touched else None


class Journal(Protocol):
    """Where sagas are kept. Times are the journal's own: the clocks of processes don't matter."""

    async def start(self, request: SagaRequest) -> tuple[UUID, bool]:
        """The saga of a key, and whether it is new.

        SagaError IDEMPOTENCY_KEY_REUSED for a key with another input.
        """
        ...

    async def claim(
        self, owner: str, kinds: Collection[tuple[str, int]], lease: float, most: int
    ) -> Sequence[SagaRecord]:
        """Take over sagas that are due and that nobody works on, for some seconds."""
        ...

    async def renew(self, record: SagaRecord, lease: float) -> None:
        """Keep a saga for some seconds more; LostLease."""
        ...

    async def write(self, record: SagaRecord, change: SagaChange) -> None:
        """Write a change, if the saga is still held under the record's token; LostLease."""
        ...

    async def release(self, record: SagaRecord) -> None:
        """Give a saga back. Nothing happens when it is held by somebody else already."""
        ...

    async def operate(self, saga_id: UUID, verb: Verb, by: str, reason: str) -> None:
        """An operator's word; whoever works on the saga loses it. SagaError SAGA_STATE, UNKNOWN_SAGA."""
        ...

    async def view(self, saga_id: UUID) -> SagaView | None:
        """A saga with its steps and attempts."""
        ...

    async def due_in(self, kinds: Collection[tuple[str, int]]) -> float | None:
        """Seconds until the next saga is due, None when none waits."""
        ...


async def wait_until_settled(
    journal: Journal, saga_id: UUID, seconds: float, clock: Clock = SYSTEM_CLOCK
) -> SagaView | None:
    """A saga when it has ended or waits for an operator, or as it is when time is up.

    None where there is none.
    """
    pause, until = 0.01, clock.time() + seconds
    while (found := await journal.view(saga_id)) and found.status in ACTIVE and clock.time() < until:
        await clock.sleep(pause)
        pause = min(pause * 1.5, 0.25)
    return found
