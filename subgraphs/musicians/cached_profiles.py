"""The cached profiles of musicians, under the keys `musician_profile:<id>`, and what stands in for them.

While the service's database does not answer, the read side returns what it has stored of the profiles from
their events: all but the time of the last change.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec

from gateway.settings import ConnectionSettings
from gateway.transport.base import Transport
from gateway.transport.http import HttpTransport
from subgraphs.kit.cache_tags import object_tags
from subgraphs.kit.cached import CachedKind, Load
from subgraphs.kit.client import ServiceClient
from subgraphs.kit.database import Database
from subgraphs.kit.settings import ServiceSettings
from subgraphs.musicians.model import Profile
from subgraphs.musicians.tables import PROFILE_ROWS

LIFETIME: Final = 3600.0
READ_SIDE: Final = "read_side"
_FACTS: Final = "query($ids: [ID!]!) { found: musicianFacts(ids: $ids) }"


class _Facts(msgspec.Struct):
    """What the event of a profile's last change says about it."""

    user_id: UUID
    stage_name: str
    bio: str
    hourly_rate: Decimal
    currency: str
    experience_years: int
    availability_schedule: dict[str, Any]
    portfolio_urls: list[str]
    created_at: datetime
    latitude: float | None = None
    longitude: float | None = None
    address: str | None = None
    city: str | None = None
    country: str | None = None


def profile_kind(database: Database, stand_in: Load[UUID, Profile] | None) -> CachedKind[UUID, Profile]:
    """Return the kind of cached profiles. `stand_in` returns them while the database does not answer."""

    async def load(ids: Sequence[UUID]) -> Mapping[UUID, Profile]:
        return await PROFILE_ROWS.by_ids(database, ids)

    tags = partial(object_tags, "Musician")
    return CachedKind("musician_profile", Profile, LIFETIME, tags, load, stand_in)


def read_side_transport(settings: ServiceSettings) -> Transport | None:
    """Return a transport to the read side at the URL MUSICIANS_STAND_IN; None without this variable."""
    url = settings.own.get("STAND_IN")
    return HttpTransport({READ_SIDE: url}, ConnectionSettings(connect_timeout=1.0)) if url else None


def from_read_side(transport: Transport) -> Load[UUID, Profile]:
    """Return a function that asks the read side for profiles. It raises SubgraphError without an answer."""
    client = ServiceClient(transport, None)

    async def load(ids: Sequence[UUID]) -> Mapping[UUID, Profile]:
        data = await client.query(READ_SIDE, _FACTS, {"ids": [str(key) for key in ids]})
        rows = data["found"] or {}
        return {UUID(key): _profile(UUID(key), row["version"], row["told"]) for key, row in rows.items()}

    return load


def _profile(key: UUID, version: int, told: Mapping[str, Any]) -> Profile:
    facts = msgspec.convert(told, _Facts, strict=False)
    return Profile(id=key, version=version, updated_at=None, **msgspec.structs.asdict(facts))
