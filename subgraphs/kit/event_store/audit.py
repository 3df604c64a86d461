"""Queries for audits: which user or service changed what, when, and because of which command or event.

Archived events are included. Each event has the id of its cause (`causation_id`), so that the queries can
follow chains of causes in both directions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, Uuid, cast, literal, select, tuple_

from subgraphs.kit.database import Session
from subgraphs.kit.event_store.events import Cursor, StoredEvent
from subgraphs.kit.event_store.tables import Xid8, every_event


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Conditions on events, joined by AND; None: no condition.

    `caused_by`: matches the event with this id and all events that the event or command with this id has
    caused, directly or through other events. `leading_to`: matches the event with this id and all events that
    caused it. `since` is inclusive, `until` exclusive; both are compared with `occurred_at`.
    """

    aggregate_id: UUID | None = None
    aggregate_type: str | None = None
    event_type: str | None = None
    correlation_id: UUID | None = None
    caused_by: UUID | None = None
    leading_to: UUID | None = None
    created_by: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """A page of events in the global order; `next` is the cursor of the next page, None on the last page."""

    events: Sequence[StoredEvent]
    next: Cursor | None


async def history(
    session: Session, filters: Filters, *, first: int = 100, after: Cursor | None = None
) -> HistoryPage:
    """Return a page of at most `first` events behind the cursor `after`, as they are stored, not upcast.

    A page contains every committed event. An event that commits after a page was read, with a position inside
    that page, is therefore missing for a reader of several pages; `feed.read_after` misses none.
    """
    order = (every_event.c.transaction_id, every_event.c.position)
    statement = select(every_event).where(*_conditions(filters)).order_by(*order).limit(first + 1)
    if after is not None:
        bound = tuple_(literal(after.transaction_id, Xid8), literal(after.position, BigInteger))
        statement = statement.where(tuple_(*order) > bound)
    rows = await session.fetch_all(statement)
    events = [StoredEvent.of(row) for row in rows[:first]]
    return HistoryPage(events, events[-1].cursor if len(rows) > first else None)


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    column = every_event.c
    equal = ("aggregate_id", "aggregate_type", "event_type", "correlation_id", "created_by")
    found = [column[name] == getattr(filters, name) for name in equal if getattr(filters, name) is not None]
    if filters.since is not None:
        found.append(column.occurred_at >= filters.since)
    if filters.until is not None:
        found.append(column.occurred_at < filters.until)
    if filters.caused_by is not None:
        found.append(column.event_id.in_(_effects(filters.caused_by)))
    if filters.leading_to is not None:
        found.append(column.event_id.in_(_causes(filters.leading_to)))
    return found


def _effects(root: UUID) -> Select[tuple[UUID]]:
    """Return the SELECT of the id `root` (of an event or command) and of all events that it caused.

    UNION drops duplicates, so the recursion ends also in a cycle of causes.
    """
    chain = select(cast(root, Uuid).label("event_id")).cte("effects", recursive=True)
    event = every_event.alias("effect")
    followed = select(event.c.event_id).join(chain, event.c.causation_id == chain.c.event_id)
    return select(chain.union(followed).c.event_id)


def _causes(root: UUID) -> Select[tuple[UUID]]:
    """Return the SELECT of the id of the event `root` and of all events and commands that caused it."""
    event = every_event.alias("cause")
    chain = select(cast(root, Uuid).label("event_id")).cte("causes", recursive=True)
    before = select(event.c.causation_id).join(chain, event.c.event_id == chain.c.event_id)
    return select(chain.union(before.where(event.c.causation_id.is_not(None))).c.event_id)
