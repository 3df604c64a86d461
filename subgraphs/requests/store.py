"""The SQL statements of the requests service that `RecordTable` does not have.

Handlers, steps, loaders and `schema` use them; the tables are in `tables`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, func, select, update

from subgraphs.kit.database import Session, among_ids
from subgraphs.kit.pagination import Order
from subgraphs.kit.records import record_or_none, records, upsert_newer
from subgraphs.requests.records import ApplicationRecord, BookingRecord
from subgraphs.requests.tables import (
    APPLICATION_ROWS,
    BOOKING_ROWS,
    applications,
    bookings,
    known_musicians,
    requests,
)


def _newest(table: Table) -> Order:
    return Order(f"{table.name}_newest", table.c.created_at, datetime, table.c.id, descending=True)


NEWEST_REQUESTS = _newest(requests)
SOONEST_REQUESTS = Order("requests_soonest", requests.c.starts_at, datetime, requests.c.id)
NEWEST_APPLICATIONS = _newest(applications)
LATEST_BOOKINGS = Order("bookings_latest", bookings.c.starts_at, datetime, bookings.c.id, descending=True)


_BOOKINGS_OF_REQUESTS = select(bookings).where(
    among_ids(bookings.c.request_id), bookings.c.status != "cancelled"
)
_APPLICATIONS_BY = select(applications).where(
    among_ids(applications.c.request_id, "requests"), among_ids(applications.c.musician_user_id, "users")
)
_KNOWN_MUSICIANS = select(known_musicians).where(among_ids(known_musicians.c.musician_id))


async def bookings_of_requests(session: Session, ids: Sequence[UUID]) -> dict[UUID, BookingRecord]:
    """Return each request's booking that is not cancelled, by request id; `ids` are the requests'."""
    active = records(BookingRecord, await session.fetch_all(_BOOKINGS_OF_REQUESTS, ids=ids))
    return {booking.request_id: booking for booking in active}


async def applications_by(
    session: Session, pairs: Sequence[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], ApplicationRecord]:
    """Return applications by pairs of ids: the request's, and that of the user who applied."""
    ids = {"requests": [request for request, _ in pairs], "users": [user for _, user in pairs]}
    found = records(ApplicationRecord, await session.fetch_all(_APPLICATIONS_BY, **ids))
    return {(application.request_id, application.musician_user_id): application for application in found}


