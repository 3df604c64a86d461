"""The GraphQL types of the requests subgraph.

Requests are public. Applications and bookings are visible to their client, their musician and admins only.
"""

from datetime import date, datetime, time
from functools import partial
from typing import Any
from uuid import UUID

import strawberry

from subgraphs.kit.cache_hints import public
from subgraphs.kit.graphql import field_with, for_users, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.money import Money
from subgraphs.kit.pagination import After, Before, Connection, First, Last, Page
from subgraphs.kit.places import EventPlace
from subgraphs.kit.vocabulary import RequestStatus, UrgencyLevel
from subgraphs.requests import store
from subgraphs.requests.arguments import ApplicationStatuses, Between, BookingStatuses, RequestStatuses
from subgraphs.requests.criteria import ApplicationCriteria, BookingCriteria, RequestCriteria
from subgraphs.requests.enums import ApplicationStatus, BookingStatus
from subgraphs.requests.loaders import RequestsContext
from subgraphs.requests.parts import Skill, duration_hours
from subgraphs.requests.records import ApplicationRecord, BookingRecord, RequestRecord

Info = strawberry.Info[RequestsContext, None]
listed: Any = partial(strawberry.federation.field, shareable=True)
"""Makes a field that the lists of the read side provide, too."""


@object_type(keys=["uuid"])
class User:
    """A user, with their requests and bookings."""

    uuid: strawberry.ID
    key: strawberry.Private[UUID]

    @field_with(cached=public(60))
    async def requests(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        status: RequestStatuses = None,
        between: Between = None,
    ) -> "Connection[MusicianRequest] | None":
        """The client's requests, the newest first."""
        only = RequestCriteria.of_client(status, between)
        page = Page.of(store.NEWEST_REQUESTS, first, after, last, before, only=only)
        return await info.context.requests_of_clients.connection(self.key, page, MusicianRequest.of)

    @for_users
    async def bookings(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        status: BookingStatuses = None,
        between: Between = None,
    ) -> "Connection[Booking] | None":
        """The client's bookings, the latest event first; for the client and admins.

        A musician's bookings are in the type Musician.
        """
        info.context.require_owner_or_admin(self.key)
        only = BookingCriteria.read(status, between)
        page = Page.of(store.LATEST_BOOKINGS, first, after, last, before, only=only)
        return await info.context.bookings_of_clients.connection(self.key, page, Booking.of)

    @classmethod
    def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "User | None":
        """Return the user with this id, without a check that the user exists: the users service does it."""
        return cls.of(uuid_of(uuid))

    @classmethod
    def of(cls, key: UUID | None) -> "User | None":
        """Return the user with this id; None for None."""
        return cls(uuid=strawberry.ID(str(key)), key=key) if key else None


@object_type(keys=["uuid"])
class Musician:
    """A musician, with their applications and bookings."""

    uuid: strawberry.ID
    key: strawberry.Private[UUID]

    @for_users
    async def applications(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        status: ApplicationStatuses = None,
    ) -> "Connection[Application] | None":
        """The musician's applications, the newest first; for the musician and admins."""
        await self._require_owner_or_admin(info)
        only = ApplicationCriteria.read(status)
        page = Page.of(store.NEWEST_APPLICATIONS, first, after, last, before, only=only)
        return await info.context.applications_of_musicians.connection(self.key, page, Application.of)

    @for_users
    async def bookings(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        status: BookingStatuses = None,
        between: Between = None,
    ) -> "Connection[Booking] | None":
        """The musician's bookings, the latest event first; for the musician and admins."""
        await self._require_owner_or_admin(info)
        only = BookingCriteria.read(status, between)
        page = Page.of(store.LATEST_BOOKINGS, first, after, last, before, only=only)
        return await info.context.bookings_of_musicians.connection(self.key, page, Booking.of)

    async def _require_owner_or_admin(self, info: Info) -> None:
        info.context.require()
        info.context.require_owner_or_admin(await info.context.users_of_musicians.load(self.key))

    @classmethod
    def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "Musician | None":
        """Return the musician with this id, without a check that it exists: the musicians service does it."""
        return cls.of(uuid_of(uuid))

    @classmethod
    def of(cls, key: UUID | None) -> "Musician | None":
        """Return the musician with this id; None for None."""
        return cls(uuid=strawberry.ID(str(key)), key=key) if key else None


