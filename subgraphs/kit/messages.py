"""The base classes of messages: commands, which request a change, and events, which report a change.

Each service defines its own commands and events in its module `messages`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID, uuid4

import msgspec

Result = TypeVar("Result")
Reading = TypeVar("Reading")


@dataclass(frozen=True)
class Command(Generic[Result]):
    """A request to change something; its handler returns a `Result`.

    Subclasses are frozen dataclasses. If the docstring of one says what it returns, its handler returns it.
    """


@dataclass(frozen=True, kw_only=True)
class Event:
    """A change of one aggregate that has happened; its name is in the past tense.

    Subclasses are frozen dataclasses of plain values. The class name is the event type.
    """

    aggregate_type: ClassVar[str]
    aggregate_key: ClassVar[str]
    """The name of the field that holds the aggregate's id."""

    event_id: UUID = field(default_factory=uuid4)

    @property
    def aggregate_id(self) -> UUID:
        """The id of the changed aggregate."""
        value: UUID = getattr(self, self.aggregate_key)
        return value

    def payload(self) -> dict[str, Any]:
        """Return the event's fields except its id as JSON values, by name; UUIDs and times are strings."""
        built: dict[str, Any] = msgspec.to_builtins(self)
        del built["event_id"]
        return built


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An event as its consumers receive it.

    `position` is the event's id in the publisher's outbox, which increases with every event of the same
    aggregate. `version` is the aggregate's version after the event; versions have no gaps (0: the aggregate
    has no versions). `created_by`, `correlation_id` and `causation_id` are those of `kit/cause`.
    """

    event_id: UUID
    source: str
    position: int
    event_type: str
    aggregate_type: str
    aggregate_id: UUID
    occurred_at: datetime
    payload: Mapping[str, Any]
    created_by: str = ""
    correlation_id: str = ""
    causation_id: UUID | None = None
    version: int = 0

    def read(self, reading: type[Reading]) -> Reading:
        """Return the payload as a `reading`: a dataclass or `msgspec.Struct` with the fields that are needed.

        Raises msgspec.ValidationError if one of them is missing or has another type.
        """
        return msgspec.convert(self.payload, reading, strict=False)
