"""A transport that records the calls of one client request, so that its response can list them."""

from functools import partial
from typing import Any

from gateway.core.clock import Clock
from gateway.core.errors import GatewayError, SubgraphError
from gateway.transport.base import Call, Done, Handle, Outcome, Reply, Transport, read_payload


class RecordedCall:
    """One call: when it was sent (`since`, the clock's time), and after its end `seconds` and its outcome."""

    __slots__ = ("call", "outcome", "seconds", "since")

    def __init__(self, call: Call, since: float) -> None:
        self.call = call
        self.since = since
        self.seconds: float | None = None
        self.outcome: Outcome | None = None


class RecordingTransport:
    """A transport that records its calls, in the order in which they were sent, in `calls`."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self.transport = transport
        self.clock = clock
        self.calls: list[RecordedCall] = []

    def post(self, call: Call, done: Done) -> Handle:
        recorded = RecordedCall(call, self.clock.time())
        self.calls.append(recorded)
        return self.transport.post(call, partial(self._ended, recorded, done))

    def _ended(self, recorded: RecordedCall, done: Done, outcome: Outcome) -> None:
        recorded.seconds = self.clock.time() - recorded.since
        recorded.outcome = outcome
        done(outcome)

    async def close(self) -> None:
        await self.transport.close()


def facts_of(recorded: RecordedCall, begin: float) -> dict[str, Any]:
    """Return the facts about a call as JSON data, without its variables, headers and the texts of errors.

    `begin`: the clock's time from which `startMs` counts. Sizes are those of the bodies in bytes, the
    response's after decompression. `error`: the code if there is no usable reply; `errors`: the number of
    GraphQL errors in the reply.
    """
    call, outcome, seconds = recorded.call, recorded.outcome, recorded.seconds
    reply = outcome if isinstance(outcome, Reply) else None
    error, errors = _errors(call.subgraph, outcome)
    return {
        "fetch": call.fetch,
        "subgraph": call.subgraph,
        "startMs": round((recorded.since - begin) * 1000, 3),
        "durationMs": None if seconds is None else round(seconds * 1000, 3),
        "requestBytes": len(call.body),
        "responseBytes": None if reply is None else len(reply.body),
        "representations": sum(map(len, call.representations)),
        "status": None if reply is None else reply.status,
        "error": error,
        "errors": errors,
    }


def _errors(subgraph: str, outcome: Outcome | None) -> tuple[str | None, int]:
    """Return the code of the failure of a call, and the number of GraphQL errors in its reply."""
    if outcome is None:
        return None, 0
    if isinstance(outcome, Exception):
        return outcome.code if isinstance(outcome, GatewayError) else "INTERNAL_SERVER_ERROR", 0
    try:
        payload = read_payload(subgraph, outcome)
    except SubgraphError as error:
        return error.code, 0
    errors = payload.get("errors") if isinstance(payload, dict) else None
    return None, len(errors) if isinstance(errors, list) else 0
