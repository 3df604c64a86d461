"""The GraphQL types of the requests subgraph.

Requests are public. Applications and bookings are visible to their client, their musician and admins only.
"""

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

import strawberry
from aiodataloader import DataLoader

from subgraphs.kit.graphql import for_users, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.pagination import DEFAULT_FIRST, After, Connection, First, Page
from subgraphs.requests import store
from subgraphs.requests.enums import ApplicationStatus, BookingStatus, RequestStatus, UrgencyLevel
from subgraphs.requests.loaders import RequestsContext
from subgraphs.requests.parts import EventPlace, Skill
from subgraphs.requests.records import ApplicationRecord, BookingRecord, RequestRecord

Info = strawberry.Info[RequestsContext, None]
Node = TypeVar("Node")
Record = TypeVar("Record", ApplicationRecord, BookingRecord, RequestRecord)


@object_type(keys=["id"])
class User:
    """A user, with their requests and bookings."""

    id: strawberry.ID = strawberry.field(description="The user's id.")
    key: strawberry.Private[UUID]

    @resolver
    async def requests(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> "Connection[MusicianRequest] | None":
        """The client's requests, the newest first."""
        context, page = info.context, Page.of(store.NEWEST_REQUESTS, first, after)
        return await _connection(
            context.requests_of_clients, context.request_counts, self.key, page, MusicianRequest.of
        )

    @for_users
    async def bookings(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> "Connection[Booking] | None":
        """The client's bookings, the latest event first; for the client and admins.

        A musician's bookings are in the type Musician.
        """
        info.context.require_owner_or_admin(self.key)
        context, page = info.context, Page.of(store.LATEST_BOOKINGS, first, after)
        return await _connection(
            context.bookings_of_clients, context.client_booking_counts, self.key, page, Booking.of
        )

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> "User | None":
        """Return the user with this id, without a check that the user exists: the users service does it."""
        return cls.of(uuid_of(id))

    @classmethod
    def of(cls, key: UUID | None) -> "User | None":
        """Return the user with this id; None for None."""
        return cls(id=strawberry.ID(str(key)), key=key) if key else None


@object_type(keys=["id"])
class Musician:
    """A musician, with their applications and bookings."""

    id: strawberry.ID = strawberry.field(description="The musician's id.")
    key: strawberry.Private[UUID]

    @for_users
    async def applications(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> "Connection[Application] | None":
        """The musician's applications, the newest first; for the musician and admins."""
        await self._require_owner_or_admin(info)
        context, page = info.context, Page.of(store.NEWEST_APPLICATIONS, first, after)
        return await _connection(
            context.applications_of_musicians,
            context.musician_application_counts,
            self.key,
            page,
            Application.of,
        )

    @for_users
    async def bookings(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> "Connection[Booking] | None":
        """The musician's bookings, the latest event first; for the musician and admins."""
        await self._require_owner_or_admin(info)
        context, page = info.context, Page.of(store.LATEST_BOOKINGS, first, after)
        return await _connection(
            context.bookings_of_musicians, context.musician_booking_counts, self.key, page, Booking.of
        )

    async def _require_owner_or_admin(self, info: Info) -> None:
        info.context.require()
        info.context.require_owner_or_admin(await info.context.users_of_musicians.load(self.key))

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Musician | None":
        """Return the musician with this id, without a check that it exists: the musicians service does it."""
        return cls.of(uuid_of(id))

    @classmethod
    def of(cls, key: UUID | None) -> "Musician | None":
        """Return the musician with this id; None for None."""
        return cls(id=strawberry.ID(str(key)), key=key) if key else None


@object_type(keys=["id"])
class MusicianRequest:
    """A client's request for a musician for an event."""

    id: strawberry.ID = strawberry.field(description="The id of the request.")
    title: str = strawberry.federation.field(description="The title of the request.", shareable=True)
    description: str = strawberry.field(description="A longer description.")
    event_date: date = strawberry.field(description="The local day on which the event starts.")
    start_time: time = strawberry.field(description="The local time at which the event starts.")
    end_time: time = strawberry.field(
        description="The local time at which the event ends; at or before `startTime` it is on the next day."
    )
    time_zone: str = strawberry.field(description="The IANA time zone of the event's place.")
    starts_at: datetime = strawberry.field(description="When the event starts, in UTC.")
    ends_at: datetime = strawberry.field(description="When the event ends, in UTC.")
    duration_hours: float = strawberry.field(
        description="The duration in hours, with a change of the clock taken into account."
    )
    budget_min: Decimal = strawberry.field(description="The lowest price for the whole event.")
    budget_max: Decimal = strawberry.field(description="The highest price for the whole event.")
    currency: str = strawberry.field(description="The currency's code of three letters (ISO 4217).")
    location: EventPlace = strawberry.field(description="The place of the event.")
    status: RequestStatus = strawberry.field(description="The status of the request.")
    urgency_level: UrgencyLevel = strawberry.field(description="How soon the client needs applications.")
    created_at: datetime = strawberry.field(description="When the request was published.")
    updated_at: datetime = strawberry.field(description="When the request was last changed.")
    record: strawberry.Private[RequestRecord]

    @resolver
    def client(self) -> User | None:
        """The client who published the request."""
        return User.of(self.record.client_id)

    @resolver
    def required_skills(self) -> list[Skill] | None:
        """The skills that the musician must have."""
        return [Skill(id=strawberry.ID(str(key))) for key in self.record.required_skill_ids]

    @for_users
    async def applications(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> "Connection[Application] | None":
        """The applications to the request, the newest first; for the client and admins."""
        info.context.require_owner_or_admin(self.record.client_id)
        context, page = info.context, Page.of(store.NEWEST_APPLICATIONS, first, after)
        return await _connection(
            context.applications_of_requests, context.application_counts, self.record.id, page, Application.of
        )

    @for_users
    async def my_application(self, info: Info) -> "Application | None":
        """The caller's application to the request; null if there is none."""
        key = (self.record.id, info.context.require().user_id)
        return Application.of_any(await info.context.applications_by.load(key))

    @for_users
    async def booking(self, info: Info) -> "Booking | None":
        """The booking of the request; for its client, its musician and admins."""
        info.context.require()
        return Booking.of_visible(info, await info.context.bookings_of_requests.load(self.record.id))

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "MusicianRequest | None":
        """Return the request with this id, None if there is none."""
        return await cls.load(info, uuid_of(id))

    @classmethod
    async def load(cls, info: Info, key: UUID | None) -> "MusicianRequest | None":
        """Return the request with this id, None if there is none."""
        record = await info.context.requests.load(key) if key else None
        return cls.of(record) if record is not None else None

    @classmethod
    def of(cls, record: RequestRecord) -> "MusicianRequest":
        """Return the GraphQL object of a record."""
        return cls(
            id=strawberry.ID(str(record.id)),
            title=record.title,
            description=record.description,
            event_date=record.event_date,
            start_time=record.start_time,
            end_time=record.end_time,
            time_zone=record.time_zone,
            starts_at=record.starts_at,
            ends_at=record.ends_at,
            duration_hours=_hours(record),
            budget_min=record.budget_min,
            budget_max=record.budget_max,
            currency=record.currency,
            location=EventPlace(
                latitude=record.latitude,
                longitude=record.longitude,
                address=record.address,
                city=record.city,
                country=record.country.strip(),
            ),
            status=RequestStatus(record.status),
            urgency_level=UrgencyLevel(record.urgency_level),
            created_at=record.created_at,
            updated_at=record.updated_at,
            record=record,
        )


@object_type(keys=["id"])
class Application:
    """A musician's application to a request; for the musician, the client of the request and admins."""

    id: strawberry.ID = strawberry.field(description="The id of the application.")
    message: str = strawberry.field(description="The musician's message to the client.")
    proposed_price: Decimal = strawberry.field(description="The musician's price for the whole event.")
    status: ApplicationStatus = strawberry.field(description="The status of the application.")
    created_at: datetime = strawberry.field(description="When the musician applied.")
    updated_at: datetime = strawberry.field(description="When the application was last changed.")
    record: strawberry.Private[ApplicationRecord]

    @resolver
    async def request(self, info: Info) -> MusicianRequest | None:
        """The request to which the musician has applied."""
        return await MusicianRequest.load(info, self.record.request_id)

    @resolver
    def musician(self) -> Musician | None:
        """The musician who has applied."""
        return Musician.of(self.record.musician_id)

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Application | None":
        """Return the application with this id, None if there is none. Raises Unauthenticated, Forbidden."""
        return await cls.load(info, uuid_of(id))

    @classmethod
    async def load(cls, info: Info, key: UUID | None) -> "Application | None":
        """Return the application with this id, None if there is none.

        Raises Forbidden unless the caller is its musician, the client of its request or an admin, and
        Unauthenticated for a caller without a token.
        """
        identity = info.context.require()
        record = await info.context.applications.load(key) if key else None
        if record is None or identity.is_owner_or_admin(record.musician_user_id):
            return cls.of_any(record)
        request = await info.context.requests.load(record.request_id)
        info.context.require_owner_or_admin(request.client_id if request is not None else None)
        return cls.of(record)

    @classmethod
    def of_any(cls, record: ApplicationRecord | None) -> "Application | None":
        """Return the GraphQL object of a record; None for None."""
        return cls.of(record) if record is not None else None

    @classmethod
    def of(cls, record: ApplicationRecord) -> "Application":
        """Return the GraphQL object of a record."""
        return cls(
            id=strawberry.ID(str(record.id)),
            message=record.message,
            proposed_price=record.proposed_price,
            status=ApplicationStatus(record.status),
            created_at=record.created_at,
            updated_at=record.updated_at,
            record=record,
        )


@object_type(keys=["id"])
class Booking:
    """A musician's booking for an event; for its client, its musician and admins."""

    id: strawberry.ID = strawberry.field(description="The id of the booking.")
    starts_at: datetime = strawberry.field(description="When the event starts, in UTC.")
    ends_at: datetime = strawberry.field(description="When the event ends, in UTC.")
    time_zone: str = strawberry.field(description="The IANA time zone of the event's place.")
    duration_hours: float = strawberry.field(
        description="The duration in hours, with a change of the clock taken into account."
    )
    price: Decimal = strawberry.field(description="The price of the whole event.")
    currency: str = strawberry.field(description="The currency's code of three letters (ISO 4217).")
    status: BookingStatus = strawberry.field(description="The status of the booking.")
    expires_at: datetime | None = strawberry.field(
        description="Until when the musician can confirm the booking."
    )
    objection: str | None = strawberry.field(
        description="Why a party objects to the payout; null if none does."
    )
    created_at: datetime = strawberry.field(description="When the booking was made.")
    updated_at: datetime = strawberry.field(description="When the booking was last changed.")
    record: strawberry.Private[BookingRecord]

    @resolver
    async def request(self, info: Info) -> MusicianRequest | None:
        """The request for which the musician is booked."""
        return await MusicianRequest.load(info, self.record.request_id)

    @resolver
    def client(self) -> User | None:
        """The client of the booking."""
        return User.of(self.record.client_id)

    @resolver
    def musician(self) -> Musician | None:
        """The booked musician."""
        return Musician.of(self.record.musician_id)

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Booking | None":
        """Return the booking with this id, None if there is none. Raises Unauthenticated, Forbidden."""
        return await cls.load(info, uuid_of(id))

    @classmethod
    async def load(cls, info: Info, key: UUID | None) -> "Booking | None":
        """Return the booking with this id, None if there is none. Raises the errors of `of_visible`."""
        info.context.require()
        return cls.of_visible(info, await info.context.bookings.load(key) if key else None)

    @classmethod
    def of_visible(cls, info: Info, record: BookingRecord | None) -> "Booking | None":
        """Return the GraphQL object of a record; None for None.

        Raises Forbidden unless the caller is its client, its musician or an admin, and Unauthenticated for a
        caller without a token.
        """
        if record is None:
            return None
        info.context.require_owner_or_admin(record.client_id, record.musician_user_id)
        return cls.of(record)

    @classmethod
    def of(cls, record: BookingRecord) -> "Booking":
        """Return the GraphQL object of a record."""
        return cls(
            id=strawberry.ID(str(record.id)),
            starts_at=record.starts_at,
            ends_at=record.ends_at,
            time_zone=record.time_zone,
            duration_hours=_hours(record),
            price=record.price,
            currency=record.currency,
            status=BookingStatus(record.status),
            expires_at=record.expires_at,
            objection=record.objection or None,
            created_at=record.created_at,
            updated_at=record.updated_at,
            record=record,
        )


def _hours(event: RequestRecord | BookingRecord) -> float:
    return round((event.ends_at - event.starts_at).total_seconds() / 3600, 4)


async def _connection(
    pages: DataLoader[tuple[UUID, Page], list[Record]],
    counts: DataLoader[UUID, int | None],
    owner: UUID,
    page: Page,
    node: Callable[[Record], Node],
) -> Connection[Node]:
    """Return a page of the list of the owner with the id `owner`.

    The data loaders `pages` and `counts` fetch the pages of all owners with one statement. `node` converts a
    record to an element.
    """

    async def count() -> int:
        return await counts.load(owner) or 0

    column = page.order.column.key or ""
    return page.connection(
        await pages.load((owner, page)), node, lambda record: (getattr(record, column), record.id), count
    )
