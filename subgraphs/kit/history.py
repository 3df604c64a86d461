"""GraphQL fields for the history of an event-sourced object: its changes, and its state at a version or time.

Services with event-sourced tables add them to their queries (`history_field`, `as_of_field`).
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
import strawberry
from sqlalchemy import bindparam, select
from strawberry.scalars import JSON
from strawberry.types.field import StrawberryField

from subgraphs.kit import budget, checks, global_ids
from subgraphs.kit.aggregates_in_schema import event_fields
from subgraphs.kit.database import Session
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.event_store.aggregate import Loaded
from subgraphs.kit.event_store.events import StoredEvent
from subgraphs.kit.event_store.sourced import EventSourcedTable
from subgraphs.kit.event_store.tables import every_event
from subgraphs.kit.graphql import for_users, object_type
from subgraphs.kit.pagination import DEFAULT_FIRST, MAX_FIRST, Limit
from subgraphs.kit.service import ServiceContext

BeforeVersion = Annotated[int | None, strawberry.argument(description="Return changes before this version.")]
Version = Annotated[
    int | None, strawberry.argument(description="Return the state at this version (0: before the first).")
]
Time = Annotated[
    datetime | None,
    strawberry.argument(description="Return the state at this time, which must have an offset."),
]
_NEWEST = 2**31 - 1
_TYPES: Final = {
    **dict.fromkeys(("userId", "clientId", "musicianUserId"), "User"),
    **dict.fromkeys(("skillIds", "requiredSkillIds"), "Skill"),
    "musicianId": "Musician",
    "requestId": "MusicianRequest",
    "applicationId": "Application",
    "bookingId": "Booking",
}
"""The GraphQL type of the objects whose ids a field of a state has, by its name in JSON."""
_EVENTS = (
    select(every_event)
    .where(every_event.c.aggregate_id == bindparam("about"), every_event.c.version < bindparam("before"))
    .order_by(every_event.c.version.desc())
    .limit(bindparam("first"))
)


@object_type(shareable=True)
class HistoryEntry:
    """One change of an object."""

    version: int = strawberry.field(
        description="The object's version after the change; versions start at 1 and have no gaps."
    )
    type: str = strawberry.field(description="The type of the event.")
    changes: JSON = strawberry.field(
        description="The new values of the changed fields, by name in camelCase; ids are global ids."
    )
    created_by: str | None = strawberry.field(
        description="The user's global id, service:NAME, or database for a change by SQL (admins see"
        " database:USER)."
    )
    correlation_id: strawberry.ID = strawberry.field(
        description="The id that all events of the same request or saga share."
    )
    causation_id: strawberry.ID | None = strawberry.field(
        description="The id of the event or command that led to the change."
    )
    occurred_at: datetime = strawberry.field(description="The time of the change.")


@object_type(shareable=True)
class PastState:
    """The state of an object at a version, computed from its events."""

    version: int = strawberry.field(description="The version of the object.")
    state: JSON = strawberry.field(
        description="The object's fields by name in camelCase, ids as global ids; {} before the first"
        " version."
    )


async def entries(
    session: Session,
    about: EventSourcedTable[Any, Any],
    key: UUID,
    first: int = DEFAULT_FIRST,
    before: int | None = None,
    *,
    is_admin: bool = False,
) -> list[HistoryEntry]:
    """Return the changes of an object as they are stored, not upcast, the newest first.

    `about`: the table of the object's type; `key`: its id; `first`: the maximum number of changes; `before`:
    only changes with lower versions. The names of database users are returned only if the caller `is_admin`.
    Raises BadUserInput, TooManyElements.
    """
    limit = checks.whole(first, "first", 1, MAX_FIRST)
    version = _NEWEST if before is None else checks.whole(before, "before", 1, _NEWEST)
    budget.spend(0)  # fails before the query if the request's budget is used up
    rows = await session.fetch_all(
        _EVENTS, about=about.aggregate.stream(key).aggregate_id, before=version, first=limit
    )
    budget.spend(len(rows))
    return [_entry(StoredEvent.of(row), is_admin) for row in rows]


async def as_of(
    session: Session,
    about: EventSourcedTable[Any, Any],
    key: UUID,
    version: int | None,
    time: datetime | None,
) -> PastState:
    """Return an object's state at a version, at a time, or (both None) the newest.

    `about`: the table of the object's type; `key`: its id. Raises NoSuchVersion, and BadUserInput if both are
    given or the time has no offset.
    """
    loaded = await _load(session, about, key, version, time)
    return PastState(
        version=loaded.version,
        state=JSON(_fields(msgspec.to_builtins(loaded.state)) if loaded.version else {}),
    )


async def _load(
    session: Session,
    about: EventSourcedTable[Any, Any],
    key: UUID,
    version: int | None,
    time: datetime | None,
) -> Loaded[Any]:
    stream = about.aggregate.stream(key)
    if version is not None and time is not None:
        raise BadUserInput("Set either 'version' or 'time', not both", "version")
    if version is not None:
        return await about.aggregate.load_at(session, stream, checks.whole(version, "version", 0, _NEWEST))
    if time is None:
        return await about.aggregate.load(session, stream)
    if time.tzinfo is None:
        raise BadUserInput("'time' must have an offset, such as 2026-11-22T12:00:00Z", "time")
    return await about.aggregate.load_as_of(session, stream, checks.in_utc(time, "time"))


Owner = Callable[[Any, str], Awaitable[UUID]]
"""Takes a resolver's `info` and the id of an object; returns the id as a UUID if the caller may see
the object.