@object_type(keys=["uuid"], cached=public(60))
class MusicianRequest:
    """A client's request for a musician for an event."""

    uuid: strawberry.ID
    title: str = listed(description="The title of the request.")
    description: str = listed(description="A longer description.")
    event_date: date = strawberry.field(description="The local day on which the event starts.")
    start_time: time = strawberry.field(description="The local time at which the event starts.")
    end_time: time = strawberry.field(
        description="The local time at which the event ends; at or before `startTime` it is on the next day."
    )
    time_zone: str = listed(description="The IANA time zone of the event's place.")
    starts_at: datetime = listed(description="When the event starts, in UTC.")
    ends_at: datetime = listed(description="When the event ends, in UTC.")
    duration_hours: float = strawberry.field(
        description="The duration in hours, with a change of the clock taken into account."
    )
    budget_min: Money = listed(description="The lowest price for the whole event.")
    budget_max: Money = listed(description="The highest price for the whole event.")
    location: EventPlace = listed(description="The place of the event.")
    status: RequestStatus = listed(description="The status of the request.")
    urgency_level: UrgencyLevel = listed(description="How soon the client needs applications.")
    created_at: datetime = listed(description="When the request was published.")
    updated_at: datetime = strawberry.field(description="When the request was last changed.")
    version: int = strawberry.field(
        description="The number of changes so far, to pass as `expectedVersion` of the next one."
    )
    record: strawberry.Private[RequestRecord]

    @field_with(shareable=True)
    def client(self) -> User | None:
        """The client who published the request."""
        return User.of(self.record.client_id)

    @field_with(shareable=True)
    def required_skills(self) -> list[Skill] | None:
        """The skills that the musician must have."""
        return [Skill(uuid=strawberry.ID(str(key))) for key in self.record.required_skill_ids]

    @for_users
    async def applications(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        status: ApplicationStatuses = None,
    ) -> "Connection[Application] | None":
        """The applications to the request, the newest first; for the client and admins."""
        info.context.require_owner_or_admin(self.record.client_id)
        only = ApplicationCriteria.read(status)
        page = Page.of(store.NEWEST_APPLICATIONS, first, after, last, before, only=only)
        return await info.context.applications_of_requests.connection(self.record.id, page, Application.of)

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
    async def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "MusicianRequest | None":
        """Return the request with this id, None if there is none."""
        return await cls.load(info, uuid_of(uuid))

    @classmethod
    async def load(cls, info: Info, key: UUID | None) -> "MusicianRequest | None":
        """Return the request with this id, None if there is none."""
        record = await info.context.requests.load(key) if key else None
        return cls.of(record) if record is not None else None

    @classmethod
    def of(cls, record: RequestRecord) -> "MusicianRequest":
        """Return the GraphQL object of a record."""
        return cls(
            uuid=strawberry.ID(str(record.id)),
            title=record.title,
            description=record.description,
            event_date=record.event_date,
            start_time=record.start_time,
            end_time=record.end_time,
            time_zone=record.time_zone,
            starts_at=record.starts_at,
            ends_at=record.ends_at,
            duration_hours=duration_hours(record),
            budget_min=Money.of(record.budget_min, record.currency),
            budget_max=Money.of(record.budget_max, record.currency),
            location=EventPlace.of(record),
            status=RequestStatus(record.status),
            urgency_level=UrgencyLevel(record.urgency_level),
            created_at=record.created_at,
            updated_at=record.updated_at,
            version=record.version,
            record=record,
        )


@object_type(keys=["uuid"])
class Application:
    """A musician's application to a request; for the musician, the client of the request and admins."""

    uuid: strawberry.ID
    message: str = strawberry.field(description="The musician's message to the client.")
    status: ApplicationStatus = strawberry.field(description="The status of the application.")
    created_at: datetime = strawberry.field(description="When the musician applied.")
    updated_at: datetime = strawberry.field(description="When the application was last changed.")
    record: strawberry.Private[ApplicationRecord]

    @resolver
    async def proposed_price(self, info: Info) -> Money | None:
        """The musician's price for the whole event."""
        request = await info.context.requests.load(self.record.request_id)
        return Money.of(self.record.proposed_price, request.currency) if request is not None else None

    @resolver
    async def request(self, info: Info) -> MusicianRequest | None:
        """The request to which the musician has applied."""
        return await MusicianRequest.load(info, self.record.request_id)

    @resolver
    def musician(self) -> Musician | None:
        """The musician who has applied."""
        return Musician.of(self.record.musician_id)

    @classmethod
    async def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "Application | None":
        """Return the application with this id, None if there is none. Raises Unauthenticated, Forbidden."""
        return await cls.load(info, uuid_of(uuid))

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
            uuid=strawberry.ID(str(record.id)),
            message=record.message,
            status=ApplicationStatus(record.status),
            created_at=record.created_at,
            updated_at=record.updated_at,
            record=record,
        )


@object_type(keys=["uuid"])
class Booking:
    """A musician's booking for an event; for its client, its musician and admins."""

    uuid: strawberry.ID
    starts_at: datetime = strawberry.field(description="When the event starts, in UTC.")
    ends_at: datetime = strawberry.field(description="When the event ends, in UTC.")
    time_zone: str = strawberry.field(description="The IANA time zone of the event's place.")
    duration_hours: float = strawberry.field(
        description="The duration in hours, with a change of the clock taken into account."
    )
    price: Money = strawberry.field(description="The price of the whole event.")
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
    async def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "Booking | None":
        """Return the booking with this id, None if there is none. Raises Unauthenticated, Forbidden."""
        return await cls.load(info, uuid_of(uuid))

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
            uuid=strawberry.ID(str(record.id)),
            starts_at=record.starts_at,
            ends_at=record.ends_at,
            time_zone=record.time_zone,
            duration_hours=duration_hours(record),
            price=Money.of(record.price, record.currency),
            status=BookingStatus(record.status),
            expires_at=record.expires_at,
            objection=record.objection or None,
            created_at=record.created_at,
            updated_at=record.updated_at,
            record=record,
        )
