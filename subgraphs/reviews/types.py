"""The types of the reviews subgraph."""

from datetime import datetime

import strawberry

from subgraphs.kit.graphql import input_type, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.pagination import DEFAULT_FIRST, After, Connection, Count, First, Page
from subgraphs.reviews.loaders import ReviewsContext
from subgraphs.reviews.model import Reputation, ReviewRecord
from subgraphs.reviews.store import NEWEST

Info = strawberry.Info[ReviewsContext, None]


@object_type(keys=["id"])
class Review:
    """What the client of a booking said about it afterwards."""

    id: strawberry.ID = strawberry.field(description="The review's id.")
    rating: int = strawberry.field(description="Stars, 1 to 5.")
    text: str = strawberry.field(description="What the client wrote; may be empty.")
    created_at: datetime = strawberry.field(description="When it was published.")
    record: strawberry.Private[ReviewRecord]

    @resolver
    def booking(self) -> "Booking | None":
        """The booking it is about; only those who took part see more of it than its id."""
        return Booking(id=strawberry.ID(str(self.record.booking_id)))

    @resolver
    def author(self) -> "User | None":
        """The client who wrote it."""
        return User(id=strawberry.ID(str(self.record.author_id)))

    @resolver
    def musician(self) -> "Musician | None":
        """The musician it is about."""
        return Musician(id=strawberry.ID(str(self.record.musician_id)))

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Review | None":
        """The review of a representation; null when there is none."""
        review_id = uuid_of(id)
        record = await info.context.reviews.load(review_id) if review_id else None
        return cls.of(record) if record else None

    @classmethod
    def of(cls, record: ReviewRecord) -> "Review":
        """The type of a record."""
        return cls(
            id=strawberry.ID(str(record.id)),
            rating=record.rating,
            text=record.text,
            created_at=record.created_at,
            record=record,
        )


def connection(page: Page, records: list[ReviewRecord], count: Count) -> Connection[Review]:
    """A connection over the records of a page of reviews."""
    return page.connection(records, Review.of, lambda record: (record.created_at, record.id), count)


@object_type(keys=["id"])
class Musician:
    """A musician, as far as reviews go."""

    id: strawberry.ID = strawberry.field(description="The musician's id.")

    @resolver
    async def rating(self, info: Info) -> float | None:
        """The mean of all ratings, 1 to 5; null without reviews."""
        return (await self._reputation(info)).rating

    @resolver
    async def total_reviews(self, info: Info) -> int | None:
        """How many reviews there are."""
        return (await self._reputation(info)).total_reviews

    @resolver
    async def reviews(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> Connection[Review] | None:
        """What clients said, newest first."""
        page, musician_id = Page.of(NEWEST, first, after), uuid_of(self.id)
        records = await info.context.pages_of_musicians.load((musician_id, page)) if musician_id else []

        async def count() -> int:
            return (await self._reputation(info)).total_reviews

        return connection(page, records, count)

    async def _reputation(self, info: Info) -> Reputation:
        musician_id = uuid_of(self.id)
        found = await info.context.reputations.load(musician_id) if musician_id else None
        return found or Reputation(0, 0)

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Musician":
        """The musician of a representation; whether there is one, the musicians service knows."""
        return cls(id=id)


@object_type(keys=["id"])
class Booking:
    """A booking, as far as reviews go."""

    id: strawberry.ID = strawberry.field(description="The booking's id.")

    @resolver
    async def review(self, info: Info) -> Review | None:
        """What its client said about it, if anything."""
        booking_id = uuid_of(self.id)
        record = await info.context.reviews_of_bookings.load(booking_id) if booking_id else None
        return Review.of(record) if record else None

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Booking":
        """The booking of a representation; whether there is one, the requests service knows."""
        return cls(id=id)


@object_type(keys=["id"])
class User:
    """A user, as far as reviews go."""

    id: strawberry.ID = strawberry.field(description="The user's id.")

    @resolver
    async def reviews_written(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> Connection[Review] | None:
        """What they said about musicians, newest first."""
        page, author_id = Page.of(NEWEST, first, after), uuid_of(self.id)
        records = await info.context.pages_of_authors.load((author_id, page)) if author_id else []

        async def count() -> int:
            return (await info.context.counts_of_authors.load(author_id) if author_id else None) or 0

        return connection(page, records, count)

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> "User":
        """The user of a representation; whether there is one, the users service knows."""
        return cls(id=id)


@input_type
class RateBookingInput:
    """What to say about a booking."""

    booking_id: strawberry.ID = strawberry.field(
        description="One's own booking, completed and not yet rated."
    )
    rating: int = strawberry.field(description="Stars, 1 to 5.")
    text: str | None = strawberry.field(default=None, description="Up to 2,000 characters.")
