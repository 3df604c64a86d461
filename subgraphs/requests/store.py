"""The statements of the requests service; its tables are in tables.py and migrations/."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, Uuid, any_, func, literal, select, update
from sqlalchemy.dialects import postgresql

from subgraphs.kit.database import Session, among_ids
from subgraphs.kit.pagination import Order
from subgraphs.kit.records import records
from subgraphs.requests.records import ApplicationRecord, BookingRecord
from subgraphs.requests.tables import (
    APPLICATION_ROWS,
    BOOKING_ROWS,
    applications,
    bookings,
    known_musicians,
    requests,
)

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


_BOOKINGS_OF_REQUESTS = select(bookings).where(
    among_ids(bookings.c.request_id), bookings.c.status != "cancelled"
)
_KNOWN_MUSICIANS = select(known_musicians).where(among_ids(known_musicians.c.musician_id))


async def bookings_of_requests(session: Session, ids: Sequence[UUID]) -> dict[UUID, BookingRecord]:
    """Return the bookings that are not cancelled, by request."""
    active = records(BookingRecord, await session.fetch_all(_BOOKINGS_OF_REQUESTS, ids=ids))
    return {booking.request_id: booking for booking in active}


async def applications_by(
    session: Session, pairs: Sequence[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], ApplicationRecord]:
    """Return applications by pairs of request and musician's user."""
    statement = select(applications).where(
        _is_one_of(applications.c.request_id, [request for request, _ in pairs]),
        _is_one_of(applications.c.musician_user_id, [user for _, user in pairs]),
    )
    found = await APPLICATION_ROWS.fetch_all(session, statement)
    return {(application.request_id, application.musician_user_id): application for application in found}


async def users_of_musicians(session: Session, ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return the user ids of musicians, by musician."""
    rows = await session.fetch_all(_KNOWN_MUSICIANS, ids=ids)
    return {row.musician_id: row.user_id for row in rows}


async def musician_of_user(session: Session, user_id: UUID) -> UUID | None:
    """Return the musician's id of a user, None if the user has no profile."""
    musician_id = await session.fetch_value(
        select(known_musicians.c.musician_id).where(known_musicians.c.user_id == user_id)
    )
    return musician_id if musician_id is None else UUID(str(musician_id))


async def user_of_musician(session: Session, musician_id: UUID) -> UUID | None:
    """Return the user's id of a musician, None if the musician is not known."""
    return (await users_of_musicians(session, [musician_id])).get(musician_id)


async def application_of(session: Session, request_id: UUID, musician_id: UUID) -> ApplicationRecord | None:
    """Return a musician's application to a request, locked; None if there is none."""
    return await APPLICATION_ROWS.lock_first(
        session, applications.c.request_id == request_id, applications.c.musician_id == musician_id
    )


async def set_application_status(session: Session, application_id: UUID, status: str) -> ApplicationRecord:
    """Change the status of an application and return its new record."""
    chosen = update(applications).where(applications.c.id == application_id)
    changed = chosen.values(status=status, updated_at=func.now()).returning(applications)
    return records(ApplicationRecord, await session.fetch_all(changed))[0]


async def close_applications(session: Session, request_id: UUID) -> list[ApplicationRecord]:
    """Reject all pending and accepted applications to a request; return their new records."""
    undecided = (applications.c.request_id == request_id) & applications.c.status.in_(("pending", "accepted"))
    closed = update(applications).where(undecided).values(status="rejected", updated_at=func.now())
    return records(ApplicationRecord, await session.fetch_all(closed.returning(applications)))


async def active_booking(session: Session, request_id: UUID) -> BookingRecord | None:
    """Return the booking of a request that is not cancelled, locked; None if there is none."""
    return await BOOKING_ROWS.lock_first(
        session, bookings.c.request_id == request_id, bookings.c.status != "cancelled"
    )


async def upsert_musician(session: Session, musician_id: UUID, user_id: UUID, position: int) -> None:
    """Store the user of a musician, unless an event with a higher position was stored."""
    row = {"musician_id": musician_id, "user_id": user_id, "position": position}
    added = postgresql.insert(known_musicians).values(row)
    newer = known_musicians.c.position < added.excluded.position
    changes = {"user_id": added.excluded.user_id, "position": added.excluded.position}
    await session.execute(
        added.on_conflict_do_update(index_elements=["musician_id"], set_=changes, where=newer)
    )


def _is_one_of(owner: ColumnElement[Any], ids: Sequence[UUID]) -> ColumnElement[bool]:
    """Compare with an array in one parameter, so that the statement's text is the same for any number of
    ids.
    """
    return owner == any_(literal(list(ids), postgresql.ARRAY(Uuid)))
