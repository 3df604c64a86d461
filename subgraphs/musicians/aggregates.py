"""Musicians' profiles as event-sourced aggregates: their state, and the table with the current states.

Handlers change profiles only by `PROFILES`, which appends an event and writes the row. Skills and documents
are fields of the state, but have tables of their own, which the handlers write.
"""

from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from subgraphs.kit.copies import KeyedTable
from subgraphs.kit.event_store.aggregate import Aggregate
from subgraphs.kit.event_store.sourced import EventSourcedTable, merge_changes
from subgraphs.musicians.tables import PROFILE_ROWS

_NOBODY: Final = UUID(int=0)


class ProfileState(msgspec.Struct, frozen=True):
    """The state of a musician's profile; the defaults are the state before its first event."""

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
    Aggregate(aggregate_type="musician", initial=ProfileState(), apply=merge_changes), PROFILE_ROWS
)
ORIGINALS: Final = {"musician": KeyedTable("musician_profiles", "id", "profile_facts(it)")}
"""The tables of which other services have copies, by kind of object, for the consistency check
(`kit/copies`).
"""
