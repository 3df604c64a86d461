"""Sends GraphQL requests to the command side: the services that own the data.

The requests have the caller's authorization, so the services return what the caller may see. `fallback` uses
it when a read model is not fresh.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog

from gateway.core.errors import SubgraphError
from gateway.transport.base import Transport, call_for, send_and_read
from gateway.transport.headers import NO_HEADERS, Headers
from subgraphs.read_side.errors import CommandSideRefused, ReadModelUnavailable

log = structlog.get_logger("subgraphs.command_side")

TIMEOUT: Final = 5.0  # seconds
_INTERNAL_CODES = frozenset({"INTERNAL_SERVER_ERROR", "SERVER_UNAVAILABLE", "SUBGRAPH_ERROR"})


class CommandSide:
    """Sends queries to other services on behalf of one caller."""

    def __init__(self, transport: Transport, authorization: str | None) -> None:
        self._transport = transport
        self._headers = Headers.of([("authorization", authorization)]) if authorization else NO_HEADERS

    @property
    def knows_caller(self) -> bool:
        """Whether the caller's request has a token."""
        return self._headers is not NO_HEADERS

    async def query(
        self, service: str, query: str, variables: Mapping[str, Any], optional: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Send a query and return the response's data.

        `optional`: response keys at which errors are ignored; the field is then null. Raises
        CommandSideRefused with the service's code for other errors, or ReadModelUnavailable if the service
        does not answer or has an internal error.
        """
        payload = await self._send(service, query, variables)
        for item in payload.get("errors") or ():
            if not set(optional).intersection(item.get("path") or ()):
                code = str((item.get("extensions") or {}).get("code", "SUBGRAPH_ERROR"))
                raise (
                    _unavailable(service)
                    if code in _INTERNAL_CODES
                    else CommandSideRefused(str(item.get("message")), code)
                )
        data = payload.get("data")
        if not isinstance(data, dict):
            raise _unavailable(service)
        return data

    async def _send(self, service: str, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Send a query and return the response.

        Raises ReadModelUnavailable if the service does not answer.
        """
        call = call_for(service, query, variables, headers=self._headers, timeout=TIMEOUT)
        try:
            # In a new task, so that a service in the same process counts list elements in a budget of its
            # own.
            response = await asyncio.create_task(send_and_read(self._transport, call))
        except SubgraphError as error:
            log.warning("the command side does not answer", service=service, reason=str(error))
            raise _unavailable(service) from error
        return response if isinstance(response, dict) else {}

    async def existing(
        self, service: str, typename: str, ids: Sequence[str]
    ) -> list[CommandSideRefused | bool | None]:
        """Return for each entity of a service, in the order of `ids`, whether it exists.

        True: the caller may see it; None: there is none; or the service's error, such as FORBIDDEN. Raises
        ReadModelUnavailable if the service does not answer.
        """
        query = f"query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on {typename} {{ uuid }} }} }}"
        variables = {"r": [{"__typename": typename, "uuid": key} for key in ids]}
        payload = await self._send(service, query, variables)
        data = payload.get("data")
        if not isinstance(data, dict):
            raise _unavailable(service)
        found: list[CommandSideRefused | bool | None] = [
            None if entity is None else True for entity in data["_entities"]
        ]
        for item in payload.get("errors") or ():
            code = str((item.get("extensions") or {}).get("code", "SUBGRAPH_ERROR"))
            path = list(item.get("path") or ())
            if code != "NOT_FOUND" and len(path) > 1:
                found[path[1]] = CommandSideRefused(str(item.get("message")), code)
        return found

    async def entities(
        self, service: str, typename: str, ids: Sequence[str], selection: str
    ) -> list[dict[str, Any]]:
        """Return the fields `selection` of entities from a service, in the order of `ids`.

        An entity that the service does not find is {}.
        """
        if not ids:
            return []
        fragment = f"... on {typename} {{ {selection} }}"
        query = f"query($r: [_Any!]!) {{ _entities(representations: $r) {{ {fragment} }} }}"
        variables = {"r": [{"__typename": typename, "uuid": key} for key in ids]}
        data = await self.query(service, query, variables)
        return [entity or {} for entity in data["_entities"]]


def _unavailable(service: str) -> ReadModelUnavailable:
    return ReadModelUnavailable(
        f"Neither the read model nor the {service} service answers now: try again later"
    )
