"""The past of a thing, for those who may see it.

Every change of it, and what it was after any of them or at any time.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import strawberry
from sqlalchemy import bindparam, select
from strawberry.scalars import JSON
from strawberry.types.field import StrawberryField

from subgraphs.kit import budget, checks
from subgraphs.kit.database import Session
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.event_store.aggregate import Loaded
from subgraphs.kit.event_store.events import StoredEvent
from subgraphs.kit.event_store.sourced import EventSourcedTable
from subgraphs.kit.event_store.tables import every_event
from subgraphs.kit.graphql import object_type, resolver
from subgraphs.kit.pagination import DEFAULT_FIRST, MAX_FIRST, First
from subgraphs.kit.service import ServiceContext

Before = Annotated[int | None, strawberry.argument(description="Changes before this version.")]
Version = Annotated[
    int | None, strawberry.argument(description="After this version (0: before it was made).")
]
Time = Annotated[datetime | None, strawberry.argument(description="At this time, with its offset.")]
_NEWEST = 2**31 - 1
_EVENTS = (
    select(every_event)
    .where(every_event.c.aggregate_id == bindparam("about"), every_event.c.version < bindparam("before"))
    .order_by(every_event.c.version.desc())
    .limit(bindparam("first"))
)


@object_type(shareable=True)
class HistoryEntry:
    """One change of a thing."""

    version: int = strawberry.field(description="The version that it made, from 1 without holes.")
    type: str = strawberry.field(description="What happened.")
    changes: JSON = strawberry.field(description="The new values of what changed.")
    created_by: str | None = strawberry.field(
        description="The user who did it, service:NAME, or database for a change by hand (admins see database:USER)."
    )
    correlation_id: strawberry.ID = strawberry.field(
        description="What it shares with all that follows from the same request or saga."
    )
    causation_id: strawberry.ID | None = strawberry.field(description="The event that led to it.")
    occurred_at: datetime = strawberry.field(description="When.")


@object_type(shareable=True)
class PastState:
    """What a thing was, rebuilt from its events."""

    version: int = strawberry.field(description="The version that it had.")
    state: JSON = strawberry.field(description="All that was known of it.")


async def entries(
    session: Session,
    about: EventSourcedTable[Any],
    key: UUID,
    first: int = DEFAULT_FIRST,
    before: int | None = None,
    *,
    is_admin: bool = False,
) -> list[HistoryEntry]:
    """The changes of a thing, newest first, in the shape in which they were stored.

    Who was at the database only for admins.
    """
    limit = checks.whole(first, "first", 1, MAX_FIRST)
    wanted = _NEWEST if before is None else checks.whole(before, "before", 1, _NEWEST)
    budget.spend(0)  # nothing is fetched for a request that has had too much
    rows = await session.fetch_all(
        _EVENTS, about=about.aggregate.stream(key).aggregate_id, before=wanted, first=limit
    )
    budget.spend(len(rows))
    return [_entry(StoredEvent.of(row), is_admin) for row in rows]


async def as_of(
    session: Session, about: EventSourcedTable[Any], key: UUID, version: int | None, time: datetime | None
) -> PastState:
    """What a thing was after a version or at a time, or what it is. Raises NoSuchVersion, BadUserInput."""
    loaded = await _load(session, about, key, version, time)
    return PastState(
        version=loaded.version, state=JSON(msgspec.to_builtins(loaded.state)) if loaded.version else JSON({})
    )


async def _load(
    session: Session, about: EventSourcedTable[Any], key: UUID, version: int | None, time: datetime | None
) -> Loaded[Any]:
    stream = about.aggregate.stream(key)
    if version is not None and time is not None:
        raise BadUserInput("Say 'version' or 'time', not both", "version")
    if version is not None:
        return await about.aggregate.load_at(session, stream, checks.whole(version, "version", 0, _NEWEST))
    if time is None:
        return await about.aggregate.load(session, stream)
    if time.tzinfo is None:
        raise BadUserInput("'time' needs an offset, such as 2026-11-22T12:00:00Z", "time")
    try:
        moment = time.astimezone(UTC)
    except OverflowError:
        raise BadUserInput("'time' is outside of the calendar", "time") from None
    return await about.aggregate.load_as_of(session, stream, moment)


Owner = Callable[[Any, str], Awaitable[UUID]]
"""The id of a thing that the caller of a request (its `info`) may know all of; NotFound or Forbidden."""


def history_field(about: EventSourcedTable[Any], owner: Owner, description: str) -> StrawberryField:
    """The field that tells every change of a thing to those who may know."""

    async def history(
        info: strawberry.Info[ServiceContext, None],
        id: strawberry.ID,
        first: First = DEFAULT_FIRST,
        before: Before = None,
    ) -> list[HistoryEntry] | None:
        key, is_admin = await owner(info, id), info.context.require().is_admin
        return await entries(info.context.database, about, key, first, before, is_admin=is_admin)

    history.__doc__ = description
    return resolver(history)


def as_of_field(about: EventSourcedTable[Any], owner: Owner, description: str) -> StrawberryField:
    """The field that tells what a thing was to those who may know."""

    async def past(
        info: strawberry.Info[ServiceContext, None],
        id: strawberry.ID,
        version: Version = None,
        time: Time = None,
    ) -> PastState | None:
        return await as_of(info.context.database, about, await owner(info, id), version, time)

    past.__doc__ = description
    return resolver(past)


def _entry(event: StoredEvent, is_admin: bool) -> HistoryEntry:
    by_hand = event.created_by.startswith("database:") and not is_admin
    return HistoryEntry(
        version=event.version,
        type=event.event_type,
        changes=JSON(dict(event.data)),
        created_by="database" if by_hand else event.created_by or None,
        correlation_id=strawberry.ID(str(event.correlation_id)),
        causation_id=strawberry.ID(str(event.causation_id)) if event.causation_id else None,
        occurred_at=event.occurred_at,
    )
