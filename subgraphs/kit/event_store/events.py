"""What the event store is about: streams, events, their places in the global order, and what may go wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row

from subgraphs.kit.errors import Conflict, NotFound

ANY: Final = -1
"""Expects nothing of the stream: append whatever its version is."""

NO_STREAM: Final = 0
"""Expects that the stream has no events."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The events of one aggregate; its id is its own among aggregates of all types."""

    aggregate_type: str
    aggregate_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event to append, in the newest shape of its type.

    `data` and `metadata` become JSON (UUIDs, times, decimals: strings).
    """

    event_type: str
    data: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    schema_version: int = 1
    event_id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendContext:
    """Who appends, in the course of which request, and from which event or command it follows.

    A service that acts on another's event gives that event's id as `causation_id` and passes its
    `correlation_id` on.
    """

    created_by: str
    correlation_id: UUID
    causation_id: UUID | None = None


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in the global order: behind the event with these two numbers."""

    transaction_id: int
    position: int


START: Final = Cursor(0, 0)
"""Before the first event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as the store has it.

    `cursor` is its place among all events, `version` that in its stream (from 1).
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
        """The event in a row of `tables.every_event`."""
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
    """The stream is not at the version that the writer had seen: `actual` instead of `expected`.

    Load anew and decide anew.
    """

    code = "VERSION_CONFLICT"

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__("It was changed by somebody else meanwhile", expected=expected, actual=actual)
        self.expected = expected
        self.actual = actual


class WrongType(Conflict):
    """The id belongs to an aggregate of another type."""

    code = "WRONG_AGGREGATE_TYPE"


class NoSuchVersion(NotFound):
    """The stream has not come to that version yet."""


class StreamBroken(Exception):
    """The store lacks events that it must have: somebody deleted rows."""
