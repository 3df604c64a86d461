"""A transport that reports the start and the end of each call to stage listeners (see `observe`)."""

from functools import partial

from gateway.core.errors import GatewayError
from gateway.observe.facts import CALL
from gateway.observe.observer import Observer
from gateway.transport.base import Call, Done, Handle, Outcome, Transport


class ObservedTransport:
    """A transport that reports its calls, except those without a request context."""

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
    """Return the transport with reports; the transport itself if there are no stage listeners."""
    return ObservedTransport(transport, observer) if observer.watches_stages else transport
