"""The read model of musicians: profile, skills, ratings, and whether the account is active.

It is computed from events of the services `musicians`, `users`, `reviews` and `requests`.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from gateway.cache.keys import custom_tag
from subgraphs.kit.event_store.batches import ProjectionStep
from subgraphs.kit.event_store.events import StoredEvent
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.read_side.model import MUSICIAN_LISTS
from subgraphs.read_side.projections.base import LogProjection

_PROFILE = frozenset({"MusicianProfileCreated", "MusicianProfileUpdated"})
_ACTIVITY = _PROFILE | {
    *("ApplicationSubmitted", "ApplicationWithdrawn"),
    *("BookingConfirmed", "BookingCompleted", "BookingCancelled"),
}
_COLUMNS = (
    *("user_id", "stage_name", "bio", "hourly_rate", "currency", "experience_years"),
    *("latitude", "longitude", "address", "city", "country"),
    *("availability_schedule", "portfolio_urls", "created_at"),
)
_REPLACED = (*_COLUMNS, "skill_ids", "skills", "search", "position", "is_active")

# A review or an application can create a row before the profile's event arrives; queries see the row when it
# has the whole profile. Columns are nullable also because events of the first versions of this program lack
# some fields. rating_order: the rating, 0 in place of null, for sorting.
_TABLE = """
CREATE TABLE {musician_read_model} (
    musician_id           uuid PRIMARY KEY,
    user_id               uuid,
    stage_name            text,
    bio                   text,
    hourly_rate           numeric(10, 2),
    currency              text,
    experience_years      integer,
    latitude              float8,
    longitude             float8,
    address               text,
    city                  text,
    country               text,
    availability_schedule jsonb,
    portfolio_urls        jsonb,
    created_at            timestamptz,
    skill_ids             uuid[]  NOT NULL DEFAULT '{{}}',
    skills                text[]  NOT NULL DEFAULT '{{}}',
    rating_sum            bigint  NOT NULL DEFAULT 0,
    total_reviews         integer NOT NULL DEFAULT 0,
    rating                numeric GENERATED ALWAYS AS
                          (cast(rating_sum AS numeric) / nullif(total_reviews, 0)) STORED,
    rating_order          numeric NOT NULL GENERATED ALWAYS AS
                          (coalesce(cast(rating_sum AS numeric) / nullif(total_reviews, 0), 0)) STORED,
    last_active           timestamptz,
    is_active             boolean NOT NULL DEFAULT true,
    is_available          boolean NOT NULL GENERATED ALWAYS AS (is_active AND stage_name IS NOT NULL) STORED,
    search                tsvector,
    position              numeric  NOT NULL DEFAULT -1
)
"""
# A musician is available while the user's account is active. The event of an account may arrive before the
# profile that contains its user's id, so accounts have a table of their own.
_ACCOUNTS = """
CREATE TABLE {musician_accounts} (
    user_id   uuid PRIMARY KEY,
    is_active boolean NOT NULL,
    position  numeric NOT NULL
)
"""
_INDEXES = (
    "(user_id)",
    "(latitude, longitude)",
    "USING gin (skill_ids)",
    "USING gin (search)",
    "(rating_order, musician_id)",
    "(is_available, rating DESC, total_reviews DESC)",
    "(created_at, musician_id)",
    "(hourly_rate, musician_id)",
    "(lower(city))",
)

_KEEP_ACCOUNTS = """
WITH newest AS (
    SELECT DISTINCT ON (user_id) user_id, coalesce(is_active, true) AS is_active, told_position
    FROM jsonb_to_recordset(cast(:told AS jsonb))
        AS told (user_id uuid, is_active boolean, told_position numeric)
    ORDER BY user_id, told_position DESC
), kept AS (
    INSERT INTO {musician_accounts} AS own SELECT * FROM newest
    ON CONFLICT (user_id) DO UPDATE SET is_active = excluded.is_active, position = excluded.position
    WHERE own.position < excluded.position
    RETURNING user_id, is_active
)
UPDATE {musician_read_model} AS own SET is_active = kept.is_active
FROM kept WHERE own.user_id = kept.user_id AND own.is_active <> kept.is_active
"""
_KEEP_PROFILES = f"""
INSERT INTO {{musician_read_model}} AS own
    (musician_id, {", ".join(_COLUMNS)}, skill_ids, skills, search, position, is_active)
SELECT musician_id, {", ".join(f"newest.{name}" for name in _COLUMNS)},
    coalesce(skill_ids, '{{{{}}}}'), coalesce(skills, '{{{{}}}}'),
    weighted_words(stage_name, skills, city, bio), told_position, coalesce(account.is_active, true)
