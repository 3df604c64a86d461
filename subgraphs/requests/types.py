"""The types of the requests subgraph.

Requests are public; applications and bookings belong to the people in them.
"""

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import strawberry
from aiodataloader import DataLoader
from sqlalchemy import Row

from subgraphs.kit.graphql import REFERENCE, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.pagination import DEFAULT_FIRST, After, Connection, First, Page
from subgraphs.requests import store
from subgraphs.requests.enums import ApplicationStatus, BookingStatus, RequestStatus, UrgencyLevel
from subgraphs.requests.loaders import RequestsContext

Info = strawberry.Info[RequestsContext, None]
Node = TypeVar("Node")


@object_type(keys=[REFERENCE])
class Skill:
    """A skill, of which only the id is known here."""

    id: strawberry.ID = strawberry.field(description="The id of the skill.")


@object_type()
class EventPlace:
    """Where an event is."""

    latitude: float = strawberry.field(description="Degrees north.")
    longitude: float = strawberry.field(description="Degrees east.")
    address: str = strawberry.field(description="Street and house, as the client wrote it.")
    city: str = strawberry.field(description="The city.")
    country: str = strawberry.field(description="The country's code of two letters.")


@object_type(keys=["id"])
class User:
    """A user, with what they have to do with requests."""

    id: strawberry.ID = strawberry.field(description="The user's id.")
    key: strawberry.Private[UUID]

    @resolver
    async def requests(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> "Connection[MusicianRequest] | None":
        """The requests of this client, newest first."""
        context, page = info.context, Page.of(store.NEWEST_REQUESTS, first, after)
        return await _connection(
            context.requests_of_clients, context.request_counts, self.key, page, MusicianRequest.of
        )

    @resolver
    async def bookings(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> "Connection[Booking] | None":
        """What this client has booked, the latest event first; for themselves.

        Musicians find theirs in their profile.
        """
        info.context.require_owner_or_admin(self.key)
        context, page = info.context, Page.of(store.LATEST_BOOKINGS, first, after)
        return await _connection(
            context.bookings_of_clients, context.client_booking_counts, self.key, page, Booking.of
        )

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> "User | None":
        """The user of a representation; that there is one, the users service says."""
        return cls.of(uuid_of(id))

    @classmethod
    def of(cls, key: UUID | None) -> "User | None":
        """The user with this id."""
        return cls(id=strawberry.ID(str(key)), key=key) if key else None


@object_type(keys=["id"])
class Musician:
    """A musician, with what they have to do with requests."""

    id: strawberry.ID = strawberry.field(description="The musician's id.")
    key: strawberry.Private[UUID]

    @resolver
    async def applications(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> "Connection[Application] | None":
        """What this musician has applied to, newest first; for themselves."""
        await self._require_owner_or_admin(info)
        context, page = info.context, Page.of(store.NEWEST_APPLICATIONS, first, after)
        return await _connection(
            context.applications_of_musicians,
            context.musician_application_counts,
            self.key,
            page,
            Application.of,
        )

    @resolver
    async def bookings(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> "Connection[Booking] | None":
        """What this musician is booked for, the latest event first; for themselves."""
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
        """The musician of a representation; that there is one, the musicians service says."""
        return cls.of(uuid_of(id))

    @classmethod
    def of(cls, key: UUID | None) -> "Musician | None":
        """The musician with this id."""
        return cls(id=strawberry.ID(str(key)), key=key) if key else None


@object_type(keys=["id"])
class MusicianRequest:
    """A client looks for a musician for an event."""

    id: strawberry.ID = strawberry.field(description="The id of the request.")
    title: str = strawberry.federation.field(description="What is looked for, in a line.", shareable=True)
    description: str = strawberry.field(description="The same at length.")
    event_date: date = strawberry.field(description="The day of the event at its place.")
    start_time: time = strawberry.field(description="When it begins, by the clock on the wall there.")
    end_time: time = strawberry.field(
        description="When it ends; at or before the beginning it is the next day."
    )
    time_zone: str = strawberry.field(description="The place's IANA time zone.")
    starts_at: datetime = strawberry.field(description="When it begins, in UTC.")
    ends_at: datetime = strawberry.field(description="When it ends, in UTC.")
    duration_hours: float = strawberry.field(
        description="How long it really lasts, over a change of the clock, too."
    )
    budget_min: Decimal = strawberry.field(
        description="The least that the client would pay for the whole event."
    )
    budget_max: Decimal = strawberry.field(
        description="The most that the client would pay for the whole event."
    )
    currency: str = strawberry.field(description="The currency's ISO code.")
    location: EventPlace = strawberry.field(description="Where it is.")
    status: RequestStatus = strawberry.field(description="Where the request stands.")
    urgency_level: UrgencyLevel = strawberry.field(description="How soon the client needs an answer.")
    created_at: datetime = strawberry.field(description="When it was published.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")
    row: strawberry.Private[Any]

    @resolver
    def client(self) -> User | None:
        """Who looks for a musician."""
        return User.of(self.row.client_id)

    @resolver
    def required_skills(self) -> list[Skill] | None:
        """What the musician must be able to do."""
        return [Skill(id=strawberry.ID(str(key))) for key in self.row.required_skill_ids]

    @resolver
    async def applications(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> "Connection[Application] | None":
        """Who has applied, newest first; for the client."""
        info.context.require_owner_or_admin(self.row.client_id)
        context, page = info.context, Page.of(store.NEWEST_APPLICATIONS, first, after)
        return await _connection(
            context.applications_of_requests, context.application_counts, self.row.id, page, Application.of
        )

    @resolver
    async def my_application(self, info: Info) -> "Application | None":
        """The application of the musician who asks."""
        key = (self.row.id, info.context.require().user_id)
        return Application.of_any(await info.context.applications_by.load(key))

    @resolver
    async def booking(self, info: Info) -> "Booking | None":
        """The booking that came of it; for the client and the musician."""
        info.context.require()
        return Booking.shown(info, await info.context.bookings_of_requests.load(self.row.id))

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "MusicianRequest | None":
        """Return the request with this id, None if there is none."""
        return await cls.load(info, uuid_of(id))

    @classmethod
    async def load(cls, info: Info, key: UUID | None) -> "MusicianRequest | None":
        """The request with this id."""
        row = await info.context.requests.load(key) if key else None
        return cls.of(row) if row is not None else None

    @classmethod
    def of(cls, row: Row[Any]) -> "MusicianRequest":
        """Return the GraphQL type of a row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            title=row.title,
            description=row.description,
            event_date=row.event_date,
            start_time=row.start_time,
            end_time=row.end_time,
            time_zone=row.time_zone,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            duration_hours=_hours(row),
            budget_min=row.budget_min,
            budget_max=row.budget_max,
            currency=row.currency,
            location=EventPlace(
                latitude=row.latitude,
                longitude=row.longitude,
                address=row.address,
                city=row.city,
                country=row.country.strip(),
            ),
            status=RequestStatus(row.status),
            urgency_level=UrgencyLevel(row.urgency_level),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
        )


@object_type(keys=["id"])
class Application:
    """A musician would play. Only the musician and the client of the request see it."""

    id: strawberry.ID = strawberry.field(description="The id of the application.")
    message: str = strawberry.field(description="What the musician says to the client.")
    proposed_price: Decimal = strawberry.field(description="What the musician asks for the whole event.")
    status: ApplicationStatus = strawberry.field(description="Where the application stands.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")
    row: strawberry.Private[Any]

    @resolver
    async def request(self, info: Info) -> MusicianRequest | None:
        """What it applies to."""
        return await MusicianRequest.load(info, self.row.request_id)

    @resolver
    def musician(self) -> Musician | None:
        """Who applies."""
        return Musician.of(self.row.musician_id)

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Application | None":
        """The application of a representation, if the caller may see it; null when there is none."""
        return await cls.load(info, uuid_of(id))

    @classmethod
    async def load(cls, info: Info, key: UUID | None) -> "Application | None":
        """The application with this id, if the caller may see it."""
        identity = info.context.require()
        row = await info.context.applications.load(key) if key else None
        if row is None or identity.is_owner_or_admin(row.musician_user_id):
            return cls.of_any(row)
        request = await info.context.requests.load(row.request_id)
        info.context.require_owner_or_admin(request.client_id if request is not None else None)
        return cls.of(row)

    @classmethod
    def of_any(cls, row: Row[Any] | None) -> "Application | None":
        """Return the GraphQL type of a row that may be absent."""
        return cls.of(row) if row is not None else None

    @classmethod
    def of(cls, row: Row[Any]) -> "Application":
        """Return the GraphQL type of a row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            message=row.message,
            proposed_price=row.proposed_price,
            status=ApplicationStatus(row.status),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
        )


@object_type(keys=["id"])
class Booking:
    """A musician is booked for an event. Only the two of them see it."""

    id: strawberry.ID = strawberry.field(description="The id of the booking.")
    starts_at: datetime = strawberry.field(description="When the event begins, in UTC.")
    ends_at: datetime = strawberry.field(description="When the event ends, in UTC.")
    time_zone: str = strawberry.field(description="The place's IANA time zone.")
    duration_hours: float = strawberry.field(description="How long it really lasts.")
    price: Decimal = strawberry.field(description="What the client pays for the whole event.")
    currency: str = strawberry.field(description="The currency's ISO code.")
    status: BookingStatus = strawberry.field(description="Where the booking stands.")
    created_at: datetime = strawberry.field(description="When the client chose the musician.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")
    row: strawberry.Private[Any]

    @resolver
    async def request(self, info: Info) -> MusicianRequest | None:
        """What it came of."""
        return await MusicianRequest.load(info, self.row.request_id)

    @resolver
    def client(self) -> User | None:
        """Who books."""
        return User.of(self.row.client_id)

    @resolver
    def musician(self) -> Musician | None:
        """Who plays."""
        return Musician.of(self.row.musician_id)

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Booking | None":
        """The booking of a representation, if the caller may see it; null when there is none."""
        return await cls.load(info, uuid_of(id))

    @classmethod
    async def load(cls, info: Info, key: UUID | None) -> "Booking | None":
        """The booking with this id, if the caller may see it."""
        info.context.require()
        return cls.shown(info, await info.context.bookings.load(key) if key else None)

    @classmethod
    def shown(cls, info: Info, row: Row[Any] | None) -> "Booking | None":
        """The type of a row that may be absent, if the caller is one of the two."""
        if row is None:
            return None
        if not info.context.require().is_owner_or_admin(row.musician_user_id):
            info.context.require_owner_or_admin(row.client_id)
        return cls.of(row)

    @classmethod
    def of(cls, row: Row[Any]) -> "Booking":
        """Return the GraphQL type of a row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            time_zone=row.time_zone,
            duration_hours=_hours(row),
            price=row.price,
            currency=row.currency,
            status=BookingStatus(row.status),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
        )


def _hours(row: Row[Any]) -> float:
    seconds: float = (row.ends_at - row.starts_at).total_seconds()
    return round(seconds / 3600, 4)


async def _connection(
    rows: DataLoader[tuple[UUID, Page], list[Row[Any]]],
    counts: DataLoader[UUID, int | None],
    owner: UUID,
    page: Page,
    node: Callable[[Row[Any]], Node],
) -> Connection[Node]:
    """A page of what belongs to an owner; the loaders fetch those of all owners at once."""

    async def count() -> int:
        return await counts.load(owner) or 0

    column = page.order.column.key or ""
    return page.connection(
        await rows.load((owner, page)), node, lambda row: (getattr(row, column), row.id), count
    )
