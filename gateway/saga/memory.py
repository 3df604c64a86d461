"""A journal in memory for unit tests.

It has the same guarantees within one process, and a clock that only tests change.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from gateway.core.errors import SagaError
from gateway.saga.definition import Saga
from gateway.saga.journal import (
    AttemptView,
    LostLease,
    SagaChange,
    SagaRecord,
    SagaRequest,
    SagaView,
    StepView,
)
from gateway.saga.machine import ACTIVE, SagaState, StepState, Verb, operated

_START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _StoredSaga:
    record: SagaRecord
    request: SagaRequest
    wake_at: float | None
    deadline: float | None
    held_until: float | None = None
    results: dict[str, Any] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    error: str | None = None
    code: str | None = None
    attempts: list[AttemptView] = field(default_factory=list)


class MemoryJournal:
    """A Journal in memory.

    `now`: seconds, changed only by tests. `writes`: the names of all changes so far.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.rows: dict[UUID, _StoredSaga] = {}
        self.keys: dict[tuple[str, str], UUID] = {}
        self.writes: list[str] = []

    async def start(self, request: SagaRequest) -> tuple[UUID, bool]:
        saga, digest = request.saga, request.digest
        known = self.keys.get((saga.type, request.key))
        if known is not None:
            if self.rows[known].request.digest != digest:
                message = f"the idempotency key {request.key!r} was used with another input"
                raise SagaError(message, "IDEMPOTENCY_KEY_REUSED")
            return known, False
        saga_id = UUID(int=len(self.rows) + 1)  # the same ids in each test run
        state = SagaState("started", tuple(StepState(step.name) for step in saga.steps))
        data = orjson.loads(orjson.dumps(request.data))
        about = (False, request.by, request.correlation_id)
        record = SagaRecord(saga_id, saga.type, saga.version, state, data, {}, 0, *about)
        begins = self.now if request.at is None else (request.at - _START).total_seconds()
        begins = max(begins, self.now + request.after) if request.after else begins
        deadline = None if saga.deadline is None else max(begins, self.now) + saga.deadline
        self.rows[saga_id] = _StoredSaga(record, request, begins, deadline)
        self.keys[saga.type, request.key] = saga_id
        return saga_id, True

    async def claim(
        self, owner: str, kinds: Collection[tuple[str, int]], lease: float, most: int
    ) -> Sequence[SagaRecord]:
        found: list[SagaRecord] = []
        for row in sorted(self.rows.values(), key=lambda one: one.wake_at or 0.0):
            due = row.wake_at is not None and row.wake_at <= self.now
            free = row.held_until is None or row.held_until < self.now
            if len(found) < most and due and free and (row.record.saga_type, row.record.version) in kinds:
                row.held_until = self.now + lease
                row.record = replace(row.record, token=row.record.token + 1)
                late = row.deadline is not None and row.deadline < self.now
                found.append(replace(row.record, results=dict(row.results), late=late))
        return found

    async def renew(self, record: SagaRecord, lease: float) -> None:
        self._held(record).held_until = self.now + lease

    async def release(self, record: SagaRecord) -> None:
        row = self.rows[record.id]
        if row.record.token == record.token:
            row.held_until = None

    async def write(self, record: SagaRecord, change: SagaChange) -> None:
        row = self._held(record)
        self.writes.append(change.name)
        self._apply(row, change)
        for request in change.follow_ups:
            if (request.saga.type, request.key) not in self.keys:
                await self.start(request)
        now = _START + timedelta(seconds=self.now)
        if change.ended is not None:
            step = change.state.steps[change.ended.number]
            row.attempts[-1] = replace(
                row.attempts[-1], outcome=change.outcome, error=change.error, ended_at=now
            )
            if change.error is not None:
                row.errors[change.ended.number] = change.error
            if change.result is not None and change.ended.direction == "do":
                row.results[step.name] = orjson.loads(change.result)
        if change.begun is not None:
            step = change.state.steps[change.begun.number]
            view = AttemptView(step.name, change.begun.direction, step.attempts, None, None, "", now, None)
            row.attempts.append(view)

    def _held(self, record: SagaRecord) -> _StoredSaga:
        row = self.rows[record.id]
        if row.record.token != record.token or row.held_until is None:
            raise LostLease
        return row

    def _apply(self, row: _StoredSaga, change: SagaChange) -> None:
        row.record = replace(row.record, state=change.state)
        row.wake_at = self.now + change.wake_after if change.state.status in ACTIVE else None
        error, code = change.saga_error
        row.error, row.code = error or row.error, code or row.code

    async def operate(self, saga_id: UUID, verb: Verb, by: str, reason: str) -> None:
        row = self.rows.get(saga_id)
        if row is None:
            raise SagaError(f"there is no saga {saga_id}", "UNKNOWN_SAGA")
        after = operated(row.record.state, verb)
        row.record = replace(row.record, token=row.record.token + 1)
        row.held_until = None
        self._apply(row, SagaChange(verb, after))
        now = _START + timedelta(seconds=self.now)
        row.attempts.append(AttemptView("", verb, 0, "told", reason, by, now, now))

    async def view(self, saga_id: UUID) -> SagaView | None:
        row = self.rows.get(saga_id)
        if row is None:
            return None
        saga, record = row.request.saga, row.record
        resting = record.state.status not in ACTIVE
        return SagaView(
            id=record.id,
            saga_type=record.saga_type,
            version=record.version,
            status=record.state.status,
            key=row.request.key,
            by=row.request.by,
            correlation_id=row.request.correlation_id,
            data=record.data,
            error=row.error,
            code=row.code,
            started_at=_START,
            completed_at=_START + timedelta(seconds=self.now) if resting else None,
            wake_at=None if row.wake_at is None else _START + timedelta(seconds=row.wake_at),
            steps=[self._step(row, saga, number) for number in range(len(saga.steps))],
            attempts=tuple(row.attempts),
        )

    def _step(self, row: _StoredSaga, saga: Saga, number: int) -> StepView:
        step, state = saga.steps[number], row.record.state.steps[number]
        result, error = row.results.get(step.name), row.errors.get(number)
        about = (state.status, state.attempts, result, error, None, None)
        return StepView(number, step.name, step.service, step.operation, *about)

    async def due_in(self, kinds: Collection[tuple[str, int]]) -> float | None:
        times = [
            max(row.wake_at, row.held_until or row.wake_at) - self.now
            for row in self.rows.values()
            if row.wake_at is not None and (row.record.saga_type, row.record.version) in kinds
        ]
        return min(times, default=None)
