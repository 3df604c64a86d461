"""Profiles as event-sourced aggregates.

Their state, and the table that shows most of it (skills and documents have their own).
"""

from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from subgraphs.kit.copies import KeyedTable
from subgraphs.kit.event_store.aggregate import Aggregate
from subgraphs.kit.event_store.sourced import EventSourcedTable, merge_changes
from subgraphs.musicians.store import profiles

_NOBODY: Final = UUID(int=0)


class ProfileState(msgspec.Struct, frozen=True):
    """What a musician says of themselves."""

    user_id: UUID = _NOBODY
    stage_name: str = ""
    bio: str = ""
    hourly_rate: Decimal = Decimal(0)
    currency: str = "EUR"
    experience_years: int = 0
    latitude: float | None = None
    longitude: float | None = None
    address: str | None = None
    city: str | None = None
    country: str | None = None
    availability_schedule: dict[str, Any] = {}
    portfolio_urls: list[str] = []
    skill_ids: tuple[UUID, ...] = ()
    profile_document: dict[str, Any] | None = None


PROFILES: Final = EventSourcedTable(
    Aggregate(aggregate_type="musician", initial=ProfileState(), apply=merge_changes), profiles
)
ORIGINALS: Final = {"musician": KeyedTable("musician_profiles", "id", "profile_facts(it)")}
"""What others keep copies of."""
