"""Running a compiled plan: requests go out as soon as what they wait for is there; a reply is worked on in the callback that brings it.

No task and no future is made for a fetch: either costs as much as a small reply.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec
from msgspec import UNSET

from gateway.core.errors import SubgraphError
from gateway.execute.compile.program import Program, Step
from gateway.execute.compile.runtime import State, Unusual
from gateway.execute.extensions import merge_extensions, with_extensions
from gateway.execute.loader.loader import Loader
from gateway.execute.template import members_of
from gateway.observe.events import InternalFailure, emit
from gateway.transport.base import Done, Handle, Headers, Outcome, RawReply, SubgraphReply, SubgraphRequest, Transport

Asked = tuple[str, bytes]
Hearings = dict[Asked, RawReply | SubgraphError]
Ended = Callable[[bytes | None, Hearings], None]


class Running(Protocol):
    """One run of a program. At its end it calls back with the body of the answer, or None: then the exact path takes over."""

    def begin(self) -> None:
        """Send the first requests."""
        ...

    def cancel(self) -> None:
        """Stop; nobody is called back."""
        ...


class Run:
    """One run. `heard` is what subgraphs have answered, or failed with, by subgraph and request: the exact path asks none of it again.

    `loader` batches entity fetches with those of other requests; without one each goes out by itself.
    """

    __slots__ = (
        "ended",
        "extensions",
        "headers",
        "heard",
        "left",
        "loader",
        "program",
        "state",
        "timeout",
        "transport",
        "under_way",
        "variables",
        "waits",
    )

    def __init__(
        self,
        program: Program,
        transport: Transport,
        loader: Loader | None,
        variables: Mapping[str, Any],
        headers: Headers,
        timeout: float,
        ended: Ended,
    ) -> None:
        self.program = program
        self.transport = transport
        self.loader = loader
        self.variables = variables
        self.headers = headers
        self.timeout = timeout
        self.ended: Ended | None = ended
        self.state = State()
        self.heard: Hearings = {}
        self.extensions: dict[int, Mapping[str, Any]] = {}
        self.under_way: list[Handle] = []
        self.waits = list(program.waits)
        self.left = len(program.steps)

    def begin(self) -> None:
        """See Running."""
        for index in self.program.first:
            self.start(index)

    def cancel(self) -> None:
        """See Running."""
        self.ended = None
        for handle in self.under_way:
            handle.cancel()

    def start(self, index: int) -> None:
        """Send a step's request, or pass it over when it has no entities to ask for."""
        step = self.program.steps[index]
        fetch = step.fetch
        query = fetch.kind == "query"
        members = members_of(fetch.variables, self.variables) if fetch.variables else []
        if step.prepare is None:
            body = step.template.body(members, ())
            take = partial(self.take, step, body, ())
            self.under_way.append(self.transport.post(fetch.subgraph, body, self.headers, query, self.timeout, take))
            return
        try:
            representations = step.prepare(self.state)
        except (Unusual, TypeError):  # a value that can't be a key is for the exact path
            self.fail()
            return
        counts = [len(one) for one in representations]
        if not any(counts) and step.entities_only:
            self.done(step)
            return
        body = step.template.body(members, representations)
        take = partial(self.take, step, body, counts)
        if self.loader is not None and query and step.entities_only:
            handle = self.loader.load(
                fetch.subgraph, step.template, members, representations, self.headers, self.timeout, take
            )
        else:
            handle = self.transport.post(fetch.subgraph, body, self.headers, query, self.timeout, take)
        self.under_way.append(handle)

    def take(self, step: Step, body: bytes, counts: Sequence[int], outcome: Outcome) -> None:
        """A reply has come, or a failure."""
        if self.ended is None:
            return
        if isinstance(outcome, RawReply | SubgraphError):
            self.heard[step.fetch.subgraph, body] = outcome
        try:
            if not isinstance(outcome, RawReply) or outcome.status != 200:
                self.fail()
            else:
                self.read(step, outcome, counts)
        except (msgspec.DecodeError, Unusual):
            self.fail()
        except Exception as error:  # nobody awaits a callback: what goes wrong in it must end the run
            emit(InternalFailure("compiled", error))
            self.fail()

    def read(self, step: Step, reply: RawReply, counts: Sequence[int]) -> None:
        """Decode a reply, and put what it brings where it belongs."""
        decoded = step.decode(reply.body)
        if decoded.errors is not None:
            raise Unusual
        if self.program.extensions and decoded.extensions is not UNSET:
            self.extensions[step.fetch.id] = decoded.extensions
        setattr(self.state, step.slot, decoded.data)
        if step.accept is not None:
            step.accept(self.state, decoded.data, counts)
        self.done(step)

    def done(self, step: Step) -> None:
        """A step is over: those that waited for it alone start."""
        self.left -= 1
        if not self.left:
            try:
                body = self.program.written(self.state)
            except (TypeError, ValueError, Unusual):
                self.fail()
                return
            if self.extensions:
                body = with_extensions(body, merge_extensions(self.extensions, self.program.extensions))
            self.end(body)
            return
        waits = self.waits
        for index in step.dependents:
            waits[index] -= 1
            if not waits[index]:
                self.start(index)

    def fail(self) -> None:
        """Leave the rest to the exact path."""
        for handle in self.under_way:
            handle.cancel()
        self.end(None)

    def end(self, body: bytes | None) -> None:
        """Call back, once."""
        ended, self.ended = self.ended, None
        if ended is not None:
            ended(body, self.heard)


