"""The GraphQL types of the reviews subgraph.

The method `of` makes an object from a record; `resolve_reference` resolves the representation of an entity.
"""

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
    """A client's review of a completed booking."""

    id: strawberry.ID = strawberry.field(description="The review's id.")
    rating: int = strawberry.field(description="Stars, 1 to 5.")
    text: str = strawberry.field(description="The client's text, which may be empty.")
    created_at: datetime = strawberry.field(description="When the review was published.")
    record: strawberry.Private[ReviewRecord]

    @resolver
    def booking(self) -> "Booking | None":
        """The reviewed booking; only its client, its musician and admins may see more of it than its id."""
        return Booking(id=strawberry.ID(str(self.record.booking_id)))

    @resolver
    def author(self) -> "User | None":
        """The client who wrote the review."""
        return User(id=strawberry.ID(str(self.record.author_id)))

    @resolver
    def musician(self) -> "Musician | None":
        """The reviewed musician."""
        return Musician(id=strawberry.ID(str(self.record.musician_id)))

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Review | None":
        """Return the review with this id, None if there is none."""
        review_id = uuid_of(id)
        record = await info.context.reviews.load(review_id) if review_id else None
        return cls.of(record) if record else None

    @classmethod
    def of(cls, record: ReviewRecord) -> "Review":
        """Return the GraphQL object of a record."""
        return cls(
            id=strawberry.ID(str(record.id)),
            rating=record.rating,
            text=record.text,
            created_at=record.created_at,
            record=record,
        )


def connection(page: Page, records: list[ReviewRecord], count: Count) -> Connection[Review]:
    """Return the connection for the records of a page; `count` returns the number of all reviews of
    the list.
    """
    return page.connection(records, Review.of, lambda record: (record.created_at, record.id), count)


@object_type(keys=["id"])
class Musician:
    """A musician, with the reviews about them."""

    id: strawberry.ID = strawberry.field(description="The musician's id.")

    @resolver
    async def rating(self, info: Info) -> float | None:
        """The mean of all ratings, 1 to 5; null without reviews."""
        return (await self._reputation(info)).rating

    @resolver
    async def total_reviews(self, info: Info) -> int | None:
        """The number of reviews."""
        return (await self._reputation(info)).total_reviews

    @resolver
    async def reviews(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> Connection[Review] | None:
        """The reviews by clients, the newest first."""
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
        """Return the musician with this id, without a check that it exists: the musicians service does it."""
        return cls(id=id)


@object_type(keys=["id"])
class Booking:
    """A booking, with its review."""

    id: strawberry.ID = strawberry.field(description="The booking's id.")

    @resolver
    async def review(self, info: Info) -> Review | None:
        """The client's review; null if there is none."""
        booking_id = uuid_of(self.id)
        record = await info.context.reviews_of_bookings.load(booking_id) if booking_id else None
        return Review.of(record) if record else None

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Booking":
        """Return the booking with this id, without a check that it exists: the requests service does it."""
        return cls(id=id)


@object_type(keys=["id"])
class User:
    """A user, with the reviews that they wrote."""

    id: strawberry.ID = strawberry.field(description="The user's id.")

    @resolver
    async def reviews_written(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> Connection[Review] | None:
        """The user's reviews of musicians, the newest first."""
        page, author_id = Page.of(NEWEST, first, after), uuid_of(self.id)
        records = await info.context.pages_of_authors.load((author_id, page)) if author_id else []

        async def count() -> int:
            return (await info.context.counts_of_authors.load(author_id) if author_id else None) or 0

        return connection(page, records, count)

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> "User":
        """Return the user with this id, without a check that it exists: the users service does it."""
        return cls(id=id)


@input_type
class RateBookingInput:
    """A new review of a booking."""

    booking_id: strawberry.ID = strawberry.field(
        description="A completed booking of the caller that has no review."
    )
    rating: int = strawberry.field(description="Stars, 1 to 5.")
    text: str | None = strawberry.field(default=None, description="A text of up to 2,000 characters.")
