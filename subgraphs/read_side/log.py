"""The local log: the read side's own event store, with all events from which the read models are computed.

With it a read model can be computed again from the first event. The inbox only appends to the log; the
projections interpret the events.
"""

from uuid import uuid5

from sqlalchemy import text

from subgraphs.kit.cause import as_uuid
from subgraphs.kit.event_store.append import append
from subgraphs.kit.event_store.events import ANY, AppendContext, NewEvent, Stream, WrongType
from subgraphs.kit.messages import Envelope
from subgraphs.kit.unit_of_work import UnitOfWork

_KNOWN = text("SELECT 1 FROM every_event WHERE event_id = :event_id")


async def append_to_log(uow: UnitOfWork, envelope: Envelope) -> None:
    """Append an event to the stream of its aggregate (a handler of the inbox), unless the log contains it.

    If two aggregates of different types have the same id, the second gets another id in the log.
    """
    if await uow.fetch_value(_KNOWN, event_id=envelope.event_id) is not None:
        return
    event = NewEvent(
        event_id=envelope.event_id,
        event_type=envelope.event_type,
        data=envelope.payload,
        metadata={
            "source": envelope.source,
            "version": envelope.version,
            "position": envelope.position,
            "occurred_at": envelope.occurred_at,
        },
    )
    context = AppendContext(
        created_by=envelope.created_by,
        correlation_id=as_uuid(envelope.correlation_id or str(envelope.event_id)),
        causation_id=envelope.causation_id,
    )
    try:
        await append(uow, Stream(envelope.aggregate_type, envelope.aggregate_id), ANY, [event], context)
    except WrongType:
        own_id = uuid5(envelope.aggregate_id, f"{envelope.source}:{envelope.aggregate_type}")
        await append(uow, Stream(envelope.aggregate_type, own_id), ANY, [event], context)
