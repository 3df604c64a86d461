"""A transport for one execution, in which one fetch has its reply already: an event, or known objects."""

from gateway.transport.base import Call, Done, Handle, Reply, Transport


class KnownReply:
    """Replies to one fetch of a plan; `rest` has the other calls."""

    __slots__ = ("fetch", "reply", "rest")

    def __init__(self, rest: Transport, fetch: int, reply: Reply) -> None:
        self.rest = rest
        self.fetch = fetch
        self.reply = reply

    def post(self, call: Call, done: Done) -> Handle:
        if call.fetch == self.fetch and call.context is not None:
            return call.context.clock.call_soon(done, self.reply)
        return self.rest.post(call, done)

    async def close(self) -> None:
        """Do nothing: `rest` belongs to the engine."""
