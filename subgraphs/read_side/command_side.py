"""The command side: the services that own the data, asked by GraphQL with the caller's own authorization."""

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
_BROKEN = frozenset({"INTERNAL_SERVER_ERROR", "SUBGRAPH_ERROR"})


class CommandSide:
    """Asks other services for one caller."""

    def __init__(self, transport: Transport, authorization: str | None) -> None:
        self._transport = transport
        self._headers = Headers.of([("authorization", authorization)]) if authorization else NO_HEADERS

    @property
    def knows_caller(self) -> bool:
        """Whether it asks for somebody."""
        return self._headers is not NO_HEADERS

    async def query(
        self, service: str, query: str, variables: Mapping[str, Any], optional: Sequence[str] = ()
    ) -> dict[str, Any]:
        """The data of an answer. Errors below a field of `optional` are passed over.

        It is null then, for this caller.

        Raises CommandSideRefused with the service's own code, or ReadModelUnavailable when it does not answer
        either.
        """
        asked = call_for(service, query, variables, headers=self._headers, timeout=TIMEOUT)
        try:
            # In a task of its own: a service in the same process counts its own elements of lists, not ours.
            found = await asyncio.create_task(send_and_read(self._transport, asked))
        except SubgraphError as error:
            log.warning("the command side does not answer", service=service, reason=str(error))
            raise _silent(service) from error
        payload = found if isinstance(found, dict) else {}
        for told in payload.get("errors") or ():
            if not set(optional).intersection(told.get("path") or ()):
                code = str((told.get("extensions") or {}).get("code", "SUBGRAPH_ERROR"))
                raise (
                    _silent(service)
                    if code in _BROKEN
                    else CommandSideRefused(str(told.get("message")), code)
                )
        data = payload.get("data")
        if not isinstance(data, dict):
            raise _silent(service)
        return data

    async def entities(
        self, service: str, typename: str, ids: Sequence[str], selection: str
    ) -> list[dict[str, Any]]:
        """What a service knows of entities, in the order of their ids.

        Nothing for those that it does not know.
        """
        if not ids:
            return []
        query = f"query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on {typename} {{ {selection} }} }} }}"
        given = {"r": [{"__typename": typename, "id": one} for one in ids]}
        data = await self.query(service, query, given)
        return [one or {} for one in data["_entities"]]


class TransportPart:
    """The transport as a part of the service, which closes it at its end."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def start(self) -> None:
        """Nothing: connections are made when they are needed."""

    async def stop(self) -> None:
        """Close every connection."""
        await self._transport.close()


def _silent(service: str) -> ReadModelUnavailable:
    return ReadModelUnavailable(f"Neither the read model nor {service} answers: try again later")
