"""Queries and mutations of the reviews subgraph; the mutation sends a command to the bus."""

from functools import partial

import strawberry

from subgraphs.kit import checks
from subgraphs.kit.commands.status import CommandId, CommandStatus, command_id_of, status_of
from subgraphs.kit.graphql import Schema, for_users, object_type, resolver
from subgraphs.kit.own_writes import await_known
from subgraphs.kit.pagination import DEFAULT_FIRST, After, Connection, First, Page
from subgraphs.reviews import store
from subgraphs.reviews.messages import RateBooking
from subgraphs.reviews.tables import REVIEW_ROWS
from subgraphs.reviews.types import Booking, Info, Musician, RateBookingInput, Review, User, connection


@object_type()
class Query:
    """Queries about reviews."""

    @resolver
    async def review(self, info: Info, id: strawberry.ID) -> Review | None:
        """The review with this id; null if there is none."""
        return await Review.resolve_reference(info, id)

    @resolver
    async def latest_reviews(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> Connection[Review] | None:
        """All reviews, the newest first."""
        page, database = Page.of(store.NEWEST, first, after), info.context.database
        return connection(page, await REVIEW_ROWS.page(database, page), lambda: store.count_reviews(database))

    @for_users
    async def review_command(self, info: Info, id: strawberry.ID) -> CommandStatus | None:
        """The status of a command that the caller has sent to the reviews service."""
        return await status_of(info.context.database, info.context.require(), id)


@object_type()
class Mutation:
    """Mutations of reviews."""

    @for_users
    async def rate_booking(
        self, info: Info, input: RateBookingInput, command_id: CommandId = None
    ) -> Review | None:
        """Rate a completed and paid booking; only its client may, once."""
        author_id, booking_id = (
            info.context.require().user_id,
            checks.identifier(input.booking_id, "bookingId"),
        )
        await await_known(partial(store.reviewable_booking, info.context.database, booking_id), info.context)
        command = RateBooking(author_id, booking_id, input.rating, input.text)
        return Review.of(await info.context.bus.handle(command, command_id_of(command_id)))


schema = Schema(Query, Mutation, types=[Musician, Booking, User])
