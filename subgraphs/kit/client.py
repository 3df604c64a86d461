"""Asking another service by GraphQL, over the gateway's own way to subgraphs.

A saga's steps, and what services tell services.
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
from gateway.transport.headers import Headers
from subgraphs.kit.clock import SYSTEM_CLOCK, Clock
from subgraphs.kit.identity import SERVICE, TokenSigner

FINAL = frozenset(
    {"BAD_USER_INPUT", "CONFLICT", "NOT_FOUND", "FORBIDDEN", "ALREADY_UNDONE", "IDEMPOTENCY_KEY_REUSED"}
)
TIMEOUT = 8.0  # seconds
LIFETIME = 600  # seconds of a token


class ServiceClient:
    """Calls the steps of services.

    `authorization` gives the value of the header, a new one when the last is about to end.
    """

    def __init__(self, transport: Transport, authorization: Callable[[], str]) -> None:
        self.transport = transport
        self.authorization = authorization

    async def step(
        self, service: str, field: str, call: StepCall, inputs: str, given: Mapping[str, Any]
    ) -> Any:
        """Do or undo a step by a service's mutation: its result.

        `inputs` declares the mutation's own arguments, such as `bookingId: ID!`; `given` are their values.
        Raises Refused for an answer that will not change, LostLease when somebody with a newer token was
        there, and SubgraphError for all that may get better.
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
        }
        headers = Headers.of([("authorization", self.authorization())])
        variables = {"order": order, **{name: given[name] for name in names}}
        asked = call_for(service, query, variables, headers=headers, timeout=TIMEOUT)
        return _result(service, field, await send_and_read(self.transport, asked))

    async def ask(self, service: str, query: str, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        """The data of an answer that has no errors. Raises SubgraphError."""
        headers = Headers.of([("authorization", self.authorization())])
        asked = call_for(service, query, variables, headers=headers, timeout=TIMEOUT)
        # In a task of its own: a service in the same process counts its own work, not ours.
        found = await asyncio.create_task(send_and_read(self.transport, asked))
        payload = found if isinstance(found, dict) else {}
        data, errors = payload.get("data"), payload.get("errors")
        if errors or not isinstance(data, dict):
            said = (
                errors[0].get("message")
                if isinstance(errors, list) and errors and isinstance(errors[0], dict)
                else None
            )
            raise SubgraphError(
                str(said or "gave no answer that can be read"), "SUBGRAPH_ERROR", subgraph=service
            )
        return data


def authorization(private_key: Path, self_id: UUID, clock: Clock = SYSTEM_CLOCK) -> Callable[[], str]:
    """What gives the value of a service's header `authorization`: its token, signed anew halfway through its
    lifetime."""
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
    message = str(error.get("message", "gave no answer that can be read"))
    if code == "SUPERSEDED":
        raise LostLease
    if code in FINAL:
        raise StepRefused(message, str(code))
    raise SubgraphError(message, "SUBGRAPH_ERROR", subgraph=service)