class Through:
    """A run of a program whose one reply is the answer as it is, if it is what it should be."""

    __slots__ = ("body", "ended", "handle", "headers", "program", "timeout", "transport", "variables")

    def __init__(
        self,
        program: Program,
        transport: Transport,
        variables: Mapping[str, Any],
        headers: Headers,
        timeout: float,
        ended: Ended,
    ) -> None:
        self.program = program
        self.transport = transport
        self.variables = variables
        self.headers = headers
        self.timeout = timeout
        self.ended: Ended | None = ended
        self.handle: Handle | None = None
        self.body = b""

    def begin(self) -> None:
        """See Running."""
        step = self.program.steps[0]
        fetch = step.fetch
        self.body = step.template.body(members_of(fetch.variables, self.variables) if fetch.variables else (), ())
        self.handle = self.transport.post(
            fetch.subgraph, self.body, self.headers, fetch.kind == "query", self.timeout, self.take
        )

    def cancel(self) -> None:
        """See Running."""
        self.ended = None
        if self.handle is not None:
            self.handle.cancel()

    def take(self, outcome: Outcome) -> None:
        """The reply has come, or a failure."""
        ended, self.ended = self.ended, None
        if ended is None:
            return
        found: bytes | None = None
        if isinstance(outcome, RawReply) and outcome.status == 200:
            step = self.program.steps[0]
            try:
                extensions = step.decode(outcome.body).extensions
                found = outcome.body if extensions is UNSET else self.extended(outcome.body, extensions)
            except (msgspec.DecodeError, RecursionError):
                found = None
        asked = (self.program.steps[0].fetch.subgraph, self.body)
        ended(found, {asked: outcome} if isinstance(outcome, RawReply | SubgraphError) else {})

    def extended(self, body: bytes, extensions: Any) -> bytes:
        """The answer for a reply that has extensions: those that are let through."""
        allowed = self.program.extensions
        return with_extensions(b'{"data":%b}' % bytes(data_of(body).data), merge_extensions({0: extensions}, allowed))


class _Envelope(msgspec.Struct):
    data: msgspec.Raw


data_of = msgspec.json.Decoder(_Envelope).decode


class Heard:
    """A transport for the exact path after a compiled run: what was heard already is not asked again, and a mutation never twice."""

    def __init__(self, transport: Transport, heard: Hearings) -> None:
        self.transport = transport
        self.heard = heard

    async def send(self, request: SubgraphRequest, timeout: float) -> SubgraphReply:
        """See Transport.send."""
        try:
            body = request.body()
        except TypeError:
            return await self.transport.send(request, timeout)
        known = self.heard.get((request.subgraph, body))
        if known is None:
            return await self.transport.send(request, timeout)
        if isinstance(known, SubgraphError):
            raise known
        return self.transport.read(request.subgraph, known)

    def post(
        self, subgraph: str, body: bytes, headers: Headers, repeatable: bool, timeout: float, done: Done
    ) -> Handle:
        """See Transport.post."""
        return self.transport.post(subgraph, body, headers, repeatable, timeout, done)

    def read(self, subgraph: str, reply: RawReply) -> SubgraphReply:
        """See Transport.read."""
        return self.transport.read(subgraph, reply)

    async def close(self) -> None:
        """The transport behind it belongs to somebody else."""
