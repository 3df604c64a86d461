"""Equal queries that are under way at the same time are answered by one execution.

Equal in everything that can change the answer: the operation, its variables, and every header that subgraphs are sent, but for
those that only trace a request. The first caller executes; the others wait for its body. If it leaves, the next one executes anew;
what a subgraph gives to one user alone (`Cache-Control: private` or `no-store`, `Set-Cookie`), or what is not a plain answer, each
gets for itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from enum import Enum
from typing import Any

import orjson

from gateway.pipeline import Written
from gateway.transport.base import Headers, RawReply

TRACING = frozenset({"traceparent", "tracestate", "x-request-id"})


class _Instead(Enum):
    """What a waiting caller does instead of taking a body."""

    GO_FIRST = 1
    ASK_ALONE = 2


Waiting = list["asyncio.Future[bytes | _Instead]"]


class Flights:
    """The executions that are under way, and who waits for each."""

    def __init__(self) -> None:
        self.open: dict[Hashable, Waiting] = {}

    async def share(self, key: Hashable, execute: Callable[[], Awaitable[Written]]) -> bytes | dict[str, Any]:
        """Execute, or wait for the equal execution that is under way."""
        while (waiting := self.open.get(key)) is not None:
            future: asyncio.Future[bytes | _Instead] = asyncio.get_running_loop().create_future()
            waiting.append(future)
            found = await future
            if isinstance(found, bytes):
                return found
            if found is _Instead.ASK_ALONE:
                return (await execute()).response
        return await self.lead(key, execute)

    async def lead(self, key: Hashable, execute: Callable[[], Awaitable[Written]]) -> bytes | dict[str, Any]:
        """Execute for everyone who comes meanwhile."""
        waiting: Waiting = []
        self.open[key] = waiting
        outcome: bytes | _Instead = _Instead.GO_FIRST
        try:
            written = await execute()
            outcome = _Instead.ASK_ALONE
            if waiting and isinstance(written.response, bytes) and not is_private(written.replies):
                outcome = written.response
            return written.response
        finally:
            del self.open[key]
            for future in waiting:
                if not future.done():
                    future.set_result(outcome)


def key_of(query: str, operation: str | None, variables: Mapping[str, Any], headers: Headers) -> Hashable | None:
    """What equal requests share; None where it can't be told."""
    try:
        given = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS) if variables else b""
    except TypeError:
        return None
    return query, operation, given, tuple([one for one in headers if one[0] not in TRACING])


def is_private(replies: Iterable[RawReply]) -> bool:
    """Whether a subgraph has said that a reply is for one user alone."""
    for reply in replies:
        for name, value in reply.raw_headers:
            lower = name.lower()
            if lower == b"set-cookie":
                return True
            if lower == b"cache-control" and (b"private" in value.lower() or b"no-store" in value.lower()):
                return True
    return False
