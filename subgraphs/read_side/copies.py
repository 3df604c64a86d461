"""Makes the objects in the local log copies that the consistency check compares and repairs (`kit/copies`).

A repair appends an event with the owner's data to the log, from which the read models are computed.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from sqlalchemy import text

from subgraphs.kit.copies import Copy, KeyedTable
from subgraphs.kit.event_store.append import append
from subgraphs.kit.event_store.events import ANY, NewEvent, Stream
from subgraphs.kit.event_store.sourced import append_context
from subgraphs.kit.messages import Envelope
from subgraphs.kit.unit_of_work import UnitOfWork

_LAST = text(
    "SELECT max(cast(metadata ->> 'position' AS numeric)) FROM every_event"
    " WHERE aggregate_id = :aggregate_id AND aggregate_type = :kind"
)


async def append_correction(uow: UnitOfWork, envelope: Envelope) -> None:
    """Append an event with the owner's data to the log; a repair calls it (`Copy.handler`).

    For each object, projections apply the event with the highest position. So the new event's position is
    higher than that of the object's last event in the log, and lower than that of the next event that the
    service will publish. Example: 7.5 if the last position is 7.
    """
    last = await uow.fetch_value(_LAST, aggregate_id=envelope.aggregate_id, kind=envelope.aggregate_type)
    position = Decimal(0) if last is None else (last + last // 1 + 1) / 2
    event = NewEvent(
        event_type=envelope.event_type,
        data=envelope.payload,
        metadata={
            "source": envelope.source,
            "version": envelope.version,
            "position": float(position),
            "mended": True,
        },
    )
    await append(uow, Stream(envelope.aggregate_type, envelope.aggregate_id), ANY, [event], append_context())


COPIES: Final[Mapping[str, Copy]] = {
    "musician": Copy(
        KeyedTable("kept_musicians", "aggregate_id", "event_data"),
        "musicians",
        "musician",
        "MusicianProfileUpdated",
        append_correction,
        is_replaced=False,
    ),
    "musician_request": Copy(
        KeyedTable("kept_requests", "aggregate_id", "event_data"),
        "requests",
        "musician_request",
        "RequestUpdated",
        append_correction,
        is_replaced=False,
    ),
}
COPY_TABLES: Final[Mapping[str, KeyedTable]] = {kind: copy.table for kind, copy in COPIES.items()}
