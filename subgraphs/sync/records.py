"""The records of the sync service: the rows of its tables, and the figures of a pair of services."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRecord:
    """An event of one service, to be applied by another. `data` None: only its outcome is known."""

    id: UUID
    event_id: UUID
    source_service: str
    target_service: str
    entity_type: str
    entity_id: UUID
    event_type: str
    operation: str
    data: Mapping[str, Any] | None
    status: str
    retry_count: int
    max_retries: int
    error_message: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncLogRecord:
    """An outcome that a target service reported, or a replay that the admin `ordered_by` ordered."""

    id: UUID
    sync_id: UUID
    source_service: str
    target_service: str
    entity_type: str
    entity_id: UUID
    event_type: str
    operation: str
    outcome: str
    retry_count: int
    error_message: str
    latency_ms: float | None
    processing_time_ms: float | None
    data_size_bytes: int | None
    ordered_by: UUID | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRecord:
    """The result of a comparison of originals with copies: numbers of rows, and ids of some that differed."""

    id: UUID
    entity_type: str
    source_service: str
    target_service: str
    compared: int
    missing: int
    older: int
    different: int
    extra: int
    repaired: int
    examples: Sequence[str]
    error_message: str
    processing_time_ms: float
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRecord:
    """The figures of a pair of publishing and consuming service.

    `completed` and `latencies` (percentiles 50, 95 and 99 in milliseconds; None without events) are those of
    the last hour.
    """

    source_service: str
    target_service: str
    event_types: Sequence[str]
    seen_at: datetime
    pending: int
    processing: int
    retrying: int
    failed: int
    completed: int
    latencies: Sequence[float] | None
