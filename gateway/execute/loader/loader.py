"""A dataloader across concurrent requests: entity fetches with equal selections and headers become one call.

Calls that come within one turn of the event loop form a batch. While another call to the same subgraph is in
progress, a batch collects more: until that call has ended, 5 ms have passed, or the batch is full. Each
distinct representation is sent once. The key of a batch contains everything that can change the reply:
subgraph, request text, variables, headers except those that only trace a request, and the request's
partition.
"""

from collections import defaultdict
from collections.abc import Hashable

from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.execute.loader.batch import BatchedCall, CallBatch
from gateway.transport.base import Call, Done, Handle, Transport

SIZE = 1_000  # the number of representations in a batch, at most
WAIT = 0.005  # seconds that a batch waits at most for a call to its subgraph to end
PRIVATE = 1_000  # the number of fetches with private replies to remember


class Loader:
    """A transport that batches calls which look up only entities and are repeatable; it forwards all others.

    - `size`: the number of representations in a batch, at most. `wait`: in seconds.
    - `open`: the batches that calls can join, by key. `waiting`: by subgraph, those that wait for a call to
      end.
    - `under_way`: the number of calls in progress, by subgraph. `private`: the fetches that are not batched.
    """

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
        """Send a call, in a batch if possible. The caller gets a reply with only its own entities."""
        template = call.template
        if not template.entities_only or not call.repeatable:
            return self.transport.post(call, done)
        fetch = (call.subgraph, template.start, template.end)
        if fetch in self.private:
            return self.transport.post(call, done)
        key = (*fetch, *call.members, call.sharing_key)
        count = sum(map(len, call.representations))
        batch = self.open.get(key)
        if batch is not None and batch.count + count > self.size:
            self.send_batch(batch)
            batch = None
        if batch is None:
            now = self.clock.time()
            batch = self.open[key] = CallBatch(self, key, call, now)
            self.clock.call_soon(self.send_or_wait, batch)
        joined = BatchedCall(batch, call, done)
        batch.calls.append(joined)
        batch.count += count
        return joined

    def send_or_wait(self, batch: CallBatch) -> None:
        """Send a batch after one turn of the event loop, or wait if a call to its subgraph is in progress."""
        if batch.closed:
            return
        if not self.under_way[batch.subgraph]:
            self.send_batch(batch)
            return
        until = min(batch.opened + self.wait, *(one.call.deadline for one in batch.calls))
        batch.timer = self.clock.call_at(until, self.send_batch, batch)
        self.waiting[batch.subgraph].append(batch)

    def send_batch(self, batch: CallBatch) -> None:
        """Close a batch and send it, unless every caller has cancelled."""
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

    def request_ended(self, subgraph: str) -> None:
        """Send the batches that wait for this subgraph, after a call to it has ended or was cancelled."""
        self.under_way[subgraph] -= 1
        for batch in list(self.waiting[subgraph]):
            self.send_batch(batch)

    def mark_private(self, batch: CallBatch) -> None:
        """Do not batch calls of this fetch any more: its replies are for one user only."""
        if len(self.private) >= PRIVATE:
            self.private.pop(next(iter(self.private)))
        template = batch.first.template
        self.private[batch.subgraph, template.start, template.end] = None

    async def close(self) -> None:
        await self.transport.close()
