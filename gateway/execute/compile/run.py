"""Runs a compiled plan: sends each call as soon as its predecessors have ended, processes replies in
callbacks.

No task and no future is created for a fetch: either costs as much as processing a small reply.
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
from gateway.transport.base import Call, Handle, Outcome, Reply, Transport
from gateway.transport.template import members_of

SentCalls = dict[int, SentCall]
Known = Callable[[Call], Reply | None]
"""Returns the reply to a call at once if all of its values are cached in memory; else None."""
Ended = Callable[[bytes | None, SentCalls], None]
_NO_REPRESENTATIONS: tuple[list[bytes], ...] = ()


class CompiledRun(Protocol):
    """One run of a program. It calls `ended(body, sent_calls)` once.

    `body`: the response's; None if the exact path must continue. `sent_calls`: the calls that were sent, by
    fetch id, so that the exact path can use their replies, those that have not arrived yet included.
    """

    def begin(self) -> None:
        """Send the first calls."""
        ...

    def cancel(self) -> None:
        """Stop the run; `ended` is not called."""
        ...


class MergingRun:
    """A run that merges several replies into the response.

    `under_way`: the handles of all its calls. `known`: returns cached replies; None without a cache.
    `is_beginning`: whether `begin` has not returned, so that `ended` must not be called yet.
    """

    __slots__ = (
        "ended",
        "extensions",
        "inputs",
        "is_beginning",
        "known",
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
        self.known: Known | None = None
        self.is_beginning = True

    def begin(self) -> None:
        for index in self.program.schedule.first:
            self.start(index)
        self.is_beginning = False

    def cancel(self) -> None:
        self.ended = None
        for handle in self.under_way:
            handle.cancel()

    def start(self, index: int) -> None:
        """Send the call of a fetch. A fetch without an entity to look up ends at once."""
        compiled = self.program.steps[index]
        fetch = compiled.fetch
        members = members_of(fetch.variables, self.inputs.variables) if fetch.variables else []
        representations: Sequence[list[bytes]] = _NO_REPRESENTATIONS
        if compiled.prepare is not None:
            try:
                representations = compiled.prepare(self.state)
            except (
                NeedsExactPath,
                TypeError,
                ValueError,
                RecursionError,
            ):  # an unhashable or unencodable value
                self.leave_to_exact_path()
                return
            if compiled.template.entities_only and not any(representations):
                self.fetch_ended(compiled)
                return
        call = self.inputs.call(fetch, compiled.template, members, representations)
        sent_call = self.sent_calls[fetch.id] = SentCall(call)
        if self.known is not None and (reply := self.known(call)) is not None:
            self.replied(compiled, sent_call, reply)
            return
        self.under_way.append(self.transport.post(call, partial(self.replied, compiled, sent_call)))

    def replied(self, compiled: CompiledFetch, sent_call: SentCall, outcome: Outcome) -> None:
        """Process the outcome (reply or error) of a call."""
        sent_call.arrived(outcome)
        if self.ended is None:
            return
        try:
            if not isinstance(outcome, Reply) or outcome.status != 200:
                self.leave_to_exact_path()
            else:
                self.accept_reply(compiled, outcome, [len(one) for one in sent_call.call.representations])
        except (msgspec.DecodeError, UnicodeDecodeError, NeedsExactPath):
            self.leave_to_exact_path()
        except Exception as error:  # no caller awaits a callback, so the error must end the run here
            context = self.inputs.context
            context.observer.emit(InternalFailure(context.id, error))
            self.leave_to_exact_path()

    def accept_reply(self, compiled: CompiledFetch, reply: Reply, counts: Sequence[int]) -> None:
        """Decode a reply and assign its values to their objects.

        `counts`: the number of representations sent for each lookup. Raises NeedsExactPath if the reply has
        errors.
        """
        decoded = compiled.decode(reply.body)
        if decoded.errors is not None:
            raise NeedsExactPath
        if self.program.extensions and decoded.extensions is not UNSET:
            self.extensions[compiled.fetch.id] = decoded.extensions
        setattr(self.state, compiled.slot, decoded.data)
        if compiled.has_raw_values and b"null" in reply.body:
            self.state.has_null = True
        if compiled.accept is not None:
            compiled.accept(self.state, decoded.data, counts)
        self.fetch_ended(compiled)

    def fetch_ended(self, compiled: CompiledFetch) -> None:
        """Start the fetches that waited only for this one; finish if there are none left."""
        progress = self.progress
        for index in progress.ended(compiled.index):
            if self.ended is not None:  # else a fetch started here before has ended the run
                self.start(index)
        if not progress.left:
            self.finish()

    def finish(self) -> None:
        """Encode the response when every fetch has ended."""
        if self.ended is None:
            return
        try:
            body = self.program.encode_answer(self.state)
        except (TypeError, ValueError, NeedsExactPath):
            self.leave_to_exact_path()
            return
        if self.extensions:
            body = with_extensions(body, merge_extensions(self.extensions, self.program.extensions))
        self.end(body)

    def leave_to_exact_path(self) -> None:
        """End the run without a body; the exact path gets the calls that are in progress."""
        self.end(None)

    def end(self, body: bytes | None) -> None:
        """Call `ended`, only the first time, and never before `begin` has returned."""
        ended, self.ended = self.ended, None
        if ended is None:
            return
        if self.is_beginning:
            self.under_way.append(self.inputs.context.clock.call_soon(ended, body, self.sent_calls))
        else:
            ended(body, self.sent_calls)


class PassingRun:
    """A run of a program whose only reply becomes the response unchanged, if it decodes."""

    __slots__ = ("ended", "handle", "inputs", "program", "sent_call", "transport")

    def __init__(self, program: Program, transport: Transport, inputs: ExecutionInputs, ended: Ended) -> None:
        self.program = program
        self.transport = transport
        self.inputs = inputs
        self.ended: Ended | None = ended
        self.handle: Handle | None = None
        self.sent_call: SentCall | None = None

    def begin(self) -> None:
        compiled = self.program.steps[0]
        fetch = compiled.fetch
        members = members_of(fetch.variables, self.inputs.variables) if fetch.variables else ()
        call = self.inputs.call(fetch, compiled.template, members, ())
        self.sent_call = SentCall(call)
        self.handle = self.transport.post(call, self.replied)

    def cancel(self) -> None:
        self.ended = None
        if self.handle is not None:
            self.handle.cancel()

    def replied(self, outcome: Outcome) -> None:
        """Process the outcome (reply or error) of the call."""
        ended, self.ended = self.ended, None
        sent_call = self.sent_call
        if ended is None or sent_call is None:
            return
        sent_call.arrived(outcome)
        ended(self.answer_of(outcome), {sent_call.call.fetch: sent_call})

    def answer_of(self, outcome: Outcome) -> bytes | None:
        """Return the body of the response; None if the exact path must continue."""
        if not isinstance(outcome, Reply) or outcome.status != 200:
            return None
        compiled = self.program.steps[0]
        try:
            decoded = compiled.decode(outcome.body)
            if compiled.has_raw_values and b"null" in outcome.body:
                self.check(compiled, decoded.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, NeedsExactPath):
            return None
        extensions = decoded.extensions
        return outcome.body if extensions is UNSET else self.extended(outcome.body, extensions)

    def check(self, compiled: CompiledFetch, data: Any) -> None:
        """Raise NeedsExactPath for a null that the type forbids."""
        state = RunState()
        setattr(state, compiled.slot, data)
        self.program.check(state)

    def extended(self, body: bytes, extensions: Any) -> bytes:
        """Return the body of a response whose reply has extensions, with only those that the settings
        allow.
        """
        allowed = self.program.extensions
        return with_extensions(
            b'{"data":%b}' % bytes(data_of(body).data), merge_extensions({0: extensions}, allowed)
        )


class _Envelope(msgspec.Struct):
    data: msgspec.Raw


data_of = msgspec.json.Decoder(_Envelope).decode