Raises NotFound, Forbidden, BadUserInput.
"""


def history_field(about: EventSourcedTable[Any, Any], owner: Owner, description: str) -> StrawberryField:
    """Return the resolver of a field that returns the changes of an object.

    `about`: the table of the object's type; `owner` raises an error for callers who may not see the object;
    `description`: the field's description in the schema.
    """

    async def history(
        info: strawberry.Info[ServiceContext, None],
        id: strawberry.ID,
        first: Limit = DEFAULT_FIRST,
        before: BeforeVersion = None,
    ) -> list[HistoryEntry] | None:
        key, is_admin = await owner(info, id), info.context.require().is_admin
        return await entries(info.context.database, about, key, first, before, is_admin=is_admin)

    history.__doc__ = description
    return for_users(history)


def as_of_field(about: EventSourcedTable[Any, Any], owner: Owner, description: str) -> StrawberryField:
    """Return the resolver of a field that returns an object's state at a version or time.

    `about`: the table of the object's type; `owner` raises an error for callers who may not see the object;
    `description`: the field's description in the schema.
    """

    async def past(
        info: strawberry.Info[ServiceContext, None],
        id: strawberry.ID,
        version: Version = None,
        time: Time = None,
    ) -> PastState | None:
        return await as_of(info.context.database, about, await owner(info, id), version, time)

    past.__doc__ = description
    return for_users(past)


def _entry(event: StoredEvent, is_admin: bool) -> HistoryEntry:
    hides_user = event.created_by.startswith("database:") and not is_admin
    return HistoryEntry(
        version=event.version,
        type=event.event_type,
        changes=JSON(_fields(event.data)),
        created_by="database" if hides_user else _global("User", event.created_by) or None,
        correlation_id=strawberry.ID(str(event.correlation_id)),
        causation_id=strawberry.ID(str(event.causation_id)) if event.causation_id else None,
        occurred_at=event.occurred_at,
    )


def _fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields of a state by name in camelCase, with global ids."""
    fields = event_fields(values)
    for name in fields.keys() & _TYPES.keys():
        kind, value = _TYPES[name], fields[name]
        many = isinstance(value, list | tuple)
        fields[name] = [_global(kind, one) for one in value] if many else _global(kind, value)
    return fields


def _global(kind: str, value: Any) -> Any:
    """Return the global id for the UUID of an object of the type `kind`; any other value as it is."""
    key = global_ids.key_of(value)
    return value if key is None else global_ids.encode(kind, key)
