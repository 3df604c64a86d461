"""The event of the orchestration service."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from subgraphs.kit.messages import Event


@dataclass(frozen=True, kw_only=True)
class SagaChanged(Event):
    """The status of a saga has changed, or another step of it was begun; saga_events.sql writes the event.

    `step`: the step that is done or undone, or else the last one that was; None before the first.
    `started_by`: the id of the user who started the saga; for one that follows from another one, the user of
    that one; "" if no user did.
    """

    aggregate_type: ClassVar[str] = "saga"
    aggregate_key: ClassVar[str] = "saga_id"

    saga_id: UUID
    saga_type: str
    status: str
    step: str | None
    started_by: str
