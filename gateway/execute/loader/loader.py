"""Entity fetches that ask the same of their entities, for callers with the same headers, go out as one request.

The dataloader of the literature, across requests: what comes within one turn of the event loop goes together. While a fetch to the
same subgraph is on its way, more is gathered: until that one is back, 5 ms have passed or the batch is full. Each distinct
representation is asked for once. Everything that can change the answer is in the key: subgraph, text, variables, and headers but for
those that only trace a request.
"""

import asyncio
from collections import defaultdict
from collections.abc import Hashable, Sequence
from functools import partial

import orjson

from gateway.execute.loader.batch import Batch, Caller
from gateway.execute.template import Template, members_of, template_of
from gateway.execute.unshared import TRACING
from gateway.transport.base import Done, Handle, Headers, RawReply, SubgraphReply, SubgraphRequest, Transport, reply_to

SIZE = 1_000  # representations
WAIT = 0.005  # seconds
PRIVATE = 1_000  # fetches that are known to bring what is for one user alone


class Loader:
    """A transport that batches what `load` is given; what `post` is given it passes on."""

    def __init__(self, transport: Transport, *, size: int = SIZE, wait: float = WAIT) -> None:
        self.transport = transport
        self.size = size
        self.wait = wait
        self.open: dict[Hashable, Batch] = {}
        self.waiting: dict[str, list[Batch]] = defaultdict(list)
        self.under_way: dict[str, int] = defaultdict(int)
        self.private: dict[Hashable, None] = {}

    def load(
        self,
        subgraph: str,
        template: Template,
        members: Sequence[bytes],
        representations: Sequence[Sequence[bytes]],
        headers: Headers,
        timeout: float,
        done: Done,
    ) -> Handle:
        """Ask for entities, as `Transport.post` does with the same request of one's own; the reply's body has no others."""
        fetch = (subgraph, template.start, template.end)
        if fetch in self.private:
            body = template.body(members, representations)
            return self.transport.post(subgraph, body, headers, True, timeout, done)
        key = (*fetch, *members, tuple([one for one in headers if one[0] not in TRACING]))
        loop = asyncio.get_running_loop()
        now = loop.time()
        count = sum(map(len, representations))
        batch = self.open.get(key)
        if batch is not None and batch.count + count > self.size:
            self.go(batch)
            batch = None
        if batch is None:
            batch = self.open[key] = Batch(self, key, subgraph, template, members, headers, now)
            loop.call_soon(self.turn, batch)
        caller = Caller(batch, representations, now + timeout, timeout, done)
        batch.callers.append(caller)
        batch.count += count
        return caller

    def turn(self, batch: Batch) -> None:
        """A turn of the loop later: the batch goes out, or waits while a fetch to its subgraph is on its way."""
        if batch.gone:
            return
        if not self.under_way[batch.subgraph]:
            self.go(batch)
            return
        until = min(batch.opened + self.wait, *(caller.deadline for caller in batch.callers))
        batch.timer = asyncio.get_running_loop().call_at(until, self.go, batch)
        self.waiting[batch.subgraph].append(batch)

    def go(self, batch: Batch) -> None:
        """Nobody joins the batch any more; it is sent unless everyone has left."""
        if batch.gone:
            return
        batch.gone = True
        if self.open.get(batch.key) is batch:
            del self.open[batch.key]
        if batch.timer is not None:
            batch.timer.cancel()
            self.waiting[batch.subgraph].remove(batch)
        if batch.send():
            self.under_way[batch.subgraph] += 1

    def back(self, subgraph: str) -> None:
        """A fetch is back, or given up: those that wait for it go."""
        self.under_way[subgraph] -= 1
        for batch in list(self.waiting[subgraph]):
            self.go(batch)

    def keep_apart(self, batch: Batch) -> None:
        """What this fetch brings is for one user alone: from now on nobody shares it."""
        if len(self.private) >= PRIVATE:
            self.private.pop(next(iter(self.private)))
        self.private[batch.subgraph, batch.template.start, batch.template.end] = None

    async def send(self, request: SubgraphRequest, timeout: float) -> SubgraphReply:
        """See Transport.send. A request with lookups joins a batch, if its values can be written as JSON."""
        variables = request.variables or {}
        if not request.lookups or not request.repeatable:
            return await self.transport.send(request, timeout)
        names = [variable for variable, _ in request.lookups]
        try:
            members = members_of([name for name in variables if name not in names], variables)
            option = orjson.OPT_NON_STR_KEYS
            representations = [[orjson.dumps(one, option=option) for one in variables[name]] for name in names]
        except TypeError:
            return await self.transport.send(request, timeout)
        template = template_of(request.query, request.operation_name, request.lookups)
        load = partial(self.load, request.subgraph, template, members, representations, request.headers, timeout)
        return self.transport.read(request.subgraph, await reply_to(load))

    def post(
        self, subgraph: str, body: bytes, headers: Headers, repeatable: bool, timeout: float, done: Done
    ) -> Handle:
        """See Transport.post."""
        return self.transport.post(subgraph, body, headers, repeatable, timeout, done)

    def read(self, subgraph: str, reply: RawReply) -> SubgraphReply:
        """See Transport.read."""
        return self.transport.read(subgraph, reply)

    async def close(self) -> None:
        """See Transport.close."""
        await self.transport.close()
