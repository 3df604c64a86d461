"""The record of the events service."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """An event of a service, as stored; the fields are those of the envelope and the time of its storage."""

    event_id: UUID
    source: str
    position: int
    event_type: str
    aggregate_type: str
    aggregate_id: UUID
    payload: Mapping[str, Any]
    created_by: str
    correlation_id: str
    causation_id: UUID | None
    occurred_at: datetime
    recorded_at: datetime
