"""The journal: the durable state of all sagas, as a protocol and its records. Each method is one transaction.

`postgres` implements it, and `memory` for tests.
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
    """The lease was lost: another process has leased the saga, or an operator has changed it.

    The process whose lease was lost must not write.
    """


@dataclass(frozen=True, slots=True)
class SagaRequest:
    """A saga to start.

    `key`: the idempotency key; there is one saga per type and key. `data`: the input. `by`: the caller.
    `correlation_id`: the request or process that caused the saga. `at`: when it begins; None: now.
    `after`: the least number of seconds until it begins.
    """

    saga: Saga
    key: str
    data: Mapping[str, Any]
    by: str = ""
    correlation_id: str = ""
    at: datetime | None = None
    after: float = 0.0

    @property
    def digest(self) -> bytes:
        """Return a hash of the input, by which a repeated request is compared with the first one.

        Raises SagaError: INVALID_KEY, PAYLOAD_INVALID or PAYLOAD_TOO_LARGE.
        """
        if not 0 < len(self.key) <= MAX_KEY:
            found = len(self.key)
            raise SagaError(
                f"idempotency key must have 1 to {MAX_KEY} characters, got {found}", "INVALID_KEY"
            )
        return hashlib.sha256(payload(self.data, f"the input of saga {self.saga.type}", sort=True)).digest()


def payload(value: Any, what: str, *, sort: bool = False) -> bytes:
    """Return a value as JSON. `what`: what it is, for errors. `sort`: whether to sort keys.

    Raises SagaError PAYLOAD_INVALID or PAYLOAD_TOO_LARGE.
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
    """A saga as the journal stores it, leased to a worker.

    `data`: the input. `results`: by step name. `token`: the fencing token of the lease. `late`: whether the
    deadline has passed. `by`, `correlation_id`: as in the request for the saga.
    """

    id: UUID
    saga_type: str
    version: int
    state: SagaState
    data: Mapping[str, Any]
    results: Mapping[str, Any]
    token: int
    late: bool = False
    by: str = ""
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class SagaChange:
    """One write to a saga: the state afterwards, and details for people.

    - `name`: describes the write, for people and failpoints (places where tests kill the process).
    - `ended`: the attempt that has ended, with `outcome`, `result`, `error` and `code`. `begun`: the attempt
      that begins, with `request`. The end of a step and the beginning of the next one are one write.
    - `wake_after`: seconds until the saga continues.
    - `follow_ups`: the sagas that are started by this write.
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
    follow_ups: tuple[SagaRequest, ...] = ()

    @property
    def saga_error(self) -> tuple[str | None, str | None]:
        """The error and its code that the saga has from now on; None: it has those from before.

        A failed undo that will be repeated does not replace the reason for which the saga is undone.
        """
        is_undo = self.ended is not None and self.ended.direction == "undo"
        if is_undo and self.state.status == "compensating":
            return None, None
        return self.error, self.code

    def then(self, following: "SagaChange") -> "SagaChange":
        """Return this change and the following one as one write."""
        error_and_code = (self.error or following.error, self.code or following.code)
        return SagaChange(
            f"{self.name}, {following.name}",
            following.state,
            self.ended,
            self.outcome,
            self.result,
            *error_and_code,
            following.begun,
            following.request,
            following.wake_after,
            following.follow_ups,
        )


@dataclass(frozen=True, slots=True)
class StepView:
    """A step of a saga, for people."""

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
    """One attempt at a step, or one operation of an operator.

    For an operation, `direction` is the verb, `by` the operator, and `error` the operator's reason.
    """

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
    """A saga with all details, for people.

    `wake_at`: when it continues; None if it has ended or waits for an operator.
    """

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
        """Return the last step that is not pending; None if all are."""
        touched = [step for step in self.steps if step.status != "pending"]
        return touched[-1] if touched else None


class Journal(Protocol):
    """Stores sagas.

    All times come from the journal's own clock, so the clocks of processes need not agree.
    """

    async def start(self, request: SagaRequest) -> tuple[UUID, bool]:
        """Store a saga to be run. Returns its id, and whether it is new; a used key gives the id of the
        earlier saga.

        Raises SagaError IDEMPOTENCY_KEY_REUSED for a key with another input.
        """
        ...

    async def claim(
        self, owner: str, kinds: Collection[tuple[str, int]], lease: float, most: int
    ) -> Sequence[SagaRecord]:
        """Lease up to `most` sagas that are due and not leased, for `lease` seconds, and return them.

        `owner`: the name of the worker. `kinds`: the (type, version) of sagas that it can run.
        """
        ...

    async def renew(self, record: SagaRecord, lease: float) -> None:
        """Extend a lease to `lease` seconds from now. Raises LostLease."""
        ...

    async def write(self, record: SagaRecord, change: SagaChange) -> None:
        """Write a change and start its follow-ups, if the lease with the record's token is still valid.

        Raises LostLease.
        """
        ...

    async def release(self, record: SagaRecord) -> None:
        """End a lease; this has no effect when another process has leased the saga."""
        ...

    async def operate(self, saga_id: UUID, verb: Verb, by: str, reason: str) -> None:
        """Apply an operator's operation; a lease on the saga is lost.

        `by`: the operator. Raises SagaError SAGA_STATE or UNKNOWN_SAGA.
        """
        ...

    async def view(self, saga_id: UUID) -> SagaView | None:
        """Return a saga with its steps and attempts; None if there is no such saga."""
        ...

    async def due_in(self, kinds: Collection[tuple[str, int]]) -> float | None:
        """Return the seconds until the next saga of these kinds is due; None if none is waiting."""
        ...


async def wait_until_settled(
    journal: Journal, saga_id: UUID, seconds: float, clock: Clock = SYSTEM_CLOCK
) -> SagaView | None:
    """Wait until a saga has ended or needs an operator, at most `seconds`, and return it.

    None if there is no such saga.
    """
    pause, until = 0.01, clock.time() + seconds
    while (found := await journal.view(saga_id)) and found.status in ACTIVE and clock.time() < until:
        await clock.sleep(pause)
        pause = min(pause * 1.5, 0.25)
    return found
