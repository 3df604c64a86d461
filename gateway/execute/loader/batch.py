"""One batch: the calls in it, their merged call, and the part of its reply for each of them."""

from collections.abc import Hashable, Sequence
from typing import Protocol

from gateway.core.clock import Clock, Timer
from gateway.core.errors import SubgraphError
from gateway.execute.loader.split import SplitReply
from gateway.execute.private_replies import is_private
from gateway.transport.base import Call, Done, Handle, Outcome, Reply, Transport

SLACK = 0.02  # seconds; a call whose deadline is that close to the batch's needs no timer of its own


class BatchOwner(Protocol):
    """The loader that a batch belongs to."""

    transport: Transport
    clock: Clock

    def request_ended(self, subgraph: str) -> None:
        """A batch's call to this subgraph has ended."""
        ...

    def mark_private(self, batch: "CallBatch") -> None:
        """Send calls like those of this batch separately from now on: the reply is for one user."""
        ...


class BatchedCall:
    """A call in a batch. Cancelling it cancels the batch's call if no other caller is left."""

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
            self.release()

    def release(self) -> None:
        """Cancel the timer and the call of this caller alone."""
        if self.timer is not None:
            self.timer.cancel()
        if self.handle is not None:
            self.handle.cancel()
        else:
            self.batch.call_cancelled()

    def end(self, outcome: Outcome) -> None:
        """Report the outcome to the caller."""
        done, self.done = self.done, None
        if self.timer is not None:
            self.timer.cancel()
        if done is not None:
            done(outcome)

    def timed_out(self) -> None:
        """Fail this call at its deadline; the batch's other calls go on."""
        done, self.done = self.done, None
        if done is not None:
            self.release()
            message = f"did not reply within {self.call.timeout:g} s"
            done(SubgraphError(message, "SUBGRAPH_TIMEOUT", subgraph=self.call.subgraph))

    def send_alone(self, transport: Transport, now: float) -> None:
        """Send this call by itself, with the time that is left for it, at least a millisecond."""
        call = self.call.replaced(deadline=max(self.call.deadline, now + 0.001))
        self.handle = transport.post(call, self.end)


class CallBatch:
    """Calls with one key, which are sent as one call. `closed`: no further call may join.

    `opened`: the time of creation. `count`: the number of representations, duplicates included. `sizes`: the
    number of distinct representations of each lookup. `timer` sends the batch after the maximum wait.
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
        """The subgraph to call."""
        return self.first.subgraph

    def send(self) -> bool:
        """Send the batch for the callers that are left; False when none is."""
        self.calls = [one for one in self.calls if one.done is not None]
        if not self.calls:
            return False
        call = self.calls[0].call if len(self.calls) == 1 else self.merged_call()
        self.handle = self.owner.transport.post(call, self.replied)
        return True

    def merged_call(self) -> Call:
        """One call with the distinct representations of all callers; notes in each caller's `places` the
        positions of its own.
        """
        latest = max(one.call.deadline for one in self.calls)
        known: list[dict[bytes, int]] = [{} for _ in self.first.template.variable_starts]
        for one in self.calls:
            one.places = [
                [mine.setdefault(each, len(mine)) for each in lookup]
                for mine, lookup in zip(known, one.call.representations, strict=True)
            ]
            if one.call.deadline < latest - SLACK:
                one.timer = self.owner.clock.call_at(one.call.deadline, one.timed_out)
        self.sizes = [len(mine) for mine in known]
        return self.first.replaced(deadline=latest, representations=[list(mine) for mine in known])

    def call_cancelled(self) -> None:
        """A caller was cancelled; with the last one the batch's call is cancelled."""
        if self.handle is not None and all(one.done is None for one in self.calls):
            self.handle.cancel()
            self.handle = None
            self.owner.request_ended(self.subgraph)

    def replied(self, outcome: Outcome) -> None:
        """Report to each caller its part of the reply; if the reply can't be split, send each call
        separately.
        """
        self.handle = None
        self.owner.request_ended(self.subgraph)
        everyone, self.calls = self.calls, []  # leave no reference cycle
        if len(everyone) == 1:
            if isinstance(outcome, Reply) and is_private((outcome.raw_headers,)):
                self.owner.mark_private(self)
            everyone[0].end(outcome)
            return
        parts = self.split(outcome) if isinstance(outcome, Reply) else None
        now = self.owner.clock.time()
        for one in everyone:
            if one.done is None:  # cancelled, possibly by the callback of an earlier one
                continue
            if parts is None:
                one.send_alone(self.owner.transport, now)
            else:
                one.end(parts.of(one.places))

    def split(self, reply: Reply) -> SplitReply | None:
        """The reply in parts; None for one that callers can't share."""
        if is_private((reply.raw_headers,)):
            self.owner.mark_private(self)
            return None
        try:
            return SplitReply(self.first.template, reply, self.sizes)
        except (ValueError, RecursionError):  # msgspec's decoding errors are ValueErrors
            return None
