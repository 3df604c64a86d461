"""Lists and statistics of sagas, for the operators' dashboard."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

_LIST = """SELECT id FROM sagas
    WHERE ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR saga_type = $2)
    AND ($3::text IS NULL OR created_by = $3) AND ($4::timestamptz IS NULL OR (started_at, id) < ($4, $5))
    ORDER BY started_at DESC, id DESC LIMIT $6"""
_COUNTS = """SELECT saga_type, status, count(*) AS sagas FROM sagas
    GROUP BY saga_type, status ORDER BY saga_type, status"""
_DURATIONS = """SELECT saga_type, count(*) AS sagas,
    percentile_cont(ARRAY[0.5, 0.95])
        WITHIN GROUP (ORDER BY extract(epoch FROM completed_at - started_at)) AS seconds
    FROM sagas WHERE completed_at > clock_timestamp() - interval '1 day'
    GROUP BY saga_type ORDER BY saga_type"""
_FAILING = """SELECT saga_type, name AS step, direction, count(*) AS failures,
        max(saga_attempts.error_message) AS example
    FROM saga_attempts JOIN saga_steps USING (saga_id, step_number) JOIN sagas ON sagas.id = saga_id
    WHERE outcome IN ('failed', 'refused') AND saga_attempts.started_at > clock_timestamp() - interval '1 day'
    GROUP BY saga_type, name, direction ORDER BY failures DESC LIMIT 20"""


@dataclass(frozen=True, slots=True)
class SagaFilter:
    """A filter for sagas; None does not restrict. `by`: the caller.

    `before`: only sagas that started before this (start, id), to read the next page of a list.
    """

    status: str | None = None
    saga_type: str | None = None
    by: str | None = None
    before: tuple[datetime, UUID] | None = None


async def newest(pool: asyncpg.Pool, wanted: SagaFilter, most: int) -> Sequence[UUID]:
    """Return the ids of at most `most` sagas, newest first."""
    before = wanted.before or (None, None)
    rows = await pool.fetch(_LIST, wanted.status, wanted.saga_type, wanted.by, *before, most)
    return [row["id"] for row in rows]


async def statistics(pool: asyncpg.Pool) -> dict[str, Any]:
    """Return the numbers of sagas, their durations, and the steps that fail most, as JSON data.

    `counts`: the number of sagas by type and status. `durations`: for each type, the median and the 95th
    percentile of the last day in seconds. `failing`: the steps that failed most in the last day.
    """
    counts, durations, failing = (
        await pool.fetch(_COUNTS),
        await pool.fetch(_DURATIONS),
        await pool.fetch(_FAILING),
    )
    return {
        "counts": [dict(row) for row in counts],
        "durations": [
            {
                "saga_type": row["saga_type"],
                "sagas": row["sagas"],
                "p50": round(row["seconds"][0], 3),
                "p95": round(row["seconds"][1], 3),
            }
            for row in durations
        ],
        "failing": [dict(row) for row in failing],
    }
