"""Decides for each query whether the read model answers it, because it is fresh, or the command side.

`extensions.readModel` of the response has the source of each field, for example {"musicians":
{"source": "command_side", "secondsBehind": 7.2, "reason": "it is 7.2 s behind the log of events"}}.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import strawberry
import structlog

from subgraphs.kit.errors import DomainError
from subgraphs.read_side.errors import ReadModelUnavailable, why_unreadable
from subgraphs.read_side.loaders import ReadContext

log = structlog.get_logger("subgraphs.routing")

Answer = TypeVar("Answer")
Info = strawberry.Info[ReadContext, None]

READ_TIMEOUT: Final = 3.0  # seconds for a read model to answer
_CONTINUED: Final = "command:"
"""The prefix of cursors of lists from the command side, by which their next pages are requested
there, too.
"""


async def answer(
    info: Info, model: str, read: Callable[[], Awaitable[Answer]], fallback: Callable[[], Awaitable[Answer]]
) -> Answer:
    """Return the result of `read` if the read model `model` is fresh and readable, else that of `fallback`.

    The source is reported in `extensions.readModel`. Raises the errors of `fallback`, and errors of `read`
    that do not mean that the read model cannot be read.
    """
    verdict = info.context.freshness.verdict(model)
    reason = verdict.reason
    if verdict.trusted:
        found = await _attempt(read)
        if not isinstance(found, _Unreadable):
            _report(info, "read_model", verdict.seconds, None)
            return found
        reason = found.reason
        info.context.freshness.mark_unreadable(model, reason)
    log.debug("answered by the command side", field=info.field_name, model=model, reason=reason)
    _report(info, "command_side", verdict.seconds, reason)
    return await fallback()


async def answer_count(
    info: Info, model: str, read: Callable[[], Awaitable[int]], fallback: Callable[[], Awaitable[int]]
) -> int:
    """Return a list's number of elements: the result of `read` if the read model is fresh and readable.

    Otherwise return that of `fallback`. Nothing is reported in `extensions`.
    """
    found = await _attempt(read) if info.context.freshness.verdict(model).trusted else _Unreadable("")
    if not isinstance(found, _Unreadable):
        return found
    info.context.may_store = False
    return await fallback()


def unsupported(what: str) -> Callable[[], Awaitable[Any]]:
    """Return a `fallback` for a query that the command side cannot answer; it raises ReadModelUnavailable.

    `what`: a verb phrase for the message, such as "sort by rating".
    """

    async def refused() -> Any:
        raise unavailable(what)

    return refused


def unavailable(what: str) -> DomainError:
    """Return the error for a query that only the read model can answer.

    `what`: a verb phrase for the message, such as "sort by rating".
    """
    return ReadModelUnavailable(
        f"Only the read model can {what}, and it is not available now: try again in a moment"
    )


def unwrap_cursor(after: str | None) -> str | None:
    """Return the cursor of the command side from which `wrap_cursor` has made `after`.

    Returns None if `after` is None or a cursor of the read model.
    """
    return after.removeprefix(_CONTINUED) if after is not None and after.startswith(_CONTINUED) else None


def wrap_cursor(cursor: str) -> str:
    """Return the command side's cursor with a prefix that distinguishes it from cursors of a read model."""
    return _CONTINUED + cursor


def report_continued(info: Info) -> None:
    """Report in `extensions.readModel` that a page comes from the command side, as the first page did."""
    _report(info, "command_side", None, "the first page of the list came from the command side")


class _Unreadable:
    def __init__(self, reason: str) -> None:
        self.reason = reason


async def _attempt(read: Callable[[], Awaitable[Answer]]) -> Answer | _Unreadable:
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            return await read()
    except Exception as error:
        if isinstance(error, DomainError) or (reason := why_unreadable(error)) is None:
            raise
        return _Unreadable(reason)


def _report(info: Info, source: str, seconds: float | None, reason: str | None) -> None:
    report = {
        "source": source,
        "secondsBehind": None if seconds is None else round(seconds, 3),
        "reason": reason,
    }
    if source != "read_model":  # later changes of the command side's data would not invalidate the reply
        info.context.may_store = False
    info.context.extensions.setdefault("readModel", {})[str(info.path.key)] = report