async def users_of_musicians(session: Session, ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return the ids of musicians' users, by musician id; `ids` are the musicians'."""
    rows = await session.fetch_all(_KNOWN_MUSICIANS, ids=ids)
    return {row.musician_id: row.user_id for row in rows}


async def musician_of_user(session: Session, user_id: UUID) -> UUID | None:
    """Return the id of a user's musician profile, None if the user has no profile."""
    musician_id = await session.fetch_value(
        select(known_musicians.c.musician_id).where(known_musicians.c.user_id == user_id)
    )
    return musician_id if musician_id is None else UUID(str(musician_id))


async def user_of_musician(session: Session, musician_id: UUID) -> UUID | None:
    """Return the id of a musician's user, None if this service has received no event about the musician."""
    return (await users_of_musicians(session, [musician_id])).get(musician_id)


async def user_to_assign(session: Session, request_id: UUID, musician_id: UUID) -> UUID | None:
    """Return the id of a musician's user from the musician's profile or application to a request.

    None if this service has received no event about the profile, and the musician has not applied.
    """
    applied = select(applications.c.musician_user_id).where(
        applications.c.request_id == request_id, applications.c.musician_id == musician_id
    )
    user_id = await user_of_musician(session, musician_id) or await session.fetch_value(applied)
    return user_id if user_id is None else UUID(str(user_id))


async def application_of(session: Session, request_id: UUID, musician_id: UUID) -> ApplicationRecord | None:
    """Return a musician's application to a request, locked until the transaction ends; None if
    there is none.
    """
    return await APPLICATION_ROWS.lock_first(
        session, applications.c.request_id == request_id, applications.c.musician_id == musician_id
    )


async def set_application_status(session: Session, application_id: UUID, status: str) -> ApplicationRecord:
    """Change the status of an application and return its new record."""
    return await change_application(session, application_id, {"status": status})


async def change_application(
    session: Session, application_id: UUID, values: Mapping[str, Any]
) -> ApplicationRecord:
    """Change columns of an application, and return its new record."""
    chosen = update(applications).where(applications.c.id == application_id)
    changed = chosen.values(updated_at=func.now(), **values).returning(applications)
    return records(ApplicationRecord, await session.fetch_all(changed))[0]


async def renew_application(session: Session, values: Mapping[str, Any]) -> ApplicationRecord | None:
    """Make a musician's withdrawn application to a request pending again, with a new message and price.

    `values`: as for a new one, by column. Returns None if the application was not withdrawn.
    """
    own = (applications.c.request_id == values["request_id"]) & (
        applications.c.musician_id == values["musician_id"]
    )
    renewed = update(applications).where(own, applications.c.status == "withdrawn")
    changes = {name: values[name] for name in ("message", "proposed_price")}
    changed = renewed.values(status="pending", updated_at=func.now(), **changes).returning(applications)
    return record_or_none(ApplicationRecord, await session.fetch_one(changed))


async def close_applications(session: Session, request_id: UUID) -> list[ApplicationRecord]:
    """Reject all pending applications to a request; return their new records."""
    closed = (
        update(applications).where(_undecided(request_id)).values(status="rejected", updated_at=func.now())
    )
    return records(ApplicationRecord, await session.fetch_all(closed.returning(applications)))


async def reopen_applications(session: Session, ids: Sequence[UUID]) -> None:
    """Make these applications, which were rejected, pending again."""
    chosen = update(applications).where(applications.c.id.in_(ids), applications.c.status == "rejected")
    await session.execute(chosen.values(status="pending", updated_at=func.now()))


async def has_pending_applications(session: Session, request_id: UUID) -> bool:
    """Return whether a request has an application that the client has not decided about."""
    pending = select(applications.c.id).where(_undecided(request_id)).limit(1)
    return await session.fetch_one(pending) is not None


async def pending_applicants(session: Session, request_id: UUID) -> list[UUID]:
    """Return the ids of the users whose applications to a request the client has not decided about."""
    pending = select(applications.c.musician_user_id).where(_undecided(request_id))
    return [row.musician_user_id for row in await session.fetch_all(pending)]


def _undecided(request_id: UUID) -> ColumnElement[bool]:
    """Return the condition for the applications to a request that the client has not decided about."""
    return (applications.c.request_id == request_id) & (applications.c.status == "pending")


async def withdraw_applications(session: Session, user_id: UUID) -> list[ApplicationRecord]:
    """Withdraw all pending applications of a user; return their new records."""
    own = (applications.c.musician_user_id == user_id) & (applications.c.status == "pending")
    closed = update(applications).where(own).values(status="withdrawn", updated_at=func.now())
    return records(ApplicationRecord, await session.fetch_all(closed.returning(applications)))


async def active_booking(session: Session, request_id: UUID) -> BookingRecord | None:
    """Return a request's booking that is not cancelled, locked until the transaction ends; None
    without one.
    """
    return await BOOKING_ROWS.lock_first(
        session, bookings.c.request_id == request_id, bookings.c.status != "cancelled"
    )


async def unanswered_offers(session: Session, client_id: UUID) -> int:
    """Return how many offers of a client wait for an answer.

    Until the transaction ends, no other transaction counts the same client's.
    """
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"offers:{client_id}"))))
    waiting = select(func.count()).where(bookings.c.client_id == client_id, bookings.c.status == "pending")
    return int(await session.fetch_value(waiting))


async def active_bookings_of(session: Session, user_id: UUID, now: datetime) -> list[BookingRecord]:
    """Return the pending and confirmed bookings of a user, as client or musician, whose event has not
    started.
    """
    party = (bookings.c.client_id == user_id) | (bookings.c.musician_user_id == user_id)
    active = bookings.c.status.in_(("pending", "confirmed")) & (bookings.c.starts_at > now)
    return await BOOKING_ROWS.fetch_all(session, select(bookings).where(party, active))


async def open_requests_of(session: Session, client_id: UUID) -> list[UUID]:
    """Return the ids of a client's requests that are open or in progress."""
    own = (requests.c.client_id == client_id) & requests.c.status.in_(("open", "in_progress"))
    return [row.id for row in await session.fetch_all(select(requests.c.id).where(own))]


async def upsert_musician(session: Session, musician_id: UUID, user_id: UUID, position: int) -> None:
    """Store which user a musician is, unless an event with a higher position is stored.

    `position`: the event's position in the outbox of the musicians service.
    """
    row = {"musician_id": musician_id, "user_id": user_id, "position": position}
    await upsert_newer(session, known_musicians, "musician_id", row)
