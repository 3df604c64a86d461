"""Writes events, subscriptions and confirmations as rows of the sync service's tables.

An event and its confirmation arrive in any order: the first of them inserts the sync's row, the second
completes it. One statement writes many rows.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from subgraphs.kit.database import Database
from subgraphs.kit.messages import Envelope
from subgraphs.kit.queue.confirmations import Confirmation, Subscription
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.sync.model import operation_of, status_of

_RECORD_EVENT = text("""
INSERT INTO pending_syncs (event_id, source_service, target_service, entity_type, entity_id, event_type,
    operation, data, created_at)
SELECT :event_id, :source, target_service, :entity_type, :entity_id, :event_type,
    :operation, :data, :created_at
FROM sync_consumers WHERE source_service = :source AND event_types && ARRAY[CAST(:event_type AS text), '*']
ON CONFLICT (event_id, target_service) DO UPDATE
SET data = excluded.data WHERE pending_syncs.data IS NULL""").bindparams(bindparam("data", type_=JSONB))
_RECORD_SUBSCRIPTIONS = text("""
INSERT INTO sync_consumers (source_service, target_service, event_types)
SELECT source, target, ARRAY(SELECT jsonb_array_elements_text(types))
FROM jsonb_to_recordset(:given) AS given (source text, target text, types jsonb)
ON CONFLICT (source_service, target_service) DO UPDATE
SET event_types = excluded.event_types, seen_at = excluded.seen_at
""").bindparams(bindparam("given", type_=JSONB))
# The status of a completed sync does not change. A confirmation that changes nothing is not logged: consumers
# confirm an event again whenever it is published again.
_RECORD_CONFIRMATIONS = text("""
WITH given AS (
    SELECT * FROM jsonb_to_recordset(:given) AS given (event_id uuid, source text, target text,
        entity_type text, entity_id uuid, event_type text, operation text, status text, outcome text,
        retry_count integer, error text, latency_ms float8, processing_ms float8, size integer,
        occurred_at timestamptz)),
changed AS (
    INSERT INTO pending_syncs (event_id, source_service, target_service, entity_type, entity_id, event_type,
        operation, status, retry_count, error_message, created_at)
    SELECT event_id, source, target, entity_type, entity_id, event_type,
        operation, status, retry_count, error, occurred_at
    FROM given
    ON CONFLICT (event_id, target_service) DO UPDATE
    SET status = excluded.status, retry_count = excluded.retry_count,
        error_message = excluded.error_message, updated_at = clock_timestamp()
    WHERE pending_syncs.status <> 'completed'
    AND (pending_syncs.status, pending_syncs.retry_count)
        IS DISTINCT FROM (excluded.status, excluded.retry_count)
    RETURNING id, event_id, target_service)
INSERT INTO sync_logs (sync_id, source_service, target_service, entity_type, entity_id, event_type,
    operation, outcome, retry_count, error_message, latency_ms, processing_time_ms, data_size_bytes)
SELECT changed.id, source, target, entity_type, entity_id, event_type,
    operation, outcome, retry_count, error, latency_ms, processing_ms, size
FROM given
JOIN changed ON changed.event_id = given.event_id AND changed.target_service = given.target""").bindparams(
    bindparam("given", type_=JSONB)
)
_DELETE_OLD = (
    text("""
DELETE FROM pending_syncs WHERE created_at < now() - CASE WHEN status IN ('failed', 'processing')
    THEN interval '30 days' ELSE interval '7 days' END"""),
    text("DELETE FROM sync_logs WHERE created_at < now() - interval '7 days'"),
    text("DELETE FROM sync_consumers WHERE seen_at < now() - interval '30 days'"),
)


async def record_event(uow: UnitOfWork, envelope: Envelope) -> None:
    """Insert a sync with status "pending" for each consumer of the event's type (a handler of events).

    If a confirmation has inserted the sync before, only the event's data are added to it.
    """
    await uow.execute(
        _RECORD_EVENT.bindparams(
            event_id=envelope.event_id,
            source=envelope.source,
            entity_type=envelope.aggregate_type,
            entity_id=envelope.aggregate_id,
            event_type=envelope.event_type,
            operation=operation_of(envelope.event_type),
            data=dict(envelope.payload),
            created_at=envelope.occurred_at,
        )
    )


async def record_subscriptions(uow: UnitOfWork, subscriptions: Sequence[Subscription]) -> None:
    """Insert or update the consumers, with the event types to which they subscribe."""
    given = {
        (each.source, each.consumer): {
            "source": each.source,
            "target": each.consumer,
            "types": list(each.event_types),
        }
        for each in subscriptions
    }
    if given:
        await uow.execute(_RECORD_SUBSCRIPTIONS.bindparams(given=list(given.values())))


async def record_confirmations(uow: UnitOfWork, confirmations: Sequence[Confirmation]) -> None:
    """Set the status of syncs by their confirmations, and log each change.

    Several confirmations of one event by one consumer are written by separate statements, in their order,
    because one statement cannot change a row twice.
    """
    left = [_row_of(each) for each in confirmations]
    while left:
        now: dict[tuple[str, str], dict[str, Any]] = {}
        later = []
        for each in left:
            key = (each["event_id"], each["target"])
            if key in now:
                later.append(each)
            else:
                now[key] = each
        await uow.execute(_RECORD_CONFIRMATIONS.bindparams(given=list(now.values())))
        left = later


def _row_of(confirmation: Confirmation) -> dict[str, Any]:
    return {
        "event_id": str(confirmation.event_id),
        "source": confirmation.source,
        "target": confirmation.consumer,
        "entity_type": confirmation.aggregate_type,
        "entity_id": str(confirmation.aggregate_id),
        "event_type": confirmation.event_type,
        "operation": operation_of(confirmation.event_type),
        "status": status_of(confirmation.outcome),
        "outcome": confirmation.outcome,
        "retry_count": confirmation.retry_count,
        "error": confirmation.error,
        "latency_ms": confirmation.latency_ms,
        "processing_ms": confirmation.processing_ms,
        "size": confirmation.size,
        "occurred_at": confirmation.occurred_at.isoformat(),
    }


async def delete_old(database: Database) -> None:
    """Delete log entries and syncs after 7 days; syncs with status "failed" or "processing" after 30 days.

    Consumers are deleted if they have not published a subscription for 30 days.
    """
    for statement in _DELETE_OLD:
        await database.execute(statement)
