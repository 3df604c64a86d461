"""The read model `matching`: the newest ranking of musicians for each request.

It is computed from the event `MatchesRanked` of the service `matching`.
"""

from collections.abc import Sequence
from typing import ClassVar

from subgraphs.kit.event_store.batches import ProjectionStep
from subgraphs.kit.event_store.events import StoredEvent
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.read_side.projections.base import LogProjection

_COLUMNS = (
    "musician_id total_score skill_score experience_score price_score distance_score distance_km"
    " is_recommended ranking_position"
)
_TABLE = """
CREATE TABLE {matching_read_model} (
    request_id       uuid    NOT NULL,
    musician_id      uuid    NOT NULL,
    total_score      float8  NOT NULL,
    skill_score      float8  NOT NULL,
    experience_score float8  NOT NULL,
    price_score      float8  NOT NULL,
    distance_score   float8  NOT NULL,
    distance_km      float8  NOT NULL,
    is_recommended   boolean NOT NULL,
    ranking_position integer NOT NULL,
    PRIMARY KEY (request_id, musician_id)
)
"""
_RANKINGS = """
CREATE TABLE {matching_rankings} (
    request_id uuid        PRIMARY KEY,
    client_id  uuid        NOT NULL,
    result_id  uuid        NOT NULL,
    ranked_at  timestamptz NOT NULL
)
"""
_KEEP_RANKINGS = """
INSERT INTO {matching_rankings} AS own
SELECT DISTINCT ON (request_id) request_id, client_id, result_id, ranked_at
FROM jsonb_to_recordset(cast(:told AS jsonb))
    AS told (request_id uuid, client_id uuid, result_id uuid, ranked_at timestamptz)
ORDER BY request_id, ranked_at DESC, result_id DESC
ON CONFLICT (request_id) DO UPDATE
SET client_id = excluded.client_id, result_id = excluded.result_id, ranked_at = excluded.ranked_at
WHERE (own.ranked_at, own.result_id) < (excluded.ranked_at, excluded.result_id)
RETURNING result_id
"""
_FORGET = """
DELETE FROM {matching_read_model} AS own
USING jsonb_to_recordset(cast(:told AS jsonb)) AS told (request_id uuid)
WHERE own.request_id = told.request_id
"""
_KEEP_MATCHES = f"""
INSERT INTO {{matching_read_model}} (request_id, {_COLUMNS.replace(" ", ", ")})
SELECT request_id, {_COLUMNS.replace(" ", ", ")}
FROM jsonb_to_recordset(cast(:told AS jsonb)) AS told (request_id uuid, matches jsonb),
    LATERAL jsonb_to_recordset(told.matches) AS match (
        musician_id uuid, total_score float8, skill_score float8, experience_score float8, price_score float8,
        distance_score float8, distance_km float8, is_recommended boolean, ranking_position integer
    )
"""  # noqa: S608 - names of columns, nothing from outside


class RankingsProjection(LogProjection):
    """The projection of rankings by the default algorithm; rankings by other algorithms are ignored."""

    name: ClassVar[str] = "matching"
    tables: ClassVar[tuple[str, ...]] = ("matching_read_model", "matching_rankings")
    ddl: ClassVar[Sequence[str]] = (
        _TABLE,
        _RANKINGS,
        "CREATE INDEX ON {matching_read_model} (request_id, ranking_position)",
        "CREATE INDEX ON {matching_read_model} (musician_id, total_score DESC)",
    )

    @property
    def steps(self) -> Sequence[ProjectionStep]:
        """The only step, for events of rankings."""
        return (ProjectionStep(frozenset({"MatchesRanked"}), self._rankings),)

    async def _rankings(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> None:
        wanted = [event for event in events if event.data["is_default"]]
        kept = {str(row.result_id) for row in await self.execute(uow, _KEEP_RANKINGS, wanted, generation)}
        if newer := [event for event in wanted if event.data["result_id"] in kept]:
            await self.execute(uow, _FORGET, newer, generation)
            await self.execute(uow, _KEEP_MATCHES, newer, generation)
