"""Running a compiled plan: requests go out as soon as what they wait for is there; a reply is worked on in
the callback that brings it.

No task and no future is made for a fetch: either costs as much as a small reply.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec
from msgspec import UNSET

from gateway.execute.compile.program import CompiledFetch, Program
from gateway.execute.compile.runtime import NeedsExactPath, RunState
from gateway.execute.extensions import merge_extensions, with_extensions
from gateway.execute.inputs import ExecutionInputs
from gateway.execute.schedule import Progress
from gateway.execute.sent_calls import SentCall
from gateway.observe.facts import InternalFailure
from gateway.transport.base import Handle, Outcome, Reply, Transport
from gateway.transport.template import members_of

SentCalls = dict[int, SentCall]
Ended = Callable[[bytes | None, SentCalls], None]
_NO_REPRESENTATIONS: tuple[list[bytes], ...] = ()


class CompiledRun(Protocol):
    """One run of a program. At its end it calls back with the body of the answer.

    With None, the exact path takes over.

    It also hands over the calls that it has sent, by fetch: the exact path goes on with their replies, also
    with those that are still to come.
    """

    def begin(self) -> None:
        """Send the first requests."""
        ...

    def cancel(self) -> None:
        """Stop; nobody is called back."""
        ...


class MergingRun:
    """A run that puts the answer together out of its replies."""

    __slots__ = (
        "ended",
        "extensions",
        "inputs",
        "program",
        "progress",
        "sent_calls",
        "state",
        "transport",
        "under_way",
    )

    def __init__(self, program: Program, transport: Transport, inputs: ExecutionInputs, ended: Ended) -> None:
        self.program = program
        self.transport = transport
        self.inputs = inputs
        self.ended: Ended | None = ended
        self.state = RunState()
        self.sent_calls: SentCalls = {}
        self.extensions: dict[int, Any] = {}
        self.under_way: list[Handle] = []
        self.progress = Progress(program.schedule)

    def begin(self) -> None:
        for index in self.program.schedule.first:
            self.start(index)

    def cancel(self) -> None:
        self.ended = None
        for handle in self.under_way:
            handle.cancel()

    def start(self, index: int) -> None:
        """Send a step's request, or pass it over when it has no entities to ask for."""
        step = self.program.steps[index]
        fetch = step.fetch
        members = members_of(fetch.variables, self.inputs.variables) if fetch.variables else []
        representations: Sequence[list[bytes]] = _NO_REPRESENTATIONS
        if step.prepare is not None:
            try:
                representations = step.prepare(self.state)
            except (
                NeedsExactPath,
                TypeError,
                ValueError,
                RecursionError,
            ):  # a value that is no key, or that JSON can't hold
                self.fail()
                return
            if step.template.entities_only and not any(representations):
                self.done(step)
                return
        call = self.inputs.call(fetch, step.template, members, representations)
        sent_call = self.sent_calls[fetch.id] = SentCall(call)
        self.under_way.append(self.transport.post(call, partial(self.replied, step, sent_call)))

    def replied(self, step: CompiledFetch, sent_call: SentCall, outcome: Outcome) -> None:
        """A reply has come, or a failure."""
        sent_call.arrived(outcome)
        if self.ended is None:
            return
        try:
            if not isinstance(outcome, Reply) or outcome.status != 200:
                self.fail()
            else:
                self.read(step, outcome, [len(one) for one in sent_call.call.representations])
        except (msgspec.DecodeError, UnicodeDecodeError, NeedsExactPath):
            self.fail()
        except Exception as error:  # nobody awaits a callback: what goes wrong in it must end the run
            context = self.inputs.context
            context.observer.emit(InternalFailure(context.id, error))
            self.fail()

    def read(self, step: CompiledFetch, reply: Reply, counts: Sequence[int]) -> None:
        """Decode a reply, and put what it brings where it belongs."""
        decoded = step.decode(reply.body)
        if decoded.errors is not None:
            raise NeedsExactPath
        if self.program.extensions and decoded.extensions is not UNSET:
            self.extensions[step.fetch.id] = decoded.extensions
        setattr(self.state, step.slot, decoded.data)
        if step.passes_values and b"null" in reply.body:
            self.state.has_null = True
        if step.accept is not None:
            step.accept(self.state, decoded.data, counts)
        self.done(step)

    def done(self, step: CompiledFetch) -> None:
        """A step is over: those that waited for it alone start."""
        progress = self.progress
        for index in progress.ended(step.index):
            if self.ended is not None:  # else a step before it has left the rest to the exact path
                self.start(index)
        if not progress.left:
            self.finish()

    def finish(self) -> None:
        """Every step is over: write the answer, once."""
        if self.ended is None:
            return
        try:
            body = self.program.written(self.state)
        except (TypeError, ValueError, NeedsExactPath):
            self.fail()
            return
        if self.extensions:
            body = with_extensions(body, merge_extensions(self.extensions, self.program.extensions))
        self.end(body)

    def fail(self) -> None:
        """Leave the rest to the exact path, with the calls that are under way."""
        self.end(None)

    def end(self, body: bytes | None) -> None:
        """Call back, once."""
        ended, self.ended = self.ended, None
        if ended is not None:
            ended(body, self.sent_calls)


class PassingRun:
    """A run of a program whose one reply is the answer as it is, if it is what it should be."""

    __slots__ = ("ended", "handle", "inputs", "program", "sent_call", "transport")

    def __init__(self, program: Program, transport: Transport, inputs: ExecutionInputs, ended: Ended) -> None:
        self.program = program
        self.transport = transport
        self.inputs = inputs
        self.ended: Ended | None = ended
        self.handle: Handle | None = None
        self.sent_call: SentCall | None = None

    def begin(self) -> None:
        step = self.program.steps[0]
        fetch = step.fetch
        members = members_of(fetch.variables, self.inputs.variables) if fetch.variables else ()
        call = self.inputs.call(fetch, step.template, members, ())
        self.sent_call = SentCall(call)
        self.handle = self.transport.post(call, self.replied)

    def cancel(self) -> None:
        self.ended = None
        if self.handle is not None:
            self.handle.cancel()

    def replied(self, outcome: Outcome) -> None:
        """The reply has come, or a failure."""
        ended, self.ended = self.ended, None
        sent_call = self.sent_call
        if ended is None or sent_call is None:
            return
        sent_call.arrived(outcome)
        ended(self.answer_of(outcome), {sent_call.call.fetch: sent_call})

    def answer_of(self, outcome: Outcome) -> bytes | None:
        """The answer, if the reply is what it should be."""
        if not isinstance(outcome, Reply) or outcome.status != 200:
            return None
        step = self.program.steps[0]
        try:
            decoded = step.decode(outcome.body)
            if step.passes_values and b"null" in outcome.body:
                self.check(step, decoded.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, NeedsExactPath):
            return None
        extensions = decoded.extensions
        return outcome.body if extensions is UNSET else self.extended(outcome.body, extensions)

    def check(self, step: CompiledFetch, data: Any) -> None:
        """Raise Unusual for a null that must not be there."""
        state = RunState()
        setattr(state, step.slot, data)
        self.program.check(state)

    def extended(self, body: bytes, extensions: Any) -> bytes:
        """The answer for a reply that has extensions: those that are let through."""
        allowed = self.program.extensions
        return with_extensions(
            b'{"data":%b}' % bytes(data_of(body).data), merge_extensions({0: extensions}, allowed)
        )


class _Envelope(msgspec.Struct):
    data: msgspec.Raw


data_of = msgspec.json.Decoder(_Envelope).decode
