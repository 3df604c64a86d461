"""The event store's values and errors: streams, events, and cursors in the global order.

A stream is the sequence of one aggregate's events, with the versions 1, 2, 3; the global order is the one of
all streams' events (`feed`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row

from subgraphs.kit.errors import Conflict, NotFound

ANY: Final = -1
"""An argument for `append` in place of an expected version: append at any version of the stream."""

NO_STREAM: Final = 0
"""An argument for `append` as the expected version: the stream must have no events."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The name of the stream of one aggregate's events: the aggregate's type and id.

    Ids are unique over all types of a service.
    """

    aggregate_type: str
    aggregate_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event to append, with data in the newest schema of its type.

    `data` and `metadata` are stored as JSON (UUIDs, times and decimals as strings).
    """

    event_type: str
    data: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    schema_version: int = 1
    event_id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendContext:
    """Who appends events and why: the author, the id of the request or saga, and the id of the cause.

    A handler of another service's event sets that event's id as `causation_id` and copies its
    `correlation_id`.
    """

    created_by: str
    correlation_id: UUID
    causation_id: UUID | None = None


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in the global order of events: behind the event with this transaction id and this position (a
    number that grows with every inserted event).
    """

    transaction_id: int
    position: int


START: Final = Cursor(0, 0)
"""The cursor before the first event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """A stored event.

    `version` is its number in its stream, from 1; `cursor` its place in the global order.
    """

    event_id: UUID
    stream: Stream
    version: int
    event_type: str
    schema_version: int
    data: Mapping[str, Any]
    metadata: Mapping[str, Any]
    occurred_at: datetime
    created_by: str
    correlation_id: UUID
    causation_id: UUID | None
    cursor: Cursor

    @classmethod
    def of(cls, row: Row[Any]) -> "StoredEvent":
        """Return the event that a row of the view `every_event` contains."""
        return cls(
            event_id=row.event_id,
            stream=Stream(row.aggregate_type, row.aggregate_id),
            version=row.version,
            event_type=row.event_type,
            schema_version=row.schema_version,
            data=row.event_data,
            metadata=row.metadata,
            occurred_at=row.occurred_at,
            created_by=row.created_by,
            correlation_id=row.correlation_id,
            causation_id=row.causation_id,
            cursor=Cursor(row.transaction_id, row.position),
        )


class VersionConflict(Conflict):
    """The stream has the version `actual`, but the writer has read the version `expected`.

    The writer has to load the stream again and to check its rules with the new state.
    """

    code = "VERSION_CONFLICT"

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(
            f"Expected version {expected}, but the current version is {actual}: reload it and try again",
            expected=expected,
            actual=actual,
        )
        self.expected = expected
        self.actual = actual


class WrongType(Conflict):
    """The id belongs to an aggregate of another type."""

    code = "WRONG_AGGREGATE_TYPE"


class NoSuchVersion(NotFound):
    """The stream's newest version is lower than the requested one."""


class StreamBroken(Exception):
    """Events of the stream do not have successive versions: a row was deleted from the event
    store's tables.
    """
