"""The lag of a projection: how many events it has not applied yet, and how old the oldest of them is.

The read side decides by it whether its answers are fresh enough.
"""

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
    """The lag of one generation of a projection, and its checkpoint.

    `events`: the number of events that the generation has not read; `seconds`: the age of the oldest of them.
    `events_applied`: the number of events with a handler that it has applied since its creation;
    `updated_at`: when it applied the last batch of events.
    """

    generation: int
    serving: bool
    revision: int
    events: int
    seconds: float
    events_applied: int
    updated_at: datetime


async def lag(session: Session, name: str, most: int | None = None) -> Sequence[Lag]:
    """Return the lag of each generation of the projection with this name, the oldest generation first.

    At most `most` events are counted (None: all), because counting the events of a long log is slow.
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
