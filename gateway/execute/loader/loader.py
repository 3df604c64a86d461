"""Entity fetches that ask the same of their entities, for callers with the same headers, go out as one
request.

The dataloader of the literature, across requests: what comes within one turn of the event loop goes together.
While a fetch to the same subgraph is on its way, more is gathered: until that one is back, 5 ms have passed
or the batch is full. Each distinct representation is asked for once. Everything that can change the answer is
in the key: subgraph, text, variables, headers but for those that only trace a request, and the partition of
the request.
"""

from collections import defaultdict
from collections.abc import Hashable

from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.execute.loader.batch import BatchedCall, CallBatch
from gateway.transport.base import Call, Done, Handle, Transport

SIZE = 1_000  # representations
WAIT = 0.005  # seconds
PRIVATE = 1_000  # fetches that are known to bring what is for one user alone


class Loader:
    """A transport that joins the repeatable calls that ask for entities alone, and passes on all others."""

    def __init__(
        self, transport: Transport, *, size: int = SIZE, wait: float = WAIT, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.transport = transport
        self.clock = clock
        self.size = size
        self.wait = wait
        self.open: dict[Hashable, CallBatch] = {}
        self.waiting: dict[str, list[CallBatch]] = defaultdict(list)
        self.under_way: dict[str, int] = defaultdict(int)
        self.private: dict[Hashable, None] = {}

    def post(self, call: Call, done: Done) -> Handle:
        """Send a call; one that asks for entities gets a reply with its own entities alone."""
        template = call.template
        if not template.entities_only or not call.repeatable:
            return self.transport.post(call, done)
        fetch = (call.subgraph, template.start, template.end)
        if fetch in self.private:
            return self.transport.post(call, done)
        key = (*fetch, *call.members, call.sharing)
        count = sum(map(len, call.representations))
        batch = self.open.get(key)
        if batch is not None and batch.count + count > self.size:
            self.go(batch)
            batch = None
        if batch is None:
            now = self.clock.time()
            batch = self.open[key] = CallBatch(self, key, call, now)
            self.clock.call_soon(self.turn, batch)
        joined = BatchedCall(batch, call, done)
        batch.calls.append(joined)
        batch.count += count
        return joined

    def turn(self, batch: CallBatch) -> None:
        """A turn of the loop later: the batch goes out, or waits while a fetch to its subgraph is on its
        way.
        """
        if batch.closed:
            return
        if not self.under_way[batch.subgraph]:
            self.go(batch)
            return
        until = min(batch.opened + self.wait, *(one.call.deadline for one in batch.calls))
        batch.timer = self.clock.call_at(until, self.go, batch)
        self.waiting[batch.subgraph].append(batch)

    def go(self, batch: CallBatch) -> None:
        """Close the batch and send it, unless every call in it was cancelled."""
        if batch.closed:
            return
        batch.closed = True
        if self.open.get(batch.key) is batch:
            del self.open[batch.key]
        if batch.timer is not None:
            batch.timer.cancel()
            self.waiting[batch.subgraph].remove(batch)
        if batch.send():
            self.under_way[batch.subgraph] += 1

    def returned(self, subgraph: str) -> None:
        """A fetch is back, or was given up: the batches that wait for it go."""
        self.under_way[subgraph] -= 1
        for batch in list(self.waiting[subgraph]):
            self.go(batch)

    def keep_apart(self, batch: CallBatch) -> None:
        """The reply to this fetch is for one user alone: from now on no other call joins it."""
        if len(self.private) >= PRIVATE:
            self.private.pop(next(iter(self.private)))
        template = batch.first.template
        self.private[batch.subgraph, template.start, template.end] = None

    async def close(self) -> None:
        await self.transport.close()
