"""One batch: the calls that are joined in it, its request, and what each of them gets of the reply."""

from collections.abc import Hashable, Sequence
from typing import Protocol

from gateway.core.clock import Clock, Timer
from gateway.core.errors import SubgraphError
from gateway.execute.loader.split import SplitReply
from gateway.execute.private_replies import is_private
from gateway.transport.base import Call, Done, Handle, Outcome, Reply, Transport

SLACK = 0.02  # seconds by which a call's deadline may lie before the batch's without a timer of its own


class BatchOwner(Protocol):
    """Whose batch it is."""

    transport: Transport
    clock: Clock

    def returned(self, subgraph: str) -> None:
        """The batch's request is over."""
        ...

    def keep_apart(self, batch: "CallBatch") -> None:
        """The reply is for one user alone."""
        ...


class BatchedCall:
    """A call that waits for its batch.

    Cancelling it ends the batch's request if no other call is left in it.
    """

    __slots__ = ("batch", "call", "done", "handle", "places", "timer")

    def __init__(self, batch: "CallBatch", call: Call, done: Done) -> None:
        self.batch = batch
        self.call = call
        self.done: Done | None = done
        self.places: Sequence[Sequence[int]] = ()
        self.handle: Handle | None = None
        self.timer: Timer | None = None

    def cancel(self) -> None:
        if self.done is not None:
            self.done = None
            self.leave()

    def leave(self) -> None:
        """Stop what is done for this call alone."""
        if self.timer is not None:
            self.timer.cancel()
        if self.handle is not None:
            self.handle.cancel()
        else:
            self.batch.left()

    def end(self, outcome: Outcome) -> None:
        """Hand over the reply or the failure."""
        done, self.done = self.done, None
        if self.timer is not None:
            self.timer.cancel()
        if done is not None:
            done(outcome)

    def too_late(self) -> None:
        """The time of this call is over; the others go on."""
        done, self.done = self.done, None
        if done is not None:
            self.leave()
            message = f"gave no answer within {self.call.timeout:g} s"
            done(SubgraphError(message, "SUBGRAPH_TIMEOUT", subgraph=self.call.subgraph))

    def alone(self, transport: Transport, now: float) -> None:
        """Ask for this call alone, with the time that is left to it: at least a millisecond."""
        call = self.call.changed(deadline=max(self.call.deadline, now + 0.001))
        self.handle = transport.post(call, self.end)


class CallBatch:
    """Calls with one key. `closed`: no call joins any more.

    `timer` sends it when it has waited long enough.
    """

    __slots__ = ("calls", "closed", "count", "first", "handle", "key", "opened", "owner", "sizes", "timer")

    def __init__(self, owner: BatchOwner, key: Hashable, first: Call, opened: float) -> None:
        self.owner, self.key, self.first, self.opened = owner, key, first, opened
        self.calls: list[BatchedCall] = []
        self.count = 0
        self.closed = False
        self.handle: Handle | None = None
        self.timer: Timer | None = None
        self.sizes: list[int] = []

    @property
    def subgraph(self) -> str:
        """The subgraph that is asked."""
        return self.first.subgraph

    def send(self) -> bool:
        """Send the request for all calls that are still here; False when none is."""
        self.calls = [one for one in self.calls if one.done is not None]
        if not self.calls:
            return False
        call = self.calls[0].call if len(self.calls) == 1 else self.joined()
        self.handle = self.owner.transport.post(call, self.replied)
        return True

    def joined(self) -> Call:
        """The call for all of them, with each lookup's distinct representations.

        Each learns the places of its own.
        """
        latest = max(one.call.deadline for one in self.calls)
        known: list[dict[bytes, int]] = [{} for _ in self.first.template.joints]
        for one in self.calls:
            one.places = [
                [mine.setdefault(each, len(mine)) for each in lookup]
                for mine, lookup in zip(known, one.call.representations, strict=True)
            ]
            if one.call.deadline < latest - SLACK:
                one.timer = self.owner.clock.call_at(one.call.deadline, one.too_late)
        self.sizes = [len(mine) for mine in known]
        return self.first.changed(deadline=latest, representations=[list(mine) for mine in known])

    def left(self) -> None:
        """A call was cancelled: with the last one, the request is given up."""
        if self.handle is not None and all(one.done is None for one in self.calls):
            self.handle.cancel()
            self.handle = None
            self.owner.returned(self.subgraph)

    def replied(self, outcome: Outcome) -> None:
        """Give each call its part of the reply; what can't be told apart, each call asks for alone."""
        self.handle = None
        self.owner.returned(self.subgraph)
        everyone, self.calls = self.calls, []  # no cycle is left for the garbage collector
        if len(everyone) == 1:
            if isinstance(outcome, Reply) and is_private((outcome.raw_headers,)):
                self.owner.keep_apart(self)
            everyone[0].end(outcome)
            return
        parts = self.parts(outcome) if isinstance(outcome, Reply) else None
        now = self.owner.clock.time()
        for one in everyone:
            if one.done is None:  # cancelled, perhaps by what another call's end led to
                continue
            if parts is None:
                one.alone(self.owner.transport, now)
            else:
                one.end(parts.of(one.places))

    def parts(self, reply: Reply) -> SplitReply | None:
        """The reply in parts, if it is one that calls may share."""
        if is_private((reply.raw_headers,)):
            self.owner.keep_apart(self)
            return None
        try:
            return SplitReply(self.first.template, reply, self.sizes)
        except (ValueError, RecursionError):  # msgspec's decoding errors are ValueErrors
            return None
