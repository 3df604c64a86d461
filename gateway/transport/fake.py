"""A transport for unit tests: replies from a function, requests kept to be looked at."""

import copy
from collections.abc import Callable
from typing import Any

from gateway.transport.base import Spoken, SubgraphReply, SubgraphRequest

Replying = Callable[[SubgraphRequest], Any]


class FakeTransport(Spoken):
    """Answers each request by `replying(request)`: a payload, or an exception to raise."""

    def __init__(self, replying: Replying) -> None:
        self.replying = replying
        self.requests: list[SubgraphRequest] = []

    def __repr__(self) -> str:
        return f"FakeTransport({len(self.requests)} requests)"

    async def send(self, request: SubgraphRequest, timeout: float) -> SubgraphReply:
        """See Transport.send."""
        self.requests.append(request)
        result = self.replying(request)
        if isinstance(result, BaseException):
            raise result
        return SubgraphReply(copy.deepcopy(result))

    async def close(self) -> None:
        """Nothing is open."""
