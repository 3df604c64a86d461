"""One execution of a prepared operation: by its compiled plan, or on the exact path if the compiled plan
stops.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from gateway.core.envelope import NO_CACHE_POLICY, PRIVATE, CachePolicy, Envelope
from gateway.engine import Engine
from gateway.execute.cached.parts import parts_of
from gateway.execute.cached.transport import CachedTransport
from gateway.execute.compile.run import CompiledRun, Known, MergingRun, PassingRun, SentCalls
from gateway.execute.inputs import ExecutionInputs
from gateway.execute.private_replies import is_private
from gateway.execute.response_headers import heads_of
from gateway.observe.facts import EXECUTE
from gateway.pipeline import PreparedOperation, run
from gateway.transport.base import Handle, Reply, Transport

EnvelopeCallback = Callable[[Envelope | BaseException], None]
StartExecution = Callable[[EnvelopeCallback], Handle]


class Execution:
    """One execution. It calls `answered` once, with the envelope, or with an unexpected exception."""

    __slots__ = ("answered", "engine", "inputs", "prepared", "started", "task", "under_way", "way")

    def __init__(
        self,
        engine: Engine,
        prepared: PreparedOperation,
        inputs: ExecutionInputs,
        answered: EnvelopeCallback,
        way: Transport | None = None,
    ) -> None:
        self.engine = engine
        self.prepared = prepared
        self.inputs = inputs
        self.answered = answered
        self.way = way
        self.under_way: CompiledRun | None = None
        self.task: asyncio.Task[Envelope] | None = None
        self.started = 0.0

    def begin(self) -> None:
        """Send the first calls."""
        program = self.prepared.program
        if self.engine.observer.watches_stages:
            self.started = self.engine.observer.started(EXECUTE, self.inputs.context)
        if program is None:
            self.run_exactly({})
            return
        kind = PassingRun if program.reply_is_answer else MergingRun
        self.under_way = running = kind(program, self.transport, self.inputs, self.compiled_ended)
        if self.engine.cache is not None and isinstance(running, MergingRun):
            running.known = self.known
        running.begin()

    @property
    def transport(self) -> Transport:
        """Return the transport: for queries the one with loader and cache; a mutation shares nothing."""
        if self.way is not None:
            return self.way
        is_query = self.prepared.plan.kind == "query"
        way = self.engine.queries if is_query else self.engine.transport
        spending = self.inputs.context.spending
        return way if spending is None else spending.around(way)

    @property
    def known(self) -> Known | None:
        """Return what returns cached replies to the calls of a query; None if they may not be used."""
        queries = self.engine.queries
        is_query = self.prepared.plan.kind == "query" and self.inputs.context.spending is None
        return queries.from_memory if is_query and isinstance(queries, CachedTransport) else None

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()
        if self.under_way is not None:
            self.under_way.cancel()

    def compiled_ended(self, body: bytes | None, sent_calls: SentCalls) -> None:
        """Called when the compiled run has ended, with a body, or with None if the exact path must
        continue.
        """
        if body is None:
            self.run_exactly(sent_calls)
            return
        self.under_way = None  # leave no reference cycle, here and below
        replies = [
            sent.outcome.raw_headers for sent in sent_calls.values() if isinstance(sent.outcome, Reply)
        ]
        policy = PRIVATE if is_private(replies) else NO_CACHE_POLICY
        if self.engine.cache is not None and not self.prepared.denied:
            policy = CachePolicy(
                private=policy.private, parts=parts_of(one.outcome for one in sent_calls.values())
            )
        envelope = Envelope(body, cache=policy)
        if (rules := self.engine.response_headers) is not None:
            uncacheable = self.prepared.plan.kind == "mutation" or bool(self.prepared.denied)
            envelope = envelope.with_headers(*rules.merged(heads_of(sent_calls), uncacheable))
        self.end(envelope)

    def run_exactly(self, sent_calls: SentCalls) -> None:
        """Run the exact path in a task. `sent_calls`: the calls of the compiled path."""
        task = asyncio.ensure_future(run(self.engine, self.prepared, self.inputs, self.transport, sent_calls))
        task.add_done_callback(self.exact_ended)
        self.task = task

    def exact_ended(self, task: "asyncio.Task[Envelope]") -> None:
        """Called when the exact path has ended."""
        self.task = self.under_way = None
        if not task.cancelled():
            self.end(task.exception() or task.result())

    def end(self, found: Envelope | BaseException) -> None:
        """Report the end of the stage, and call `answered`."""
        spending = self.inputs.context.spending
        if spending is not None and isinstance(found, Envelope):
            found = spending.finished(found)
        if self.engine.observer.watches_stages:
            error = "INTERNAL_SERVER_ERROR" if isinstance(found, BaseException) else None
            self.engine.observer.ended(EXECUTE, self.inputs.context, self.started, error=error)
        self.answered(found)


def begin(
    engine: Engine,
    prepared: PreparedOperation,
    inputs: ExecutionInputs,
    answered: EnvelopeCallback,
    way: Transport | None = None,
) -> Handle:
    """Start an execution; `answered` is called once, never before this function returns.

    `way`: the transport to use instead of the engine's.
    """
    execution = Execution(engine, prepared, inputs, answered, way)
    execution.begin()
    return execution


async def envelope_of(start: StartExecution) -> Envelope:
    """Start an execution by `start`, and return its envelope. Cancelling the caller cancels the execution."""
    future: asyncio.Future[Envelope | BaseException] = asyncio.get_running_loop().create_future()

    def answered(found: Envelope | BaseException) -> None:
        if not future.done():
            future.set_result(found)

    handle = start(answered)
    try:
        found = await future
    finally:
        handle.cancel()
    if isinstance(found, BaseException):
        raise found
    return found


async def execute(engine: Engine, prepared: PreparedOperation, inputs: ExecutionInputs) -> Envelope:
    """Run one execution, and return its envelope."""
    return await envelope_of(partial(begin, engine, prepared, inputs))
