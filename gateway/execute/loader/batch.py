"""One batch of the loader: the calls in it, the merged call, and each caller's part of its reply."""

from collections.abc import Hashable, Sequence
from typing import Protocol

from gateway.core.clock import Clock, Timer
from gateway.core.errors import SubgraphError
from gateway.execute.loader.split import SplitReply
from gateway.execute.private_replies import is_private
from gateway.transport.base import Call, Done, Handle, Outcome, Reply, Transport

SLACK = 0.02  # seconds; a call whose deadline is at most this much earlier than the batch's gets no own timer


class BatchOwner(Protocol):
    """What a batch needs of its loader."""

    transport: Transport
    clock: Clock

    def request_ended(self, subgraph: str) -> None:
        """Called when a batch's call to this subgraph has ended."""
        ...

    def mark_private(self, batch: "CallBatch") -> None:
        """From now on send calls like those of this batch separately: the reply is for one user only."""
        ...


class BatchedCall:
    """A call in a batch. When it is cancelled and no other caller remains, the batch's call is cancelled too.

    `places`: for each lookup, the positions of its representations in the merged call. `handle`: of its own
    call, if it is sent separately. `timer`: for its own deadline.
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
            self.release()

    def release(self) -> None:
        """Cancel the timer, and the request of this call if it was sent separately.

        Otherwise the call leaves the batch, whose request is cancelled if no caller remains.
        """
        if self.timer is not None:
            self.timer.cancel()
        if self.handle is not None:
            self.handle.cancel()
        else:
            self.batch.call_cancelled()

    def end(self, outcome: Outcome) -> None:
        """Pass the outcome (reply or error) to the caller."""
        done, self.done = self.done, None
        if self.timer is not None:
            self.timer.cancel()
        if done is not None:
            done(outcome)

    def timed_out(self) -> None:
        """Fail this call at its deadline; the batch's other calls continue."""
        done, self.done = self.done, None
        if done is not None:
            self.release()
            message = f"did not reply within {self.call.timeout:g} s"
            done(SubgraphError(message, "SUBGRAPH_TIMEOUT", subgraph=self.call.subgraph))

    def send_alone(self, transport: Transport, now: float) -> None:
        """Send this call separately. If its deadline is over, it still gets a millisecond, and so times out.

        `now`: the clock's time.
        """
        call = self.call.replaced(deadline=max(self.call.deadline, now + 0.001))
        self.handle = transport.post(call, self.end)


class CallBatch:
    """Calls with equal keys, which are sent as one call.

    - `closed`: whether no further call may join. `opened`: the time of creation, in the clock's seconds.
    - `count`: the number of representations, duplicates included.
    - `sizes`: the number of distinct representations of each lookup.
    - `timer`: sends the batch after the maximum wait.
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
        """Return the name of the subgraph to call."""
        return self.first.subgraph

    def send(self) -> bool:
        """Send the batch for the callers that have not cancelled. Returns False if there are none."""
        self.calls = [one for one in self.calls if one.done is not None]
        if not self.calls:
            return False
        call = self.calls[0].call if len(self.calls) == 1 else self.merged_call()
        self.handle = self.owner.transport.post(call, self.replied)
        return True

    def merged_call(self) -> Call:
        """Return one call with the distinct representations of all callers, and set the `places` of each
        caller.

        Example: the callers' representations A, B and B, C give the call A, B, C and the places 0, 1 and 1,
        2.
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
        """A caller has cancelled: if it was the last one, cancel the batch's call."""
        if self.handle is not None and all(one.done is None for one in self.calls):
            self.handle.cancel()
            self.handle = None
            self.owner.request_ended(self.subgraph)

    def replied(self, outcome: Outcome) -> None:
        """Pass to each caller its part of the reply; if the reply can't be split, send each call
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
            if one.done is None:  # cancelled, possibly by the callback of an earlier caller
                continue
            if parts is None:
                one.send_alone(self.owner.transport, now)
            else:
                one.end(parts.of(one.places))

    def split(self, reply: Reply) -> SplitReply | None:
        """Return the merged call's reply, ready to be split among its callers.

        None if the reply is private or does not have the expected form; then each call is sent on its own.
        """
        if is_private((reply.raw_headers,)):
            self.owner.mark_private(self)
            return None
        try:
            return SplitReply(self.first.template, reply, self.sizes)
        except (ValueError, RecursionError):  # msgspec's decoding errors are ValueErrors
            return None
