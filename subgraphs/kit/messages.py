"""The two kinds of message: commands, which ask for something, and events, which say that it happened."""

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
    """An order to the service; its handler answers with a `Result`. Subclasses are frozen dataclasses."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """A fact about one aggregate, named in the past tense.

    Subclasses are frozen dataclasses of plain values.
    """

    aggregate_type: ClassVar[str]
    aggregate_key: ClassVar[str]
    """The name of the field that holds the aggregate's id."""

    event_id: UUID = field(default_factory=uuid4)

    @property
    def aggregate_id(self) -> UUID:
        """The id of the aggregate that it happened to."""
        found: UUID = getattr(self, self.aggregate_key)
        return found

    def payload(self) -> dict[str, Any]:
        """The fields as JSON values, keys in snake_case: UUIDs, times and decimals as strings."""
        built: dict[str, Any] = msgspec.to_builtins(self)
        del built["event_id"]
        return built


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An event as its consumers get it.

    `position` rises with every event of the same aggregate (it is the id in the sender's outbox), so a
    consumer keeps the highest position that it applied and drops what arrives late. `version` is that of the
    aggregate after the event, without holes, for aggregates that have one (0: none). Who made it, what
    belongs together and which event led to it: see `kit/cause`.
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
        """The payload as the consumer's own type (a dataclass or `msgspec.Struct` of the fields that it
        needs).
        """
        return msgspec.convert(self.payload, reading, strict=False)
