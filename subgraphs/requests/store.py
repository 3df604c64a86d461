"""What the requests service reads and writes; the tables themselves are in tables.py and migrations/."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Table,
    Uuid,
    and_,
    any_,
    column,
    func,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql

from subgraphs.kit.database import Session
from subgraphs.kit.pagination import Order, Page
from subgraphs.requests.tables import applications, bookings, known_musicians, requests

_EARTH_KM = 6371.0088
_KM_PER_DEGREE = math.pi * _EARTH_KM / 180


def _newest(table: Table) -> Order:
    return Order(f"{table.name}_newest", table.c.created_at, datetime, table.c.id, descending=True)


NEWEST_REQUESTS = _newest(requests)
SOONEST_REQUESTS = Order("requests_soonest", requests.c.starts_at, datetime, requests.c.id)
NEWEST_APPLICATIONS = _newest(applications)
LATEST_BOOKINGS = Order("bookings_latest", bookings.c.starts_at, datetime, bookings.c.id, descending=True)


@dataclass(frozen=True, slots=True)
class Near:
    """A circle on the globe."""

    latitude: float
    longitude: float
    km: float


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """Which requests are wanted; what is empty or None does not narrow."""

    statuses: tuple[str, ...] = ()
    urgency_levels: tuple[str, ...] = ()
    skill_ids: tuple[UUID, ...] = ()
    starts_from: datetime | None = None
    starts_to: datetime | None = None
    near: Near | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter in SQL."""
        found: list[ColumnElement[bool]] = []
        if self.statuses:
            found.append(requests.c.status.in_(self.statuses))
        if self.urgency_levels:
            found.append(requests.c.urgency_level.in_(self.urgency_levels))
        if self.skill_ids:
            found.append(requests.c.required_skill_ids.contains(list(self.skill_ids)))
        if self.starts_from:
            found.append(requests.c.starts_at >= self.starts_from)
        if self.starts_to:
            found.append(requests.c.starts_at <= self.starts_to)
        return [*found, *(_within(self.near) if self.near else ())]


def _within(near: Near) -> list[ColumnElement[bool]]:
    """A box that an index can answer, then the true distance.

    The box leaves out longitudes near a pole or the date line.
    """
    latitude, longitude = requests.c.latitude, requests.c.longitude
    reach = near.km / _KM_PER_DEGREE
    conditions: list[ColumnElement[bool]] = [latitude.between(near.latitude - reach, near.latitude + reach)]
    shrink = math.cos(math.radians(min(abs(near.latitude) + reach, 90.0)))
    if reach < 180 * shrink and abs(near.longitude) + reach / shrink <= 180:
        conditions.append(longitude.between(near.longitude - reach / shrink, near.longitude + reach / shrink))
    half = func.power(func.sin(func.radians(latitude - near.latitude) / 2), 2) + math.cos(
        math.radians(near.latitude)
    ) * func.cos(func.radians(latitude)) * func.power(
        func.sin(func.radians(longitude - near.longitude) / 2), 2
    )
    distance = 2 * _EARTH_KM * func.asin(func.sqrt(func.least(half, 1.0)))
    return [*conditions, distance <= near.km]


async def list_requests(session: Session, wanted: RequestFilter, page: Page) -> Sequence[Row[Any]]:
    """A page of the requests that pass the filter."""
    return await session.fetch_all(page.select(select(requests).where(*wanted.conditions())))


async def count_requests(session: Session, wanted: RequestFilter) -> int:
    """How many requests pass the filter."""
    count = select(func.count()).select_from(requests).where(*wanted.conditions())
    return int(await session.fetch_value(count))


