"""The record of the events service: a frozen dataclass with the columns of its table.

The functions of `store` and the RecordTable in `tables` return it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """A row of the table `audit_events`: the fields of an event's envelope, and the time of its storage."""

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
