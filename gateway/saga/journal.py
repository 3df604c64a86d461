"""The journal: the durable state of all sagas, as a protocol and its records. Each method is one
transaction.
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

MAX_PAYLOAD = 65_536  # bytes of a saga's input, a step's request or a step's result
MAX_KEY = 200  # characters of an idempotency key


class LostLease(Exception):
    """Another process has taken over the saga, or an operator has changed it; the former holder must not
    write.
    """


@dataclass(frozen=True, slots=True)
class SagaRequest:
    """A saga to start. `key`: the idempotency key; a type has one saga per key.

    `by`: the caller. `correlation_id`: the request or process that caused it.
    """

    saga: Saga
    key: str
    data: Mapping[str, Any]
    by: str = ""
    correlation_id: str = ""

    @property
    def digest(self) -> bytes:
        """The hash of the input, for comparing inputs.

        Raises SagaError: INVALID_KEY, PAYLOAD_INVALID or PAYLOAD_TOO_LARGE.
        """
        if not 0 < len(self.key) <= MAX_KEY:
            found = len(self.key)
            raise SagaError(
                f"idempotency key must have 1 to {MAX_KEY} characters, got {found}", "INVALID_KEY"
            )
        return hashlib.sha256(payload(self.data, f"the input of saga {self.saga.type}", sort=True)).digest()


def payload(value: Any, what: str, *, sort: bool = False) -> bytes:
    """A value as JSON; `what`: its name in errors; `sort`: sort keys. Raises SagaError PAYLOAD_INVALID or
    PAYLOAD_TOO_LARGE.
    """
    try:
        found = orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort else 0)
    except TypeError as error:
        raise SagaError(f"{what} can't be encoded as JSON: {error}", "PAYLOAD_INVALID") from error
    if len(found) > MAX_PAYLOAD:
        raise SagaError(
            f"{what} may have at most {MAX_PAYLOAD:,} bytes, got {len(found):,}", "PAYLOAD_TOO_LARGE"
        )
    return found


@dataclass(frozen=True, slots=True)
class SagaRecord:
    """A saga as the journal stores it.

    `token`: the fencing token of the lease under which it was read. `results`: by step name. `late`: its
    deadline has passed.
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
    """One write to a saga: the state afterwards, and details for people.

    - `name`: describes the write, for people and failpoints.
    - `ended`: the attempt that has ended, with `outcome`, `result`, `error` and `code`. `begun`: the attempt
      that begins, with `request`. The end of a step and the beginning of the next one are one write.
    - `wake_after`: seconds until the saga continues.
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
        """This change and a following one as one write."""
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
    """A step, for people."""

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
    """One attempt, or one operation of an operator (`direction` is the verb, and `error` the reason)."""

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
    """A saga with all details, for people."""

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
        """The last step that is not pending; None if all are."""
        touched = [step for step in self.steps if step.status != "pending"]
        return touched[-1] if touched else None


class Journal(Protocol):
    """Stores sagas. Times are those of the journal's own clock; the clocks of processes do not matter."""

    async def start(self, request: SagaRequest) -> tuple[UUID, bool]:
        """The id of the saga with a key, and whether it is new.

        Raises SagaError IDEMPOTENCY_KEY_REUSED for a key with another input.
        """
        ...

    async def claim(
        self, owner: str, kinds: Collection[tuple[str, int]], lease: float, most: int
    ) -> Sequence[SagaRecord]:
        """Lease up to `most` sagas of these kinds that are due and not leased, for `lease` seconds."""
        ...

    async def renew(self, record: SagaRecord, lease: float) -> None:
        """Extend a lease to so many seconds from now. Raises LostLease."""
        ...

    async def write(self, record: SagaRecord, change: SagaChange) -> None:
        """Write a change, if the lease with the record's token is still held. Raises LostLease."""
        ...

    async def release(self, record: SagaRecord) -> None:
        """End a lease; has no effect when another process holds the saga."""
        ...

    async def operate(self, saga_id: UUID, verb: Verb, by: str, reason: str) -> None:
        """Apply an operator's operation; a lease on the saga is lost. Raises SagaError SAGA_STATE or
        UNKNOWN_SAGA.
        """
        ...

    async def view(self, saga_id: UUID) -> SagaView | None:
        """A saga with its steps and attempts; None if there is no such saga."""
        ...

    async def due_in(self, kinds: Collection[tuple[str, int]]) -> float | None:
        """Seconds until the next saga is due; None if none is waiting."""
        ...


async def wait_until_settled(
    journal: Journal, saga_id: UUID, seconds: float, clock: Clock = SYSTEM_CLOCK
) -> SagaView | None:
    """A saga when it has ended or waits for an operator, at the latest after so many seconds.

    Returns None if there is no such saga.
    """
    pause, until = 0.01, clock.time() + seconds
    while (found := await journal.view(saga_id)) and found.status in ACTIVE and clock.time() < until:
        await clock.sleep(pause)
        pause = min(pause * 1.5, 0.25)
    return found
