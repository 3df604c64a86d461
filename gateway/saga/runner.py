"""A worker: it leases sagas, runs them step by step, and releases them. Any number of workers share one
journal.

Each step is written before and after it is done; when a worker crashes, another one continues from there. A
lease gives a saga to one worker; the fencing token keeps a worker whose lease has expired from writing.
"""

import asyncio
import os
import random
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.core.errors import SagaError
from gateway.observe.facts import InternalFailure
from gateway.observe.log import Log
from gateway.observe.observer import Observer
from gateway.saga.definition import Action, Definitions, FollowUp, Saga, Step, StepCall, StepRefused
from gateway.saga.journal import Journal, LostLease, SagaChange, SagaRecord, SagaRequest, payload
from gateway.saga.machine import (
    Attempt,
    SagaState,
    Status,
    begun,
    done,
    failed,
    next_move,
    start_compensation,
)


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    """How a worker leases sagas.

    `lease`: seconds of a lease. `at_once`: the number of concurrent sagas. `poll`: seconds between two
    queries of the journal without a notification.
    """

    lease: float = 15.0
    at_once: int = 32
    poll: float = 0.5


class Runner:
    """One worker.

    `owner`: its name in leases. `chance`: returns random numbers from 0 to 1, for the jitter of retries.
    `observer`: receives unexpected errors; by default they are logged.
    """

    def __init__(
        self,
        journal: Journal,
        definitions: Definitions,
        pace: RunnerSettings | None = None,
        *,
        owner: str | None = None,
        chance: Callable[[], float] = random.random,
        observer: Observer | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.journal = journal
        self.definitions = definitions
        self.pace = pace or RunnerSettings()
        self.owner = owner or f"{socket.gethostname()}-{os.getpid()}"
        self.chance = chance
        self.observer = observer or Observer([Log()])
        self.clock = clock
        self.woken = asyncio.Event()
        self.running: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start to work in the background."""
        self._task = asyncio.create_task(self.run(), name=f"sagas {self.owner}")

    async def stop(self) -> None:
        """Stop: running steps are cancelled, and their sagas released for other workers."""
        tasks = [*([self._task] if self._task else []), *self.running]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self) -> None:
        """Query the journal now, because a saga may be due."""
        self.woken.set()

    async def run(self) -> None:
        """Work until cancelled; retry when the journal is not available."""
        pause = 0.05
        while True:
            try:
                self.woken.clear()
                if not await self.claim():
                    await self.wait()
                pause = 0.05
            except Exception as error:  # the journal may become available again
                self.observer.emit(InternalFailure("sagas", error))
                await self.clock.sleep(pause)
                pause = min(pause * 2, 2.0)

    async def claim(self) -> int:
        """Lease due sagas, as many as may still run at once, and run them. Returns their number."""
        room = self.pace.at_once - len(self.running)
        if room <= 0:
            return 0
        records = await self.journal.claim(self.owner, self.definitions.known.keys(), self.pace.lease, room)
        for record in records:
            task = asyncio.create_task(self.run_with_lease(record))
            self.running.add(task)
            task.add_done_callback(self._over)
        return len(records)

    def _over(self, task: "asyncio.Task[None]") -> None:
        self.running.discard(task)
        self.woken.set()

    async def wait(self) -> None:
        """Wait for a notification, until the next saga is due, or for the polling interval."""
        due = await self.journal.due_in(self.definitions.known.keys())
        with suppress(TimeoutError):
            async with asyncio.timeout(
                min(self.pace.poll, max(due, 0.01)) if due is not None else self.pace.poll
            ):
                await self.woken.wait()

    async def run_with_lease(self, record: SagaRecord) -> None:
        """Run a saga while its lease is renewed; afterwards release it."""
        work = asyncio.create_task(self.run_saga(record))
        beat = asyncio.create_task(self.renew_lease(record))
        try:
            await asyncio.wait({work, beat}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            beat.cancel()
            work.cancel()
            outcome = (await asyncio.gather(work, beat, return_exceptions=True))[0]
            if not isinstance(outcome, LostLease):
                with suppress(Exception):  # else the lease expires
                    await self.journal.release(record)
        if isinstance(outcome, Exception) and not isinstance(outcome, LostLease):
            self.observer.emit(InternalFailure(f"saga {record.id}", outcome))

    async def renew_lease(self, record: SagaRecord) -> None:
        """Renew the lease until it is lost, or could not be renewed in time."""
        clock = asyncio.get_running_loop().time
        until = clock() + self.pace.lease
        while clock() < until:
            await self.clock.sleep(self.pace.lease / 3)
            try:
                await self.journal.renew(record, self.pace.lease)
            except LostLease:
                return
            except Exception:  # noqa: S112 - retried until the lease expires
                continue
            until = clock() + self.pace.lease

    async def run_saga(self, record: SagaRecord) -> None:
        """Run the steps until the saga has ended or must wait.

        The end of each step is written together with the beginning of the next one.
        """
        saga = self.definitions.pinned(record.saga_type, record.version)
        last: SagaChange | None = None
        while (move := next_move(record.state if last is None else last.state, record.late)) is not None:
            state = record.state if last is None else last.state
            if not isinstance(move, Attempt):
                change = self.status_change(record, state, move)
                record = replace(await self.write(record, last, change), late=False)
                last = None
                continue
            step = saga.step(move.number)
            action = step.do if move.direction == "do" else step.undo
            if action is None or not is_needed(step, record):
                change = SagaChange(f"pass {move.direction}:{step.name}", done(begun(state, move), move))
                last = change if last is None else last.then(change)
                continue
            record, last, waits = await self.attempt(record, last, saga, move, action)
            if waits:
                break
        if last is not None:
            await self.journal.write(record, last)

    def status_change(self, record: SagaRecord, state: SagaState, status: Status) -> SagaChange:
        """Return the change to a new status: `compensating`, or a status that ends the saga.

        A passed deadline is recorded as the reason of a compensation.
        """
        if status != "compensating":
            follow_ups = self.follow_ups(record, status)
            return SagaChange(f"become {status}", replace(state, status=status), follow_ups=follow_ups)
        reason_and_code = ("the deadline has passed", "DEADLINE") if record.late else (None, None)
        return SagaChange(
            f"become {status}", start_compensation(state), error=reason_and_code[0], code=reason_and_code[1]
        )

    def follow_ups(self, record: SagaRecord, status: Status) -> tuple[SagaRequest, ...]:
        """Return the sagas that the end of a saga starts. `status`: that with which it ends."""
        saga = self.definitions.pinned(record.saga_type, record.version)
        found: Sequence[FollowUp] = ()
        if status == "completed" and saga.follow_ups is not None:
            found = saga.follow_ups(record.data, record.results)
        elif status != "completed" and saga.after_undo is not None:
            found = saga.after_undo(record.id, record.data, record.results)
        about = (record.by, record.correlation_id)
        return tuple(
            SagaRequest(self.definitions.newest(one.saga_type), one.key, one.data, *about, one.at, one.after)
            for one in found
        )

    async def attempt(
        self, record: SagaRecord, last: SagaChange | None, saga: Saga, move: Attempt, action: Action
    ) -> tuple[SagaRecord, SagaChange, bool]:
        """Attempt a step. `last`: the previous change, if it is not written yet.

        Returns the record, the change that is still to be written, and whether the saga waits then.
        """
        step = saga.step(move.number)
        state = begun(record.state if last is None else last.state, move)
        request, encoded, broken = build_request(step, record)
        beginning = SagaChange(f"begin {move.direction}:{step.name}", state, begun=move, request=encoded)
        record = await self.write(record, last, beginning)
        call = _call(record, saga, move, state, request)
        try:
            if broken is not None:
                raise broken
            async with asyncio.timeout(step.timeout):
                result = await action(call)
            given = payload(result, f"the result of step {step.name}")
        except LostLease:
            raise
        except Exception as error:
            change, waits = self.failure(state, step, move, error)
            return record, change, waits
        if move.direction == "do":
            record = replace(record, results={**record.results, step.name: result})
        name = f"end {move.direction}:{step.name}"
        return record, SagaChange(name, done(state, move), move, outcome="done", result=given), False

    def failure(
        self, state: SagaState, step: Step, move: Attempt, error: Exception
    ) -> tuple[SagaChange, bool]:
        """Return the change after a failed attempt, and whether the saga waits for a retry."""
        retry = step.retry if move.direction == "do" else step.undo_retry
        final = isinstance(error, SagaError)  # an invalid result would be the same next time
        allowed = 1 if final else retry.attempts
        refused = isinstance(error, StepRefused)
        after = failed(state, move, allowed, refused)
        again = (
            after.status == state.status
            and after.steps[move.number].status == state.steps[move.number].status
        )
        delay = retry.delay(after.steps[move.number].failures, self.chance()) if again else 0.0
        message = f"{step.name}: {reason(error)}"
        code = getattr(error, "code", None) or (
            "TIMEOUT" if isinstance(error, TimeoutError) else "STEP_FAILED"
        )
        name = f"{'wait' if again else 'fail'} {move.direction}:{step.name}"
        outcome = "refused" if refused else "failed"
        return SagaChange(
            name, after, move, outcome=outcome, error=message, code=code, wake_after=delay
        ), again

    async def write(self, record: SagaRecord, last: SagaChange | None, change: SagaChange) -> SagaRecord:
        """Write a change, together with the unwritten change `last` before it; return the new record."""
        whole = change if last is None else last.then(change)
        await self.journal.write(record, whole)
        return replace(record, state=whole.state)


def is_needed(step: Step, record: SagaRecord) -> bool:
    """Return whether a step is to be done, or undone: a step with a result was needed."""
    return step.when is None or step.name in record.results or step.when(record.data, record.results)


def build_request(step: Step, record: SagaRecord) -> tuple[Any, bytes | None, SagaError | None]:
    """Return the request of a step, and the same as JSON; or the error if it can't be built, which is
    final.
    """
    if step.request is None:
        return None, None, None
    try:
        request = step.request(record.data, record.results)
        return request, payload(request, f"the request of step {step.name}"), None
    except SagaError as error:
        return None, None, error
    except Exception as error:
        message = f"the request of step {step.name} can't be built: {error!r}"
        return None, None, SagaError(message, "PAYLOAD_INVALID")


def _call(record: SagaRecord, saga: Saga, move: Attempt, state: SagaState, request: Any) -> StepCall:
    """Return the argument of a step's action."""
    step, attempt = saga.step(move.number), state.steps[move.number].attempts
    about = (
        record.id,
        saga.type,
        step.name,
        move.direction,
        attempt,
        record.token,
        record.data,
        record.results,
    )
    return StepCall(*about, request)


def reason(error: Exception) -> str:
    """Return the reason of a failure, for people; of an unexpected exception only the class name."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, StepRefused | SagaError):
        return error.message
    message = getattr(error, "message", None)
    return message if isinstance(message, str) else type(error).__name__