FROM (
    SELECT DISTINCT ON (musician_id) *
    FROM jsonb_to_recordset(cast(:told AS jsonb)) AS told (
        musician_id uuid, user_id uuid, stage_name text, bio text, hourly_rate numeric, currency text,
        experience_years integer, latitude float8, longitude float8, address text, city text, country text,
        availability_schedule jsonb, portfolio_urls jsonb, created_at timestamptz,
        skill_ids uuid[], skills text[], told_position numeric
    )
    ORDER BY musician_id, told_position DESC
) AS newest LEFT JOIN {{musician_accounts}} AS account ON account.user_id = newest.user_id
ON CONFLICT (musician_id) DO UPDATE SET
    {", ".join(f"{name} = excluded.{name}" for name in _REPLACED)}
WHERE own.position < excluded.position
"""  # noqa: S608 - names of columns, nothing from outside
_ADD_REVIEWS = """
INSERT INTO {musician_read_model} AS own (musician_id, rating_sum, total_reviews)
SELECT musician_id, sum(rating), count(*)
FROM jsonb_to_recordset(cast(:told AS jsonb)) AS told (musician_id uuid, rating integer) GROUP BY musician_id
ON CONFLICT (musician_id) DO UPDATE SET
    rating_sum = own.rating_sum + excluded.rating_sum,
    total_reviews = own.total_reviews + excluded.total_reviews
"""
_CHANGE_REVIEWS = """
INSERT INTO {musician_read_model} AS own (musician_id, rating_sum, total_reviews)
SELECT musician_id, sum(rating - previous_rating), 0
FROM jsonb_to_recordset(cast(:told AS jsonb))
    AS told (musician_id uuid, rating integer, previous_rating integer)
GROUP BY musician_id
ON CONFLICT (musician_id) DO UPDATE SET rating_sum = own.rating_sum + excluded.rating_sum
"""
_RAISE_ACTIVITY = """
INSERT INTO {musician_read_model} AS own (musician_id, last_active)
SELECT musician_id, max(told_at)
FROM jsonb_to_recordset(cast(:told AS jsonb)) AS told (musician_id uuid, told_at timestamptz)
GROUP BY musician_id
ON CONFLICT (musician_id) DO UPDATE SET last_active = greatest(own.last_active, excluded.last_active)
"""


class MusiciansProjection(LogProjection):
    """The projection of musicians.

    `last_active`: the time of the newest event about the musician's profile, applications or bookings.
    """

    name: ClassVar[str] = "musicians"
    cache_tags: ClassVar[Sequence[str]] = (custom_tag(MUSICIAN_LISTS),)
    tables: ClassVar[tuple[str, ...]] = ("musician_read_model", "musician_accounts")
    ddl: ClassVar[Sequence[str]] = (
        _TABLE,
        _ACCOUNTS,
        *(f"CREATE INDEX ON {{musician_read_model}} {index}" for index in _INDEXES),
    )
    conditions: ClassVar[Mapping[str, str]] = {"musician_read_model": "created_at IS NOT NULL"}
    views: ClassVar[Mapping[str, str]] = {
        "v_top_musicians": """
            SELECT * FROM musician_read_model WHERE is_available AND rating >= 4.5 AND total_reviews >= 10
            ORDER BY rating DESC, total_reviews DESC, musician_id
        """
    }

    @property
    def steps(self) -> Sequence[ProjectionStep]:
        """The steps for events about accounts, profiles, reviews, and activity (`last_active`)."""
        return (
            ProjectionStep(frozenset({"UserRegistered", "UserUpdated"}), self._accounts),
            ProjectionStep(_PROFILE, self._profiles),
            ProjectionStep(frozenset({"ReviewPublished"}), self._reviews),
            ProjectionStep(frozenset({"ReviewEdited"}), self._edited_reviews),
            ProjectionStep(_ACTIVITY, self._activity),
        )

    async def _accounts(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> None:
        await self.execute(uow, _KEEP_ACCOUNTS, events, generation)

    async def _profiles(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> None:
        await self.execute(uow, _KEEP_PROFILES, events, generation)

    async def _reviews(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> None:
        await self.execute(uow, _ADD_REVIEWS, events, generation)

    async def _edited_reviews(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> None:
        await self.execute(uow, _CHANGE_REVIEWS, events, generation)

    async def _activity(self, uow: UnitOfWork, events: Sequence[StoredEvent], generation: int) -> None:
        await self.execute(uow, _RAISE_ACTIVITY, events, generation)
