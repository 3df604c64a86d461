"""The records of the sync service: dataclasses with the columns of its tables, and of its query of pairs of
services (`TargetRecord`).

The functions of `store` and the RecordTables in `tables` return them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRecord:
    """A sync: an event of one service at one service that consumes it, with its status.

    `data` None: the confirmation has arrived before the event.
    """

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
    """A log entry of a sync: an outcome that the consumer confirmed, or a replay that the admin `ordered_by`
    (a user id) requested.
    """

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
    """The result of one comparison of originals with copies.

    `compared`, `missing`, `older`, `different`, `extra` and `repaired` are numbers of rows; the four in the
    middle are the kinds of difference in `comparison.Drift`. `examples` are ids of rows that differed.
    """

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
    """How far the service `target_service` is with the events that `source_service` publishes.

    `event_types`: the types that the target consumes, ["*"] for all. `pending`, `processing`, `retrying`,
    `failed`: how many of the events are in this state at the target (`model.Status`). `completed`: how many
    events the target has completed in the last hour; `latencies`: the percentiles 50, 95 and 99 of the
    milliseconds from their occurrence to their completion, None if there were no such events. `seen_at`: when
    the target last published its subscription, as it does every minute.
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
