"""The read model of requests: the request, its client's name, its skills, and the number of applications.

It is computed from events of the services `requests`, `users` and `musicians`.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from sqlalchemy import Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from gateway.cache.keys import custom_tag
from subgraphs.kit.event_store.batches import ProjectionStep
from subgraphs.kit.event_store.events import StoredEvent
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.read_side.model import REQUEST_LISTS
from subgraphs.read_side.projections.base import LogProjection

_COLUMNS = (
    *(
        "client_id",
        "title",
        "description",
        "event_date",
        "start_time",
        "end_time",
        "time_zone",
        "starts_at",
        "ends_at",
    ),
    *("budget_min", "budget_max", "currency", "latitude", "longitude", "address", "city", "country"),
    *("status", "urgency_level", "created_at"),
)
_REPLACED = (*_COLUMNS, "required_skill_ids", "required_skills", "search", "client_name", "position")

# An application can create a row before the request's event arrives; queries see the row when it has the
# whole request. Columns are nullable also because events of the first versions of this program lack some
# fields.
_TABLE = """
CREATE TABLE {request_read_model} (
    request_id         uuid PRIMARY KEY,
    client_id          uuid,
    client_name        text,
    title              text,
    description        text,
    event_date         date,
    start_time         time,
    end_time           time,
    time_zone          text,
    starts_at          timestamptz,
    ends_at            timestamptz,
    budget_min         numeric(10, 2),
    budget_max         numeric(10, 2),
    currency           text,
    latitude           float8,
    longitude          float8,
    address            text,
    city               text,
    country            text,
    required_skill_ids uuid[]  NOT NULL DEFAULT '{{}}',
    required_skills    text[]  NOT NULL DEFAULT '{{}}',
    status             text,
    urgency_level      text,
    created_at         timestamptz,
    total_applications integer NOT NULL DEFAULT 0,
    search             tsvector,
    position           numeric  NOT NULL DEFAULT -1
)
"""
_CLIENTS = """
CREATE TABLE {request_clients} (
    user_id  uuid PRIMARY KEY,
    username text NOT NULL,
    position numeric NOT NULL
)
"""
_SKILLS = "CREATE TABLE {request_skills} (id uuid PRIMARY KEY, name text NOT NULL)"
_INDEXES = (
    "(client_id)",
    "(latitude, longitude)",
    "USING gin (required_skill_ids)",
    "USING gin (search)",
    "(starts_at, request_id)",
    "(status, event_date)",
    "(status, starts_at)",
    "(created_at, request_id)",
)

_KEEP_CLIENTS = """
WITH newest AS (
    SELECT DISTINCT ON (user_id) user_id, username, told_position
    FROM jsonb_to_recordset(cast(:told AS jsonb)) AS told (user_id uuid, username text, told_position numeric)
    ORDER BY user_id, told_position DESC
), kept AS (
    INSERT INTO {request_clients} AS own SELECT * FROM newest
    ON CONFLICT (user_id) DO UPDATE SET username = excluded.username, position = excluded.position
    WHERE own.position < excluded.position
    RETURNING user_id, username
)
UPDATE {request_read_model} AS own SET client_name = kept.username
FROM kept WHERE own.client_id = kept.user_id AND own.client_name IS DISTINCT FROM kept.username
"""
# Events of requests contain the ids of skills; their names come from events of musicians' profiles.
_LEARN_SKILLS = """
INSERT INTO {request_skills} (id, name)
SELECT DISTINCT ON (id) id, name
FROM jsonb_to_recordset(cast(:told AS jsonb)) AS told (skill_ids uuid[], skills text[]),
    LATERAL unnest(told.skill_ids, told.skills) AS skill (id, name)
WHERE id IS NOT NULL AND name IS NOT NULL
ORDER BY id, name
ON CONFLICT (id) DO NOTHING RETURNING id
"""
_NAMES = (
    "(SELECT coalesce(array_agg(skill.name ORDER BY skill.name), '{{}}')"
    " FROM {request_skills} AS skill WHERE skill.id = ANY ({ids}))"
)
_RENAME = f"""
UPDATE {{request_read_model}} AS own
SET required_skills = named.names, search = weighted_words(own.title, named.names, own.city, own.description)
FROM {{request_read_model}} AS other,
    LATERAL (SELECT {_NAMES.replace("{ids}", "other.required_skill_ids")} AS names) AS named
