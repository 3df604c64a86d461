"""How far a projection is behind."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from subgraphs.kit.database import Session

_LAG = text(
    """
SELECT generation, serving, revision, updated_at, events_applied, behind.events,
    greatest(0, extract(epoch FROM clock_timestamp() - behind.oldest))::float8 AS seconds
FROM projection_checkpoints AS own, LATERAL (
    SELECT count(*) AS events, min(occurred_at) AS oldest FROM (
        SELECT occurred_at FROM every_event AS event
        WHERE (event.transaction_id, event.position) > (own.transaction_id, own.position)
        ORDER BY event.transaction_id, event.position LIMIT :most
    ) AS next
) AS behind
WHERE name = :name ORDER BY generation
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """One generation of a projection.

    How many committed events it has not read, and how many seconds ago the oldest occurred.

    `events_applied` counts those that had a handler; `updated_at` is when it last read any.
    """

    generation: int
    serving: bool
    revision: int
    events: int
    seconds: float
    events_applied: int
    updated_at: datetime


async def lag(session: Session, name: str, most: int | None = None) -> Sequence[Lag]:
    """The lag of each generation of a projection, the oldest first.

    Counting takes as long as there is to count: who looks often says how many events are the `most` to be
    counted.
    """
    rows = await session.fetch_all(_LAG, name=name, most=most)
    return [
        Lag(
            generation=row.generation,
            serving=row.serving,
            revision=row.revision,
            events=row.events,
            seconds=row.seconds or 0.0,
            events_applied=row.events_applied,
            updated_at=row.updated_at,
        )
        for row in rows
    ]
