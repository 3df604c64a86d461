"""The lag of a projection behind the newest event."""

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
    """The lag of one generation of a projection: `events` it has not read, the oldest from `seconds` ago.

    `events_applied` counts the events that had a handler; `updated_at` is the time of the last read.
    """

    generation: int
    serving: bool
    revision: int
    events: int
    seconds: float
    events_applied: int
    updated_at: datetime


async def lag(session: Session, name: str, most: int | None = None) -> Sequence[Lag]:
    """Return the lag of each generation of a projection, the oldest generation first.

    At most `most` events are counted (None: all), because counting a long log takes long.
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