WHERE other.request_id = own.request_id AND own.required_skill_ids && :learnt
"""  # noqa: S608 - nothing from outside
_KEEP_REQUESTS = f"""
INSERT INTO {{request_read_model}} AS own
    (request_id, {", ".join(_COLUMNS)}, required_skill_ids, required_skills, search, client_name, position)
SELECT request_id, {", ".join(f"newest.{name}" for name in _COLUMNS)},
    coalesce(skill_ids, '{{{{}}}}'), named.names,
    weighted_words(title, named.names, city, description), client.username, told_position
FROM (
    SELECT DISTINCT ON (request_id) *
    FROM jsonb_to_recordset(cast(:told AS jsonb)) AS told (
        request_id uuid, client_id uuid, title text, description text, event_date date, start_time time,
        end_time time, time_zone text, starts_at timestamptz, ends_at timestamptz,
        budget_min numeric, budget_max numeric, currency text, latitude float8, longitude float8,
        address text, city text, country text, status text, urgency_level text,
        created_at timestamptz, skill_ids uuid[], told_position numeric
    )
    ORDER BY request_id, told_position DESC
) AS newest
LEFT JOIN {{request_clients}} AS client ON client.user_id = newest.client_id,
LATERAL (SELECT {_NAMES.replace("{ids}", "newest.skill_ids")} AS names) AS named
ON CONFLICT (request_id) DO UPDATE SET
    {", ".join(f"{name} = excluded.{name}" for name in _REPLACED)}
WHERE own.position < excluded.position
"""  # noqa: S608 - names of columns, nothing from outside
_ADD_APPLICATIONS = """
INSERT INTO {request_read_model} AS own (request_id, total_applications)
SELECT request_id, count(*)
FROM jsonb_to_recordset(cast(:told AS jsonb)) AS told (request_id uuid) GROUP BY request_id
ON CONFLICT (request_id) DO UPDATE
SET total_applications = own.total_applications + excluded.total_applications
"""


class RequestsProjection(LogProjection):
    """The projection of requests.

    `total_applications` also counts withdrawn and rejected applications, as the service `requests` does.
    """

    name: ClassVar[str] = "requests"
    cache_tags: ClassVar[Sequence[str]] = (custom_tag(REQUEST_LISTS),)
    tables: ClassVar[tuple[str, ...]] = ("request_read_model", "request_clients", "request_skills")
    ddl: ClassVar[Sequence[str]] = (
        _TABLE,
        _CLIENTS,
        _SKILLS,
        *(f"CREATE INDEX ON {{request_read_model}} {index}" for index in _INDEXES),
    )
    conditions: ClassVar[Mapping[str, str]] = {"request_read_model": "created_at IS NOT NULL"}
    # grouped by currency, because budgets in different currencies have no mean
    views: ClassVar[Mapping[str, str]] = {
        "v_active_requests_summary": """
            SELECT status, currency, count(*) AS requests,
                cast(avg(extract(epoch FROM now() - created_at)) / 86400 AS float8) AS mean_age_days,
                round(avg(budget_min), 2) AS mean_budget_min, round(avg(budget_max), 2) AS mean_budget_max
            FROM request_read_model WHERE status IN ('open', 'in_progress') GROUP BY status, currency
        """
    }

    @property
    def steps(self) -> Sequence[ProjectionStep]:
        """The steps for events about clients, skills (from musicians' profiles), requests, and
        applications.
        """
        return (
            ProjectionStep(frozenset({"UserRegistered", "UserUpdated"}), self._clients),
            ProjectionStep(frozenset({"MusicianProfileCreated", "MusicianProfileUpdated"}), self._skills),
            ProjectionStep(frozenset({"RequestPublished", "RequestUpdated"}), self._requests),
            ProjectionStep(frozenset({"ApplicationSubmitted"}), self._applications),
        )

    async def _clients(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> None:
        await self.execute(uow, _KEEP_CLIENTS, events, generation)

    async def _skills(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> None:
        learnt = [row.id for row in await self.execute(uow, _LEARN_SKILLS, events, generation)]
        if learnt:
            renamed = text(self.with_table_names(_RENAME, generation)).bindparams(
                bindparam("learnt", learnt, ARRAY(Uuid))
            )
            await uow.execute(renamed)

    async def _requests(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> None:
        await self.execute(uow, _KEEP_REQUESTS, events, generation)

    async def _applications(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> None:
        await self.execute(uow, _ADD_APPLICATIONS, events, generation)
