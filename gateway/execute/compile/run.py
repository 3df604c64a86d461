"""Running a compiled plan: requests go out as soon as what they wait for is there; a reply is worked on in the callback that brings it.

No task is made for a fetch: a task costs as much as a small reply.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from gateway.core.errors import SubgraphError
from gateway.execute.compile.program import Program, State, Step, Unusual
from gateway.observe.events import InternalFailure, emit
from gateway.transport.base import Headers, RawReply, Spoken, SubgraphReply, SubgraphRequest, Transport

Asked = tuple[str, bytes]


async def pass_through(
    program: Program, transport: Transport, variables: Mapping[str, Any], headers: Headers, timeout: float
) -> tuple[RawReply | None, dict[Asked, RawReply | SubgraphError]]:
    """The one reply of a program that only passes it on, as it is if it is what it should be; else None, and what was heard."""
    (step,) = program.steps
    fetch = step.fetch
    body = step.body((), variables)
    try:
        reply = await transport.post(fetch.subgraph, body, headers, fetch.kind == "query", timeout)
    except SubgraphError as error:
        return None, {(fetch.subgraph, body): error}
    if reply.status == 200:
        try:
            step.decode(reply.body)
        except (msgspec.DecodeError, RecursionError):
            return None, {(fetch.subgraph, body): reply}
        return reply, {}
    return None, {(fetch.subgraph, body): reply}


class Run:
    """One run. `heard` is what subgraphs have answered, or failed with, by subgraph and request: the exact path asks none of it again."""

    def __init__(
        self, program: Program, transport: Transport, variables: Mapping[str, Any], headers: Headers, timeout: float
    ) -> None:
        self.program = program
        self.transport = transport
        self.variables = variables
        self.headers = headers
        self.timeout = timeout
        self.state = State()
        self.heard: dict[Asked, RawReply | SubgraphError] = {}
        self.under_way: list[asyncio.Future[RawReply]] = []
        self.waits = list(program.waits)
        self.left = len(program.steps)
        self.whole: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def answer(self) -> bytes:
        """The body of the answer; raises Unusual. What is still under way then is stopped."""
        try:
            for index in self.program.first:
                self.start(index)
            return await self.whole
        finally:
            for future in self.under_way:
                if not future.done():
                    future.cancel()

    def start(self, index: int) -> None:
        """Send a step's request, or pass it over when it has no entities to ask for."""
        step = self.program.steps[index]
        counts: list[int] = []
        representations: list[list[bytes]] = []
        if step.prepare is not None:
            try:
                representations = list(step.prepare(self.state))
            except (Unusual, TypeError) as error:  # a value that can't be a key is for the exact path
                self.fail(error)
                return
            counts = [len(one) for one in representations]
            if not any(counts) and len(representations) == len(step.fetch.lookups):
                self.done(step)
                return
        body = step.body(representations, self.variables)
        query = step.fetch.kind == "query"
        future = self.transport.post(step.fetch.subgraph, body, self.headers, query, self.timeout)
        self.under_way.append(future)
        future.add_done_callback(partial(self.take, step, body, counts))

    def take(self, step: Step, body: bytes, counts: list[int], future: "asyncio.Future[RawReply]") -> None:
        """A reply has come, or a failure."""
        if future.cancelled():
            return
        failed = future.exception()
        if failed is not None:
            if isinstance(failed, SubgraphError):
                self.heard[step.fetch.subgraph, body] = failed
            self.fail(failed)
            return
        reply = future.result()
        self.heard[step.fetch.subgraph, body] = reply
        if self.whole.done():
            return
        try:
            self.read(step, reply, counts)
        except (msgspec.DecodeError, Unusual) as error:
            self.fail(error)
        except Exception as error:  # nobody awaits a callback: what goes wrong in it must end the run
            emit(InternalFailure("compiled", error))
            self.fail(error)

    def read(self, step: Step, reply: RawReply, counts: list[int]) -> None:
        """Decode a reply, and put what it brings where it belongs."""
        if reply.status != 200:
            raise Unusual
        decoded = step.decode(reply.body)
        if decoded.errors is not None:
            raise Unusual
        setattr(self.state, f"data_{step.fetch.id}", decoded.data)
        if step.accept is not None:
            step.accept(self.state, decoded.data, counts)
        self.done(step)

    def done(self, step: Step) -> None:
        """A step is over: those that waited for it alone start."""
        self.left -= 1
        if not self.left:
            try:
                self.whole.set_result(self.program.written(self.state))
            except (TypeError, ValueError, Unusual) as error:
                self.fail(error)
            return
        for index in step.dependents:
            self.waits[index] -= 1
            if not self.waits[index]:
                self.start(index)

    def fail(self, error: BaseException) -> None:
        """Leave the rest to the exact path."""
        if not self.whole.done():
            self.whole.set_exception(Unusual(error))


class Heard(Spoken):
    """A transport for the exact path after a compiled run: what was heard already is not asked again, and a mutation never twice."""

    def __init__(self, transport: Transport, heard: Mapping[Asked, RawReply | SubgraphError]) -> None:
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

    async def close(self) -> None:
        """The transport behind it belongs to somebody else."""
