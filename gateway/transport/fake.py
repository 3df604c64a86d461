"""A transport for unit tests: replies come from a function, and calls are recorded."""

from collections.abc import Callable
from typing import Any

from gateway.transport.base import Call, Done, Handle, Reply, run_in_task
from gateway.transport.local import json_reply

Replying = Callable[[Call], Any]


class FakeTransport:
    """Replies to each call with `replying(call)`: JSON data, a Reply, or an exception to raise.

    `requests`: all calls so far.
    """

    def __init__(self, replying: Replying) -> None:
        self.replying = replying
        self.requests: list[Call] = []

    def __repr__(self) -> str:
        return f"FakeTransport({len(self.requests)} requests)"

    def post(self, call: Call, done: Done) -> Handle:
        return run_in_task(self._reply(call), done)

    async def _reply(self, call: Call) -> Reply:
        self.requests.append(call)
        result = self.replying(call)
        if isinstance(result, BaseException):
            raise result
        return result if isinstance(result, Reply) else json_reply(call.subgraph, result)

    async def close(self) -> None:
        """Do nothing: no connection is open."""
