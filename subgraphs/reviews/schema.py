"""Queries and mutations of the reviews subgraph; the mutation sends a command to the bus."""

from functools import partial

import strawberry

from subgraphs.kit import checks
from subgraphs.kit.cache_hints import public
from subgraphs.kit.commands.status import CommandStatus, status_of
from subgraphs.kit.graphql import Schema, field_with, for_users, object_type, resolver
from subgraphs.kit.idempotency_keys import IdempotencyKey, RequiredKey, command_id_of
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.own_writes import await_known
from subgraphs.kit.pagination import After, Before, Connection, First, Last, Page
from subgraphs.kit.payloads import user_errors
from subgraphs.reviews import store
from subgraphs.reviews.messages import EditReview, RateBooking
from subgraphs.reviews.tables import REVIEW_ROWS
from subgraphs.reviews.types import (
    Booking,
    EditReviewInput,
    EditReviewPayload,
    Info,
    Musician,
    RateBookingInput,
    RateBookingPayload,
    Review,
    User,
)


@object_type()
class Query:
    """Queries about reviews."""

    @resolver
    async def review(self, info: Info, id: strawberry.ID) -> Review | None:
        """The review with this id; null if there is none."""
        key = uuid_of(id, "Review")
        info.context.tag_reply("Review", key)
        return await Review.load(info, key)

    @field_with(cached=public(30), cache_tags=("reviews",))
    async def latest_reviews(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Review] | None:
        """All reviews, the newest first."""
        page, database = Page.of(store.NEWEST, first, after, last, before), info.context.database
        return page.connection(
            await REVIEW_ROWS.page(database, page),
            Review.of,
            lambda record: (record.created_at, record.id),
            lambda: store.count_reviews(database),
        )

    @for_users
    async def review_command(self, info: Info, idempotency_key: RequiredKey) -> CommandStatus | None:
        """The status of a mutation of reviews that the caller has sent with an idempotency key."""
        return await status_of(info.context.database, info.context.require(), idempotency_key)


@object_type()
class Mutation:
    """Mutations of reviews."""

    @for_users
    @user_errors(RateBookingPayload)
    async def rate_booking(
        self, info: Info, input: RateBookingInput, idempotency_key: IdempotencyKey = None
    ) -> RateBookingPayload | None:
        """Rate a completed and paid booking; only its client may, once."""
        by, booking_id = info.context.require(), checks.identifier(input.booking_id, "bookingId", "Booking")
        await await_known(partial(store.reviewable_booking, info.context.database, booking_id), info.context)
        command = RateBooking(by.user_id, booking_id, input.rating, input.text)
        review = await info.context.bus.handle(command, command_id_of(idempotency_key, by))
        return RateBookingPayload(review=Review.of(review))

    @for_users
    @user_errors(EditReviewPayload)
    async def edit_review(
        self,
        info: Info,
        id: strawberry.ID,
        input: EditReviewInput,
        idempotency_key: IdempotencyKey = None,
    ) -> EditReviewPayload | None:
        """Change the caller's review, within a day of its publication."""
        by = info.context.require()
        command = EditReview(by.user_id, checks.identifier(id, "id", "Review"), input.rating, input.text)
        review = await info.context.bus.handle(command, command_id_of(idempotency_key, by))
        return EditReviewPayload(review=Review.of(review))


schema = Schema(Query, Mutation, types=[Musician, Booking, User])
