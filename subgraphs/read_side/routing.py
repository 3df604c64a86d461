"""Where an answer comes from.

The read model while it can be trusted, the command side otherwise, and the answer says which.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import strawberry
import structlog

from subgraphs.kit.errors import DomainError
from subgraphs.read_side.errors import ReadModelUnavailable, why_unreadable
from subgraphs.read_side.loaders import ReadContext

log = structlog.get_logger("subgraphs.reading")

Answer = TypeVar("Answer")
Info = strawberry.Info[ReadContext, None]

PATIENCE: Final = 3.0  # seconds for a read model to answer
_CONTINUED: Final = "command:"
"""Begins the cursors of lists that the command side gives: such a list is gone on with where it was begun."""


async def answer(
    info: Info, model: str, read: Callable[[], Awaitable[Answer]], instead: Callable[[], Awaitable[Answer]]
) -> Answer:
    """What `read` finds in a trusted read model, or what `instead` finds elsewhere.

    `extensions.readModel` says which.
    """
    verdict = info.context.freshness.verdict(model)
    reason = verdict.reason
    if verdict.trusted:
        found = await _attempt(read)
        if not isinstance(found, _Unreadable):
            _say(info, "read_model", verdict.seconds, None)
            return found
        reason = found.reason
        info.context.freshness.mark_unreadable(model, reason)
    log.debug("answered by the command side", field=info.field_name, model=model, reason=reason)
    _say(info, "command_side", verdict.seconds, reason)
    return await instead()


async def answer_count(
    info: Info, model: str, read: Callable[[], Awaitable[int]], instead: Callable[[], Awaitable[int]]
) -> int:
    """The count of a list that the read model has given; the command side's if that is gone meanwhile."""
    found = await _attempt(read) if info.context.freshness.verdict(model).trusted else _Unreadable("")
    return await instead() if isinstance(found, _Unreadable) else found


def refusing(what: str) -> Callable[[], Awaitable[Any]]:
    """For questions that the command side cannot answer."""

    async def refused() -> Any:
        raise unavailable(what)

    return refused


def unavailable(what: str) -> DomainError:
    """The read model cannot be trusted now, and only it could do this."""
    return ReadModelUnavailable(
        f"The read model is not available now, and only it can {what}: try again in a moment"
    )


def unwrap_cursor(after: str | None) -> str | None:
    """A cursor of the command side in one of ours, if it is one."""
    return after.removeprefix(_CONTINUED) if after is not None and after.startswith(_CONTINUED) else None


def wrap_cursor(cursor: str) -> str:
    """A cursor of the command side as one of ours."""
    return _CONTINUED + cursor


def report_continued(info: Info) -> None:
    """The list was begun by the command side."""
    _say(info, "command_side", None, "the page before came from there")


class _Unreadable:
    def __init__(self, reason: str) -> None:
        self.reason = reason


async def _attempt(read: Callable[[], Awaitable[Answer]]) -> Answer | _Unreadable:
    try:
        async with asyncio.timeout(PATIENCE):
            return await read()
    except Exception as error:
        if isinstance(error, DomainError) or (reason := why_unreadable(error)) is None:
            raise
        return _Unreadable(reason)


def _say(info: Info, source: str, seconds: float | None, reason: str | None) -> None:
    told = {
        "source": source,
        "secondsBehind": None if seconds is None else round(seconds, 3),
        "reason": reason,
    }
    info.context.extensions.setdefault("readModel", {})[str(info.path.key)] = told
