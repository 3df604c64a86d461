"""The statements of the requests service; its tables are in tables.py and migrations/."""

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
    """Conditions on requests, joined by AND; an empty or None field is no condition."""

    statuses: tuple[str, ...] = ()
    urgency_levels: tuple[str, ...] = ()
    skill_ids: tuple[UUID, ...] = ()
    starts_from: datetime | None = None
    starts_to: datetime | None = None
    near: Near | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the SQL conditions."""
        clauses: list[ColumnElement[bool]] = []
        if self.statuses:
            clauses.append(requests.c.status.in_(self.statuses))
        if self.urgency_levels:
            clauses.append(requests.c.urgency_level.in_(self.urgency_levels))
        if self.skill_ids:
            clauses.append(requests.c.required_skill_ids.contains(list(self.skill_ids)))
        if self.starts_from:
            clauses.append(requests.c.starts_at >= self.starts_from)
        if self.starts_to:
            clauses.append(requests.c.starts_at <= self.starts_to)
        return [*clauses, *(_within(self.near) if self.near else ())]


def _within(near: Near) -> list[ColumnElement[bool]]:
    """Return the conditions for a circle: a bounding box, for which an index is used, then the exact
    distance.

    Near a pole or the date line the box has no condition on the longitude.
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


async def list_requests(session: Session, filter: RequestFilter, page: Page) -> Sequence[Row[Any]]:
    """Return the rows of a page of requests, and one more if there is a next page."""
    return await session.fetch_all(page.select(select(requests).where(*filter.conditions())))


async def count_requests(session: Session, filter: RequestFilter) -> int:
    """Return the number of requests that fulfil a filter."""
    count = select(func.count()).select_from(requests).where(*filter.conditions())
    return int(await session.fetch_value(count))


async def by_ids(session: Session, table: Table, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Return the rows with these ids, by id."""
    rows = await session.fetch_all(select(table).where(_is_one_of(table.c.id, ids)))
    return {row.id: row for row in rows}


async def bookings_of_requests(session: Session, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Return the bookings that are not cancelled, by request."""
    active = select(bookings).where(_is_one_of(bookings.c.request_id, ids), bookings.c.status != "cancelled")
    return {row.request_id: row for row in await session.fetch_all(active)}


async def applications_by(
    session: Session, pairs: Sequence[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], Row[Any]]:
    """Return applications by pairs of request and musician's user."""
    condition = and_(
        _is_one_of(applications.c.request_id, [request for request, _ in pairs]),
        _is_one_of(applications.c.musician_user_id, [user for _, user in pairs]),
    )
    rows = await session.fetch_all(select(applications).where(condition))
    return {(row.request_id, row.musician_user_id): row for row in rows}


async def users_of_musicians(session: Session, ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return the user ids of musicians, by musician."""
    rows = await session.fetch_all(
        select(known_musicians).where(_is_one_of(known_musicians.c.musician_id, ids))
    )
    return {row.musician_id: row.user_id for row in rows}


async def musician_of_user(session: Session, user_id: UUID) -> UUID | None:
    """Return the musician's id of a user, None if the user has no profile."""
    musician_id = await session.fetch_value(
        select(known_musicians.c.musician_id).where(known_musicians.c.user_id == user_id)
    )
    return musician_id if musician_id is None else UUID(str(musician_id))


async def user_of_musician(session: Session, musician_id: UUID) -> UUID | None:
    """Return the user's id of a musician, None if the musician is not known."""
    statement = select(known_musicians.c.user_id).where(known_musicians.c.musician_id == musician_id)
    user_id = await session.fetch_value(statement)
    return user_id if user_id is None else UUID(str(user_id))


async def application_of(session: Session, request_id: UUID, musician_id: UUID) -> Row[Any] | None:
    """Return a musician's application to a request, locked; None if there is none."""
    condition = (applications.c.request_id == request_id) & (applications.c.musician_id == musician_id)
    return await session.fetch_one(select(applications).where(condition).with_for_update())


async def page_of_each(
    session: Session, table: Table, parent: str, ids: Sequence[UUID], page: Page
) -> Mapping[UUID, list[Row[Any]]]:
    """Return the same page of each parent's rows, by parent, with one statement. `parent`: the column's
    name.
    """
    keys = func.unnest(_array(ids)).table_valued(column("parent_key", Uuid), name="parents").render_derived()
    rows = page.select(select(table).where(table.c[parent] == keys.c.parent_key)).lateral("page")
    pages: dict[UUID, list[Row[Any]]] = defaultdict(list)
    for row in await session.fetch_all(select(rows).select_from(keys.join(rows, true()))):
        pages[getattr(row, parent)].append(row)
    return pages


async def count_of_each(session: Session, table: Table, parent: str, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return the number of rows of each parent, by parent, with one statement. `parent`: the column's
    name.
    """
    owner = table.c[parent]
    rows: Sequence[Row[Any]] = await session.fetch_all(
        select(owner, func.count()).where(_is_one_of(owner, ids)).group_by(owner)
    )
    return {UUID(str(key)): int(count) for key, count in map(tuple, rows)}


async def insert_row(session: Session, table: Table, values: Mapping[str, Any]) -> Row[Any] | None:
    """Insert a row and return it; None if it violates a unique constraint."""
    statement = postgresql.insert(table).values(**values).on_conflict_do_nothing().returning(table)
    return await session.fetch_one(statement)


async def lock(session: Session, table: Table, row_id: UUID) -> Row[Any] | None:
    """Return a row, locked until the transaction ends; None if there is none."""
    return await session.fetch_one(select(table).where(table.c.id == row_id).with_for_update())


async def change(session: Session, table: Table, row_id: UUID, values: Mapping[str, Any]) -> Row[Any]:
    """Update columns of a row and return the new row."""
    statement = update(table).where(table.c.id == row_id).values(**values, updated_at=func.now())
    rows = await session.fetch_all(statement.returning(table))
    return rows[0]


async def close_applications(session: Session, request_id: UUID) -> Sequence[Row[Any]]:
    """Reject all pending and accepted applications to a request; return their new rows."""
    undecided = (applications.c.request_id == request_id) & applications.c.status.in_(("pending", "accepted"))
    closed = update(applications).where(undecided).values(status="rejected", updated_at=func.now())
    return await session.fetch_all(closed.returning(applications))


async def active_booking(session: Session, request_id: UUID) -> Row[Any] | None:
    """Return the booking of a request that is not cancelled, locked; None if there is none."""
    active = (bookings.c.request_id == request_id) & (bookings.c.status != "cancelled")
    return await session.fetch_one(select(bookings).where(active).with_for_update())


async def upsert_musician(session: Session, musician_id: UUID, user_id: UUID, position: int) -> None:
    """Store the user of a musician, unless an event with a higher position was stored."""
    row = {"musician_id": musician_id, "user_id": user_id, "position": position}
    added = postgresql.insert(known_musicians).values(row)
    newer = known_musicians.c.position < added.excluded.position
    changes = {"user_id": added.excluded.user_id, "position": added.excluded.position}
    await session.execute(
        added.on_conflict_do_update(index_elements=["musician_id"], set_=changes, where=newer)
    )


def _array(ids: Sequence[UUID]) -> ColumnElement[Any]:
    return literal(list(ids), postgresql.ARRAY(Uuid))


def _is_one_of(owner: ColumnElement[Any], ids: Sequence[UUID]) -> ColumnElement[bool]:
    """Compare with an array in one parameter, so that the statement's text is the same for any number of
    ids.
    """
    return owner == any_(_array(ids))
