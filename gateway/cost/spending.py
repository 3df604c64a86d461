"""What one execution costs: refuses requests above a subgraph's budget, and adds up the actual cost."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping

from gateway.core.envelope import Envelope
from gateway.core.errors import SubgraphError
from gateway.transport.base import Call, Done, Handle, Outcome, Reply, Transport

Finish = Callable[["Spending", Envelope], Envelope]


class Spending:
    """The costs of one execution.

    - `over`: the subgraphs above their budget, with the estimated cost.
    - `weigh`: returns the actual cost of a reply; None if it is not computed from replies.
    - `finish`: adds what the client learns to the envelope.
    - `actual`: the actual cost so far, by subgraph.
    """

    def __init__(
        self,
        over: Mapping[str, int],
        weigh: Callable[[Call, Reply], int] | None,
        finish: Finish,
    ) -> None:
        self.over = over
        self.weigh = weigh
        self.finish = finish
        self.actual: Counter[str] = Counter()

    def around(self, transport: Transport) -> Transport:
        """Return the transport for the calls of this execution."""
        return SpendingTransport(transport, self)

    def finished(self, envelope: Envelope) -> Envelope:
        """Return the envelope with what the client learns about the costs."""
        return self.finish(self, envelope)


class SpendingTransport:
    """A transport that sends no call to a subgraph above its budget, and weighs the replies."""

    def __init__(self, inner: Transport, spending: Spending) -> None:
        self.inner = inner
        self.spending = spending

    def post(self, call: Call, done: Done) -> Handle:
        """Send a call, or fail with SUBGRAPH_COST_ESTIMATED_TOO_EXPENSIVE."""
        cost = self.spending.over.get(call.subgraph)
        if cost is not None:
            message = f"was not called: the operation costs {cost} there, more than its budget"
            code = "SUBGRAPH_COST_ESTIMATED_TOO_EXPENSIVE"
            error = SubgraphError(message, code, subgraph=call.subgraph, extensions={"estimated": cost})
            return asyncio.get_running_loop().call_soon(done, error)
        weigh = self.spending.weigh
        if weigh is None:
            return self.inner.post(call, done)

        def weighed(outcome: Outcome) -> None:
            if isinstance(outcome, Reply):
                self.spending.actual[call.subgraph] += weigh(call, outcome)
            done(outcome)

        return self.inner.post(call, weighed)

    async def close(self) -> None:
        """Close the transport around which this one is."""
        await self.inner.close()
