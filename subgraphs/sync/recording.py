"""How what the queue tells becomes rows: events, who wants them, and what became of them.

Statements over many at once.
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

_SEE = text("""
INSERT INTO pending_syncs (event_id, source_service, target_service, entity_type, entity_id, event_type, operation, data, created_at)
SELECT :event_id, :source, target_service, :entity_type, :entity_id, :event_type, :operation, :data, :created_at
FROM sync_consumers WHERE source_service = :source AND event_types && ARRAY[CAST(:event_type AS text), '*']
ON CONFLICT (event_id, target_service) DO UPDATE SET data = excluded.data WHERE pending_syncs.data IS NULL""").bindparams(
    bindparam("data", type_=JSONB)
)
_GREET = text("""
INSERT INTO sync_consumers (source_service, target_service, event_types)
SELECT source, target, ARRAY(SELECT jsonb_array_elements_text(types))
FROM jsonb_to_recordset(:said) AS said (source text, target text, types jsonb)
ON CONFLICT (source_service, target_service) DO UPDATE SET event_types = excluded.event_types, seen_at = excluded.seen_at
""").bindparams(bindparam("said", type_=JSONB))
# what is completed stays so, and what says nothing new (an event that was confirmed twice) is not logged
# again
_CONFIRM = text("""
WITH said AS (
    SELECT * FROM jsonb_to_recordset(:said) AS said (event_id uuid, source text, target text, entity_type text, entity_id uuid,
        event_type text, operation text, status text, outcome text, retry_count integer, error text, latency_ms float8,
        processing_ms float8, size integer, occurred_at timestamptz)),
changed AS (
    INSERT INTO pending_syncs (event_id, source_service, target_service, entity_type, entity_id, event_type, operation, status,
        retry_count, error_message, created_at)
    SELECT event_id, source, target, entity_type, entity_id, event_type, operation, status, retry_count, error, occurred_at FROM said
    ON CONFLICT (event_id, target_service) DO UPDATE SET status = excluded.status, retry_count = excluded.retry_count,
        error_message = excluded.error_message, updated_at = clock_timestamp()
    WHERE pending_syncs.status <> 'completed'
    AND (pending_syncs.status, pending_syncs.retry_count) IS DISTINCT FROM (excluded.status, excluded.retry_count)
    RETURNING id, event_id, target_service)
INSERT INTO sync_logs (sync_id, source_service, target_service, entity_type, entity_id, event_type, operation, outcome, retry_count,
    error_message, latency_ms, processing_time_ms, data_size_bytes)
SELECT changed.id, source, target, entity_type, entity_id, event_type, operation, outcome, retry_count, error, latency_ms,
    processing_ms, size
FROM said JOIN changed ON changed.event_id = said.event_id AND changed.target_service = said.target""").bindparams(
    bindparam("said", type_=JSONB)
)
_FORGET = (
    text("""
DELETE FROM pending_syncs WHERE created_at < now() - CASE WHEN status IN ('failed', 'processing')
    THEN interval '30 days' ELSE interval '7 days' END"""),
    text("DELETE FROM sync_logs WHERE created_at < now() - interval '7 days'"),
    text("DELETE FROM sync_consumers WHERE seen_at < now() - interval '30 days'"),
)


async def record_event(uow: UnitOfWork, envelope: Envelope) -> None:
    """An event is under way to all who want it."""
    await uow.execute(
        _SEE.bindparams(
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


async def record_subscriptions(uow: UnitOfWork, hellos: Sequence[Subscription]) -> None:
    """These listen."""
    said = {
        (hello.source, hello.consumer): {
            "source": hello.source,
            "target": hello.consumer,
            "types": list(hello.event_types),
        }
        for hello in hellos
    }
    if said:
        await uow.execute(_GREET.bindparams(said=list(said.values())))


async def record_confirmations(uow: UnitOfWork, confirmations: Sequence[Confirmation]) -> None:
    """This became of events: several words on one event in their order, for a statement changes a row only
    once.
    """
    left = [_said(each) for each in confirmations]
    while left:
        now: dict[tuple[str, str], dict[str, Any]] = {}
        later = []
        for each in left:
            key = (each["event_id"], each["target"])
            if key in now:
                later.append(each)
            else:
                now[key] = each
        await uow.execute(_CONFIRM.bindparams(said=list(now.values())))
        left = later


def _said(confirmation: Confirmation) -> dict[str, Any]:
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
    """Delete what is older than 7 days, what failed after 30, and consumers that have said nothing for 30
    days.
    """
    for statement in _FORGET:
        await database.execute(statement)
