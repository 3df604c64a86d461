"""The GraphQL types of the reviews subgraph.

The method `of` makes an object from a record; `resolve_reference` resolves the representation of an entity.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from subgraphs.kit.cache_hints import INHERITED, public
from subgraphs.kit.graphql import field_with, input_type, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.pagination import After, Before, Connection, First, Last, Page
from subgraphs.kit.payloads import Payload
from subgraphs.reviews.loaders import ReviewsContext
from subgraphs.reviews.model import Reputation, ReviewRecord
from subgraphs.reviews.store import NEWEST, ReviewCriteria

NIL = UUID(int=0)
"""The id of no object, for the lists of unknown ones."""
LowestRating = Annotated[
    int | None, strawberry.argument(description="Only reviews with at least this rating.")
]
Info = strawberry.Info[ReviewsContext, None]


@object_type(keys=["uuid"], cached=public(60))
class Review:
    """A client's review of a completed booking."""

    uuid: strawberry.ID
    rating: int = strawberry.field(description="Stars, 1 to 5.")
    text: str = strawberry.field(description="The client's text, which may be empty.")
    created_at: datetime = strawberry.field(description="When the review was published.")
    updated_at: datetime = strawberry.field(description="When the author last changed the review.")
    record: strawberry.Private[ReviewRecord]

    @field_with(cached=INHERITED)
    def booking(self) -> "Booking | None":
        """The reviewed booking; only its client, its musician and admins may see more of it than its id."""
        return Booking(uuid=strawberry.ID(str(self.record.booking_id)))

    @resolver
    def author(self) -> "User | None":
        """The client who wrote the review."""
        return User(uuid=strawberry.ID(str(self.record.author_id)))

    @resolver
    def musician(self) -> "Musician | None":
        """The reviewed musician."""
        return Musician(uuid=strawberry.ID(str(self.record.musician_id)))

    @classmethod
    async def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "Review | None":
        """Return the review with this id, None if there is none."""
        return await cls.load(info, uuid_of(uuid))

    @classmethod
    async def load(cls, info: Info, key: UUID | None) -> "Review | None":
        """Return the review with this UUID, None if there is none."""
        record = await info.context.reviews.load(key) if key else None
        return cls.of(record) if record else None

    @classmethod
    def of(cls, record: ReviewRecord) -> "Review":
        """Return the GraphQL object of a record."""
        return cls(
            uuid=strawberry.ID(str(record.id)),
            rating=record.rating,
            text=record.text,
            created_at=record.created_at,
            updated_at=record.updated_at,
            record=record,
        )


@object_type(keys=["uuid"])
class Musician:
    """A musician, with the reviews about them."""

    uuid: strawberry.ID

    @field_with(shareable=True)
    async def rating(self, info: Info) -> float | None:
        """The mean of all ratings, 1 to 5; null without reviews."""
        return (await self._reputation(info)).rating

    @field_with(shareable=True)
    async def total_reviews(self, info: Info) -> int | None:
        """The number of reviews."""
        return (await self._reputation(info)).total_reviews

    @field_with(cached=public(60))
    async def reviews(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        min_rating: LowestRating = None,
    ) -> Connection[Review] | None:
        """The reviews by clients, the newest first."""
        only = ReviewCriteria(min_rating)
        page = Page.of(NEWEST, first, after, last, before, only=only)

        async def count() -> int:
            return (await self._reputation(info)).total_reviews

        key, lists = uuid_of(self.uuid) or NIL, info.context.lists_of_musicians
        return await lists.connection(key, page, Review.of, count if min_rating is None else None)

    async def _reputation(self, info: Info) -> Reputation:
        musician_id = uuid_of(self.uuid)
        found = await info.context.reputations.load(musician_id) if musician_id else None
        return found or Reputation(0, 0)

    @classmethod
    def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "Musician":
        """Return the musician with this id, without a check that it exists: the musicians service does it."""
        return cls(uuid=uuid)


@object_type(keys=["uuid"])
class Booking:
    """A booking, with its review."""

    uuid: strawberry.ID

    @resolver
    async def review(self, info: Info) -> Review | None:
        """The client's review; null if there is none."""
        booking_id = uuid_of(self.uuid)
        record = await info.context.reviews_of_bookings.load(booking_id) if booking_id else None
        return Review.of(record) if record else None

    @classmethod
    def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "Booking":
        """Return the booking with this id, without a check that it exists: the requests service does it."""
        return cls(uuid=uuid)


@object_type(keys=["uuid"])
class User:
    """A user, with the reviews that they wrote."""

    uuid: strawberry.ID

    @field_with(cached=public(60))
    async def reviews_written(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Review] | None:
        """The user's reviews of musicians, the newest first."""
        page = Page.of(NEWEST, first, after, last, before)
        return await info.context.lists_of_authors.connection(uuid_of(self.uuid) or NIL, page, Review.of)

    @classmethod
    def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "User":
        """Return the user with this id, without a check that it exists: the users service does it."""
        return cls(uuid=uuid)


@input_type
class RateBookingInput:
    """A new review of a booking."""

    booking_id: strawberry.ID = strawberry.field(
        description="A completed booking of the caller that has no review."
    )
    rating: int = strawberry.field(description="Stars, 1 to 5.")
    text: str | None = strawberry.field(default=None, description="A text of up to 2,000 characters.")


@input_type
class EditReviewInput:
    """Changes of a review; an absent field is not changed."""

    rating: int | None = strawberry.field(default=None, description="Stars, 1 to 5.")
    text: str | None = strawberry.field(default=None, description="A text of up to 2,000 characters.")


@object_type()
class RateBookingPayload(Payload):
    """The result of `rateBooking`."""

    review: Review | None = strawberry.field(default=None, description="The published review.")


@object_type()
class EditReviewPayload(Payload):
    """The result of `editReview`."""

    review: Review | None = strawberry.field(default=None, description="The changed review.")
