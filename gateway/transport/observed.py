"""Reports the start and end of every call to whoever watches stages."""

from functools import partial

from gateway.core.errors import GatewayError
from gateway.observe.facts import CALL
from gateway.observe.observer import Observer
from gateway.transport.base import Call, Done, Handle, Outcome, Transport


class ObservedTransport:
    """A transport whose calls are reported; a call that belongs to no request is not."""

    def __init__(self, transport: Transport, observer: Observer) -> None:
        self.transport = transport
        self.observer = observer

    def post(self, call: Call, done: Done) -> Handle:
        if call.context is None:
            return self.transport.post(call, done)
        since = self.observer.started(CALL, call.context, call.subgraph)
        return self.transport.post(call, partial(self._ended, call, since, done))

    def _ended(self, call: Call, since: float, done: Done, outcome: Outcome) -> None:
        if call.context is not None:
            error = None
            if isinstance(outcome, Exception):
                error = outcome.code if isinstance(outcome, GatewayError) else "INTERNAL_SERVER_ERROR"
            self.observer.ended(CALL, call.context, since, call.subgraph, error)
        done(outcome)

    async def close(self) -> None:
        await self.transport.close()


def observed(transport: Transport, observer: Observer) -> Transport:
    """The transport with reports around it; itself where nobody watches stages."""
    return ObservedTransport(transport, observer) if observer.watches_stages else transport