async def by_ids(session: Session, table: Table, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """The rows with these ids."""
    rows = await session.fetch_all(select(table).where(_one_of(table.c.id, ids)))
    return {row.id: row for row in rows}


async def bookings_of_requests(session: Session, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """The booking that counts, by request."""
    counting = select(bookings).where(_one_of(bookings.c.request_id, ids), bookings.c.status != "cancelled")
    return {row.request_id: row for row in await session.fetch_all(counting)}


async def applications_by(
    session: Session, pairs: Sequence[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], Row[Any]]:
    """Applications by request and musician's user."""
    wanted = and_(
        _one_of(applications.c.request_id, [request for request, _ in pairs]),
        _one_of(applications.c.musician_user_id, [user for _, user in pairs]),
    )
    rows = await session.fetch_all(select(applications).where(wanted))
    return {(row.request_id, row.musician_user_id): row for row in rows}


async def users_of_musicians(session: Session, ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Which user each musician is."""
    rows = await session.fetch_all(select(known_musicians).where(_one_of(known_musicians.c.musician_id, ids)))
    return {row.musician_id: row.user_id for row in rows}


async def musician_of_user(session: Session, user_id: UUID) -> UUID | None:
    """Which musician this user is."""
    found = await session.fetch_value(
        select(known_musicians.c.musician_id).where(known_musicians.c.user_id == user_id)
    )
    return found if found is None else UUID(str(found))


async def user_of_musician(session: Session, musician_id: UUID) -> UUID | None:
    """Which user a musician is."""
    wanted = select(known_musicians.c.user_id).where(known_musicians.c.musician_id == musician_id)
    found = await session.fetch_value(wanted)
    return found if found is None else UUID(str(found))


async def application_of(session: Session, request_id: UUID, musician_id: UUID) -> Row[Any] | None:
    """A musician's application to a request, locked."""
    mine = (applications.c.request_id == request_id) & (applications.c.musician_id == musician_id)
    return await session.fetch_one(select(applications).where(mine).with_for_update())


async def page_of_each(
    session: Session, table: Table, parent: str, ids: Sequence[UUID], page: Page
) -> Mapping[UUID, list[Row[Any]]]:
    """The same page of the rows of several parents, in one statement."""
    keys = func.unnest(_array(ids)).table_valued(column("parent_key", Uuid), name="parents").render_derived()
    rows = page.select(select(table).where(table.c[parent] == keys.c.parent_key)).lateral("page")
    found: dict[UUID, list[Row[Any]]] = defaultdict(list)
    for row in await session.fetch_all(select(rows).select_from(keys.join(rows, true()))):
        found[getattr(row, parent)].append(row)
    return found


async def count_of_each(session: Session, table: Table, parent: str, ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many rows several parents have, in one statement."""
    owner = table.c[parent]
    rows: Sequence[Row[Any]] = await session.fetch_all(
        select(owner, func.count()).where(_one_of(owner, ids)).group_by(owner)
    )
    return {UUID(str(key)): int(count) for key, count in map(tuple, rows)}


async def insert_row(session: Session, table: Table, values: Mapping[str, Any]) -> Row[Any] | None:
    """Add a row; None if one of the table's unique constraints forbids it."""
    statement = postgresql.insert(table).values(**values).on_conflict_do_nothing().returning(table)
    return await session.fetch_one(statement)


async def lock(session: Session, table: Table, row_id: UUID) -> Row[Any] | None:
    """A row that nobody else changes until the transaction ends."""
    return await session.fetch_one(select(table).where(table.c.id == row_id).with_for_update())


async def change(session: Session, table: Table, row_id: UUID, values: Mapping[str, Any]) -> Row[Any]:
    """Set columns of one row that is locked, and answer it as it is now."""
    statement = update(table).where(table.c.id == row_id).values(**values, updated_at=func.now())
    rows = await session.fetch_all(statement.returning(table))
    return rows[0]


async def close_applications(session: Session, request_id: UUID) -> Sequence[Row[Any]]:
    """Turn down whoever still waits for an answer or was chosen; answers their applications."""
    waiting = (applications.c.request_id == request_id) & applications.c.status.in_(("pending", "accepted"))
    closed = update(applications).where(waiting).values(status="rejected", updated_at=func.now())
    return await session.fetch_all(closed.returning(applications))


async def active_booking(session: Session, request_id: UUID) -> Row[Any] | None:
    """The booking of a request that counts, locked."""
    counting = (bookings.c.request_id == request_id) & (bookings.c.status != "cancelled")
    return await session.fetch_one(select(bookings).where(counting).with_for_update())


async def upsert_musician(session: Session, musician_id: UUID, user_id: UUID, position: int) -> None:
    """Keep which user a musician is, unless something newer is known."""
    row = {"musician_id": musician_id, "user_id": user_id, "position": position}
    added = postgresql.insert(known_musicians).values(row)
    newer = known_musicians.c.position < added.excluded.position
    changes = {"user_id": added.excluded.user_id, "position": added.excluded.position}
    await session.execute(
        added.on_conflict_do_update(index_elements=["musician_id"], set_=changes, where=newer)
    )


def _array(ids: Sequence[UUID]) -> ColumnElement[Any]:
    return literal(list(ids), postgresql.ARRAY(Uuid))


def _one_of(owner: ColumnElement[Any], ids: Sequence[UUID]) -> ColumnElement[bool]:
    """An array as one parameter, so that the statement's text is the same for any number of ids."""
    return owner == any_(_array(ids))
