"""Sends GraphQL requests from one service to another, over the gateway's transports.

`orchestration` calls steps of sagas with it; `sync`, sinks and the read side query the owners of data.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from gateway.core.errors import SubgraphError
from gateway.saga.definition import StepCall, StepRefused
from gateway.saga.journal import LostLease
from gateway.transport.base import Transport, call_for, send_and_read
from gateway.transport.headers import NO_HEADERS, Headers
from subgraphs.kit.clock import SYSTEM_CLOCK, Clock
from subgraphs.kit.identity import SERVICE, TokenSigner

FINAL = frozenset(
    {"BAD_USER_INPUT", "CONFLICT", "NOT_FOUND", "FORBIDDEN", "ALREADY_UNDONE", "IDEMPOTENCY_KEY_REUSED"}
)
TIMEOUT = 8.0  # seconds
_UNREADABLE = "expected a GraphQL response with data or errors, got something else"
LIFETIME = 600  # seconds until a signed token expires


class ServiceClient:
    """Sends GraphQL requests to services; `authorization` returns the `authorization` header of each.

    None: the requests have none, and read public data only.
    """

    def __init__(self, transport: Transport, authorization: Callable[[], str] | None) -> None:
        self.transport = transport
        self.authorization = authorization

    async def step(
        self, service: str, field: str, call: StepCall, inputs: str, given: Mapping[str, Any]
    ) -> Any:
        """Do or undo a saga's step (`call`) by the mutation `field` of a service; return the
        mutation's result.

        `inputs` declares the mutation's arguments in GraphQL's syntax, separated by commas: `bookingId: ID!,
        amount: Decimal!`. `given` has their values by name. Raises StepRefused for an error that a retry
        cannot change, LostLease if a process with a newer fencing token has called the step, and
        SubgraphError for all other errors, which may be temporary.
        """
        names = [part.partition(":")[0].strip() for part in inputs.split(",")] if inputs else []
        declared = "".join(f", ${part.strip()}" for part in inputs.split(",")) if inputs else ""
        passed = "".join(f", {name}: ${name}" for name in names)
        query = f"mutation($order: StepOrder!{declared}) {{ {field}(order: $order{passed}) }}"
        order = {
            "sagaId": str(call.saga_id),
            "step": call.step,
            "direction": call.direction.upper(),
            "token": str(call.token),
            "cause": cause_of(call),
        }
        headers = self._headers()
        variables = {"order": order, **{name: given[name] for name in names}}
        call_to_send = call_for(service, query, variables, headers=headers, timeout=TIMEOUT)
        return _result(service, field, await send_and_read(self.transport, call_to_send))

    def _headers(self) -> Headers:
        if self.authorization is None:
            return NO_HEADERS
        return Headers.of([("authorization", self.authorization())])

    async def query(self, service: str, query: str, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send an operation and return the response's `data`.

        Raises SubgraphError if the service does not answer, or the response has errors or no data.
        """
        headers = self._headers()
        call = call_for(service, query, variables, headers=headers, timeout=TIMEOUT)
        # In a new task, so that a service in the same process counts list elements in a budget of its own.
        response = await asyncio.create_task(send_and_read(self.transport, call))
        payload = response if isinstance(response, dict) else {}
        data, errors = payload.get("data"), payload.get("errors")
        if errors or not isinstance(data, dict):
            message = (
                errors[0].get("message")
                if isinstance(errors, list) and errors and isinstance(errors[0], dict)
                else None
            )
            raise SubgraphError(str(message or _UNREADABLE), "SUBGRAPH_ERROR", subgraph=service)
        return data


class TransportPart:
    """A part of the service that closes the transport when the service stops."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def start(self) -> None:
        """Do nothing: the transport connects when it sends the first request."""

    async def stop(self) -> None:
        """Close every connection."""
        await self._transport.close()


def cause_of(call: StepCall) -> str | None:
    """Return the id of the last event of a saga's earlier steps; before the first one, that of the saga which
    has started this one.
    """
    given: str | None = call.data.get("cause")
    return last_event(call.results) or given


def last_event(results: Mapping[str, Any]) -> str | None:
    """Return the id of the last event of a saga's steps, from their results; None without one."""
    found = [one["eventId"] for one in results.values() if one and "eventId" in one]
    return found[-1] if found else None


def authorization(private_key: Path, self_id: UUID, clock: Clock = SYSTEM_CLOCK) -> Callable[[], str]:
    """Return a function that returns the `authorization` header for requests by the service `self_id`.

    The function signs a new token when half of the last token's lifetime has passed.
    """
    signer = TokenSigner(private_key, LIFETIME, clock)
    value, until = "", -math.inf

    def header() -> str:
        nonlocal value, until
        if clock.monotonic() > until:
            value, until = f"Bearer {signer.sign(self_id, SERVICE).value}", clock.monotonic() + LIFETIME / 2
        return value

    return header


def _result(service: str, field: str, payload: Any) -> Any:
    errors = payload.get("errors") if isinstance(payload, dict) else None
    if not errors and isinstance(payload, dict) and isinstance(payload.get("data"), dict):
        return payload["data"].get(field)
    error = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    extensions = error.get("extensions")
    code = extensions.get("code") if isinstance(extensions, dict) else None
    message = str(error.get("message", _UNREADABLE))
    if code == "SUPERSEDED":
        raise LostLease
    if code in FINAL:
        raise StepRefused(message, str(code))
    raise SubgraphError(message, "SUBGRAPH_ERROR", subgraph=service)
