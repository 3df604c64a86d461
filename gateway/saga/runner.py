"""A worker: takes sagas over, carries them on step by step, and gives them back.

Any number of them share one journal.

Everything is written before it is done and after; whatever dies in between, another worker goes on from
there. The lease says who works on a saga; the fencing token keeps out whoever only thinks so.
"""

import asyncio
import os
import random
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.core.errors import SagaError
from gateway.observe.facts import InternalFailure
from gateway.observe.log import Log
from gateway.observe.observer import Observer
from gateway.saga.definition import Action, Definitions, Saga, Step, StepCall, StepRefused
from gateway.saga.journal import Journal, LostLease, SagaChange, SagaRecord, payload
from gateway.saga.machine import Attempt, SagaState, Status, begun, done, failed, next_move, turned_back


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    """Seconds of a lease, how many sagas at once, and seconds between two looks when nothing says that
    there is something new.
    """

    lease: float = 15.0
    at_once: int = 32
    poll: float = 0.5


class Runner:
    """One worker. `chance` gives random numbers from 0 to 1, for the jitter of retries.

    `observer` is told of mistakes; by default they are logged.
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
        self.carrying: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to work in the background."""
        self._task = asyncio.create_task(self.run(), name=f"sagas {self.owner}")

    async def stop(self) -> None:
        """End: steps under way are broken off, and their sagas given back for others to go on with."""
        tasks = [*([self._task] if self._task else []), *self.carrying]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self) -> None:
        """There is something new: look at once."""
        self.woken.set()

    async def run(self) -> None:
        """Work until cancelled; a journal that is away is waited for."""
        pause = 0.05
        while True:
            try:
                self.woken.clear()
                if not await self.take_over():
                    await self.rest()
                pause = 0.05
            except Exception as error:  # whatever is wrong with the journal, it may be right again
                self.observer.emit(InternalFailure("sagas", error))
                await self.clock.sleep(pause)
                pause = min(pause * 2, 2.0)

    async def take_over(self) -> int:
        """Claim what is due, as far as there is room; how many that were."""
        room = self.pace.at_once - len(self.carrying)
        if room <= 0:
            return 0
        records = await self.journal.claim(self.owner, self.definitions.known.keys(), self.pace.lease, room)
        for record in records:
            task = asyncio.create_task(self.keep(record))
            self.carrying.add(task)
            task.add_done_callback(self._over)
        return len(records)

    def _over(self, task: "asyncio.Task[None]") -> None:
        self.carrying.discard(task)
        self.woken.set()

    async def rest(self) -> None:
        """Wait for something new, for a timer, or for a while."""
        due = await self.journal.due_in(self.definitions.known.keys())
        with suppress(TimeoutError):
            async with asyncio.timeout(
                min(self.pace.poll, max(due, 0.01)) if due is not None else self.pace.poll
            ):
                await self.woken.wait()

    async def keep(self, record: SagaRecord) -> None:
        """Carry a saga on, as long as it is ours."""
        work = asyncio.create_task(self.carry(record))
        beat = asyncio.create_task(self.hold(record))
        try:
            await asyncio.wait({work, beat}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            beat.cancel()
            work.cancel()
            outcome = (await asyncio.gather(work, beat, return_exceptions=True))[0]
            if not isinstance(outcome, LostLease):
                with suppress(Exception):  # the lease ends by itself, too
                    await self.journal.release(record)
        if isinstance(outcome, Exception) and not isinstance(outcome, LostLease):
            self.observer.emit(InternalFailure(f"saga {record.id}", outcome))

    async def hold(self, record: SagaRecord) -> None:
        """Renew the lease until it is lost, or can't have been renewed in time."""
        clock = asyncio.get_running_loop().time
        until = clock() + self.pace.lease
        while clock() < until:
            await self.clock.sleep(self.pace.lease / 3)
            try:
                await self.journal.renew(record, self.pace.lease)
            except LostLease:
                return
            except Exception:  # noqa: S112 - there is time left for another try
                continue
            until = clock() + self.pace.lease

    async def carry(self, record: SagaRecord) -> None:
        """Step after step, until the saga rests.

        The end of each step is written together with what follows it.
        """
        saga = self.definitions.pinned(record.saga_type, record.version)
        last: SagaChange | None = None
        while (move := next_move(record.state if last is None else last.state, record.late)) is not None:
            state = record.state if last is None else last.state
            if not isinstance(move, Attempt):
                change = self.becoming(state, move, record.late)
                record = replace(await self.written(record, last, change), late=False)
                last = None
                continue
            step = saga.step(move.number)
            action = step.do if move.direction == "do" else step.undo
            if action is None:
                change = SagaChange(f"pass {move.direction}:{step.name}", done(begun(state, move), move))
                last = change if last is None else last.then(change)
                continue
            record, last, waits = await self.take_step(record, last, saga, move, action)
            if waits:
                break
        if last is not None:
            await self.journal.write(record, last)

    def becoming(self, state: SagaState, status: Status, late: bool) -> SagaChange:
        """The saga turns back, or ends."""
        if status != "compensating":
            return SagaChange(f"become {status}", replace(state, status=status))
        told = ("the deadline has passed", "DEADLINE") if late else (None, None)
        return SagaChange(f"become {status}", turned_back(state), error=told[0], code=told[1])

    async def take_step(
        self, record: SagaRecord, last: SagaChange | None, saga: Saga, move: Attempt, action: Action
    ) -> tuple[SagaRecord, SagaChange, bool]:
        """One attempt at a step: the record, the change that is still to be written, and whether the saga
        waits then.
        """
        step = saga.step(move.number)
        state = begun(record.state if last is None else last.state, move)
        request, asked, broken = ask(step, record)
        beginning = SagaChange(f"begin {move.direction}:{step.name}", state, begun=move, request=asked)
        record = await self.written(record, last, beginning)
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
        """What becomes of a saga when an attempt fails, and whether it waits."""
        retry = step.retry if move.direction == "do" else step.undo_retry
        final = isinstance(error, SagaError)  # a result that can't be kept will be the same the next time
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

    async def written(self, record: SagaRecord, last: SagaChange | None, change: SagaChange) -> SagaRecord:
        """The record after a change, and after the one before it if that was not written yet."""
        whole = change if last is None else last.then(change)
        await self.journal.write(record, whole)
        return replace(record, state=whole.state)


def ask(step: Step, record: SagaRecord) -> tuple[Any, bytes | None, SagaError | None]:
    """What is asked of a step, also as JSON.

    Or why it can't be asked, which will be so the next time, too.
    """
    if step.request is None:
        return None, None, None
    try:
        request = step.request(record.data, record.results)
        return request, payload(request, f"the request of step {step.name}"), None
    except SagaError as error:
        return None, None, error
    except Exception as error:
        message = f"the request of step {step.name} can't be made: {error!r}"
        return None, None, SagaError(message, "PAYLOAD_INVALID")


def _call(record: SagaRecord, saga: Saga, move: Attempt, state: SagaState, request: Any) -> StepCall:
    """What a step's action is given."""
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
    """What went wrong, for people: nothing of an unexpected error but its kind."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, StepRefused | SagaError):
        return error.message
    message = getattr(error, "message", None)
    return message if isinstance(message, str) else type(error).__name__
