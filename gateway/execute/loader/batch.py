"""One batch: the callers that wait for it, its request, and what each of them gets of the reply."""

import asyncio
from collections.abc import Hashable, Sequence
from typing import Protocol

from gateway.core.errors import SubgraphError
from gateway.execute.loader.split import Parts
from gateway.execute.template import Template
from gateway.execute.unshared import is_private
from gateway.transport.base import Done, Handle, Headers, Outcome, RawReply, Transport

SLACK = 0.02  # seconds by which a caller's deadline may lie before the batch's without a timer of its own


class Keeper(Protocol):
    """Whose batch it is."""

    transport: Transport

    def back(self, subgraph: str) -> None:
        """The batch's request is over."""
        ...

    def keep_apart(self, batch: "Batch") -> None:
        """The reply is for one user alone."""
        ...


class Caller:
    """One who waits. Leaving ends what is done for this one alone, and the batch's request if no other is left."""

    __slots__ = ("batch", "deadline", "done", "handle", "places", "representations", "timeout", "timer")

    def __init__(
        self,
        batch: "Batch",
        representations: Sequence[Sequence[bytes]],
        deadline: float,
        timeout: float,
        done: Done,
    ) -> None:
        self.batch = batch
        self.representations = representations
        self.deadline = deadline
        self.timeout = timeout
        self.done: Done | None = done
        self.places: Sequence[Sequence[int]] = ()
        self.handle: Handle | None = None
        self.timer: asyncio.TimerHandle | None = None

    def cancel(self) -> None:
        """See Handle."""
        if self.done is not None:
            self.done = None
            self.leave()

    def leave(self) -> None:
        """Stop what is done for this one."""
        if self.timer is not None:
            self.timer.cancel()
        if self.handle is not None:
            self.handle.cancel()
        else:
            self.batch.left()

    def end(self, outcome: Outcome) -> None:
        """Hand over what came."""
        done, self.done = self.done, None
        if self.timer is not None:
            self.timer.cancel()
        if done is not None:
            done(outcome)

    def too_late(self) -> None:
        """This one's time is over; the others go on."""
        done, self.done = self.done, None
        if done is not None:
            self.leave()
            message = f"gave no answer within {self.timeout:g} s"
            done(SubgraphError(message, "SUBGRAPH_TIMEOUT", subgraph=self.batch.subgraph))

    def alone(self, transport: Transport, now: float) -> None:
        """Ask for this one alone, with the time that is left."""
        batch = self.batch
        body = batch.template.body(batch.members, self.representations)
        left = max(self.deadline - now, 0.001)
        self.handle = transport.post(batch.subgraph, body, batch.headers, True, left, self.end)


class Batch:
    """Callers with one key. `gone`: nobody joins any more. `timer` sends it when it has waited long enough."""

    __slots__ = (
        "callers",
        "count",
        "gone",
        "handle",
        "headers",
        "keeper",
        "key",
        "members",
        "opened",
        "sizes",
        "subgraph",
        "template",
        "timer",
    )

    def __init__(
        self,
        keeper: Keeper,
        key: Hashable,
        subgraph: str,
        template: Template,
        members: Sequence[bytes],
        headers: Headers,
        opened: float,
    ) -> None:
        self.keeper, self.key, self.subgraph, self.template = keeper, key, subgraph, template
        self.members, self.headers, self.opened = members, headers, opened
        self.callers: list[Caller] = []
        self.count = 0
        self.gone = False
        self.handle: Handle | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.sizes: list[int] = []

    def send(self) -> bool:
        """Send the request for all that are still here; False when nobody is."""
        self.callers = [caller for caller in self.callers if caller.done is not None]
        if not self.callers:
            return False
        loop = asyncio.get_running_loop()
        latest = max(caller.deadline for caller in self.callers)
        for caller in self.callers:
            if caller.deadline < latest - SLACK:
                caller.timer = loop.call_at(caller.deadline, caller.too_late)
        body = self.template.body(self.members, self.representations())
        left = max(latest - loop.time(), 0.001)
        self.handle = self.keeper.transport.post(self.subgraph, body, self.headers, True, left, self.take)
        return True

    def representations(self) -> Sequence[Sequence[bytes]]:
        """Each lookup's distinct representations; callers learn the places of theirs."""
        if len(self.callers) == 1:
            return self.callers[0].representations
        known: list[dict[bytes, int]] = [{} for _ in self.template.joints]
        for caller in self.callers:
            caller.places = [
                [mine.setdefault(one, len(mine)) for one in each]
                for mine, each in zip(known, caller.representations, strict=True)
            ]
        self.sizes = [len(mine) for mine in known]
        return [list(mine) for mine in known]

    def left(self) -> None:
        """A caller has left: with the last one, the request is given up."""
        if self.handle is not None and all(caller.done is None for caller in self.callers):
            self.handle.cancel()
            self.handle = None
            self.keeper.back(self.subgraph)

    def take(self, outcome: Outcome) -> None:
        """The reply, or the failure: each caller gets its part; what can't be told apart, each asks for alone."""
        self.handle = None
        self.keeper.back(self.subgraph)
        everyone, self.callers = self.callers, []  # no circle is left for the garbage collector
        callers = [caller for caller in everyone if caller.done is not None]
        if len(everyone) == 1:
            for caller in callers:
                if isinstance(outcome, RawReply) and is_private((outcome.raw_headers,)):
                    self.keeper.keep_apart(self)
                caller.end(outcome)
            return
        parts = self.parts(outcome) if isinstance(outcome, RawReply) else None
        now = asyncio.get_running_loop().time()
        for caller in callers:
            if caller.done is None:  # gone with one before it
                continue
            if parts is None:
                caller.alone(self.keeper.transport, now)
            else:
                caller.end(parts.of(caller.places))

    def parts(self, reply: RawReply) -> Parts | None:
        """The reply in parts, if it is one that callers may share."""
        if is_private((reply.raw_headers,)):
            self.keeper.keep_apart(self)
            return None
        try:
            return Parts(self.template, reply, self.sizes)
        except (ValueError, RecursionError):  # msgspec's decoding errors are ValueErrors
            return None
