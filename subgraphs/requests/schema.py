"""Queries and mutations of the requests subgraph, and the hidden fields for sagas and the consistency check.

Mutations send commands to the bus.
"""

from decimal import Decimal
from functools import partial
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from subgraphs.kit import checks
from subgraphs.kit.commands.status import CommandId, CommandStatus, command_id_of, status_of
from subgraphs.kit.copies import digests_field, rows_field, verify_field, versions_field
from subgraphs.kit.errors import BadUserInput, NotFound
from subgraphs.kit.graphql import Schema, for_role, for_users, object_type, resolver
from subgraphs.kit.history import as_of_field, history_field
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.own_writes import await_known
from subgraphs.kit.pagination import DEFAULT_FIRST, After, Connection, First, Page
from subgraphs.kit.steps import StepOrder, run_step, step_field
from subgraphs.requests import messages, steps, store
from subgraphs.requests.aggregates import BOOKINGS, ORIGINALS, REQUESTS
from subgraphs.requests.enums import RequestOrder
from subgraphs.requests.inputs import (
    ApplicationInput,
    PublishRequestInput,
    RequestFilterInput,
    UpdateRequestInput,
)
from subgraphs.requests.tables import REQUEST_ROWS
from subgraphs.requests.types import Application, Booking, Info, Musician, MusicianRequest, User


async def _own_request(info: Info, id: str) -> UUID:
    """Return the parsed id of a request.

    Raises NotFound, and Forbidden unless the caller is its client or admin.
    """
    request = await info.context.requests.load(checks.identifier(id, "id"))
    if request is None:
        raise NotFound(f"There is no request with the id {id}")
    info.context.require_owner_or_admin(request.client_id)
    return request.id


async def _own_booking(info: Info, id: str) -> UUID:
    """Return the parsed id of a booking.

    Raises NotFound, and Forbidden unless the caller is its client, its musician or an admin.
    """
    booking = await Booking.load(info, checks.identifier(id, "id"))
    if booking is None:
        raise NotFound(f"There is no booking with the id {id}")
    return UUID(booking.id)


@object_type()
class Query:
    """Queries about requests."""

    @resolver
    async def request(self, info: Info, id: strawberry.ID) -> MusicianRequest | None:
        """The request with this id; null if there is none."""
        return await MusicianRequest.load(info, uuid_of(id))

    @for_users
    async def booking(self, info: Info, id: strawberry.ID) -> Booking | None:
        """The booking with this id; for its client, its musician and admins."""
        return await Booking.load(info, uuid_of(id))

    @for_users
    async def application(self, info: Info, id: strawberry.ID) -> Application | None:
        """The application with this id; for its musician, the client of the request and admins."""
        return await Application.load(info, uuid_of(id))

    @resolver
    async def requests(
        self,
        info: Info,
        first: First = DEFAULT_FIRST,
        after: After = None,
        filter: RequestFilterInput | None = None,
        order_by: RequestOrder = RequestOrder.NEWEST,
    ) -> Connection[MusicianRequest] | None:
        """The requests that fulfil a filter, in pages."""
        soonest = order_by is RequestOrder.SOONEST
        page = Page.of(store.SOONEST_REQUESTS if soonest else store.NEWEST_REQUESTS, first, after)
        conditions = (filter or RequestFilterInput()).read().conditions()
        database = info.context.database
        found = await REQUEST_ROWS.page(database, page, conditions)
        return page.connection(
            found,
            MusicianRequest.of,
            lambda record: (record.starts_at if soonest else record.created_at, record.id),
            lambda: REQUEST_ROWS.count(database, conditions),
        )

    request_history = history_field(
        REQUESTS, _own_request, "All changes of a request, the newest first; for its client and admins."
    )

    request_as_of = as_of_field(
        REQUESTS,
        _own_request,
        "The state of a request at a version or time, by default the newest; for its client and admins.",
    )

    booking_history = history_field(
        BOOKINGS,
        _own_booking,
        "All changes of a booking, the newest first; for its client, its musician and admins.",
    )

    booking_as_of = as_of_field(
        BOOKINGS,
        _own_booking,
        "The state of a booking at a version or time, by default the newest; for its parties and admins.",
    )

    @for_users
    async def request_command(self, info: Info, id: strawberry.ID) -> CommandStatus | None:
        """The status of a command about requests, applications or bookings that the caller has sent."""
        return await status_of(info.context.database, info.context.require(), id)

    copy_digests = digests_field(ORIGINALS)
    copy_versions = versions_field(ORIGINALS)
    copy_rows = rows_field(ORIGINALS)


@object_type()
class Mutation:
    """Mutations of requests, applications and bookings."""

    verify_rows = verify_field({"musician_request": REQUESTS, "booking": BOOKINGS})

    @for_role("client")
    async def publish_request(
        self, info: Info, input: PublishRequestInput, command_id: CommandId = None
    ) -> MusicianRequest | None:
        """Publish a request for a musician; for clients."""
        by = info.context.require_role("client")
        return MusicianRequest.of(await info.context.bus.handle(input.read(by), command_id_of(command_id)))

    @for_users
    async def update_request(
        self, info: Info, id: strawberry.ID, input: UpdateRequestInput, command_id: CommandId = None
    ) -> MusicianRequest | None:
        """Change the caller's request, which must not have a booking."""
        command = input.read(info.context.require(), id)
        return MusicianRequest.of(await info.context.bus.handle(command, command_id_of(command_id)))

    @for_role("musician")
    async def apply_to_request(
        self, info: Info, request_id: strawberry.ID, input: ApplicationInput, command_id: CommandId = None
    ) -> Application | None:
        """Apply to a request, or renew an application that was withdrawn; for musicians."""
        by = info.context.require_role("musician")
        await await_known(partial(store.musician_of_user, info.context.database, by.user_id), info.context)
        command = messages.ApplyToRequest(
            by=by,
            request_id=checks.identifier(request_id, "requestId"),
            message=input.message,
            proposed_price=input.proposed_price,
        )
        return Application.of(await info.context.bus.handle(command, command_id_of(command_id)))

    @for_users
    async def reject_application(
        self, info: Info, id: strawberry.ID, command_id: CommandId = None
    ) -> Application | None:
        """Reject an application to the caller's request."""
        application_id = checks.identifier(id, "id")
        command = messages.RejectApplication(by=info.context.require(), application_id=application_id)
        return Application.of(await info.context.bus.handle(command, command_id_of(command_id)))

    @for_users
    async def withdraw_application(
        self, info: Info, id: strawberry.ID, command_id: CommandId = None
    ) -> Application | None:
        """Withdraw the caller's application."""
        application_id = checks.identifier(id, "id")
        command = messages.WithdrawApplication(by=info.context.require(), application_id=application_id)
        return Application.of(await info.context.bus.handle(command, command_id_of(command_id)))

    @step_field
    async def update_status(
        self,
        info: Info,
        order: StepOrder,
        request_id: strawberry.ID,
        client_id: strawberry.ID,
        musician_id: strawberry.ID,
        price: Decimal | None,
        accept_outside_budget: bool,
    ) -> JSON | None:
        """Step of a saga: offer a client's request to a musician, or undo that."""
        known = partial(store.user_of_musician, info.context.database)
        await await_known(partial(known, checks.identifier(musician_id, "musicianId")), info.context)
        given = {
            "requestId": _id(request_id, "requestId"),
            "clientId": _id(client_id, "clientId"),
            "musicianId": _id(musician_id, "musicianId"),
            "price": None if price is None else str(price),
            "acceptOutsideBudget": accept_outside_budget,
        }
        assign = partial(steps.assign, max_offers=info.context.max_offers)
        return await run_step(info.context, order, given, assign, steps.unassign)

    @step_field
    async def offer_booking(self, info: Info, order: StepOrder, booking_id: strawberry.ID) -> JSON | None:
        """Step of a saga: let the musician confirm a booking, whose price is in escrow."""
        given = {"bookingId": _id(booking_id, "bookingId")}
        return await run_step(info.context, order, given, steps.offer, steps.restore)

    @step_field
    async def settle_booking(
        self, info: Info, order: StepOrder, booking_id: strawberry.ID, by_user_id: strawberry.ID
    ) -> JSON | None:
        """Step of a saga: confirm a booking for its musician, or undo that."""
        given = {"bookingId": _id(booking_id, "bookingId"), "byUserId": _id(by_user_id, "byUserId")}
        return await run_step(info.context, order, given, steps.confirm, steps.restore)

    @step_field
    async def finish_booking(
        self, info: Info, order: StepOrder, booking_id: strawberry.ID, by_user_id: strawberry.ID | None
    ) -> JSON | None:
        """Step of a saga: complete a booking for its client, or because nobody has objected in time; or undo
        that.
        """
        by = None if by_user_id is None else _id(by_user_id, "byUserId")
        given = {"bookingId": _id(booking_id, "bookingId"), "byUserId": by}
        return await run_step(info.context, order, given, steps.complete, steps.restore)

    @step_field
    async def dispute_booking(
        self,
        info: Info,
        order: StepOrder,
        booking_id: strawberry.ID,
        by_user_id: strawberry.ID,
        reason: str,
    ) -> JSON | None:
        """Step of a saga: object to the payout of a booking for one of its parties, or undo that."""
        given = {
            "bookingId": _id(booking_id, "bookingId"),
            "byUserId": _id(by_user_id, "byUserId"),
            "reason": checks.text(reason, "reason", 500),
        }
        return await run_step(info.context, order, given, steps.object_to, steps.restore)

    @step_field
    async def decide_booking(
        self, info: Info, order: StepOrder, booking_id: strawberry.ID, percent: int
    ) -> JSON | None:
        """Step of a saga: settle a booking to which a party objects, or undo that."""
        given = {
            "bookingId": _id(booking_id, "bookingId"),
            "percent": checks.whole(percent, "percent", 0, 100),
        }
        return await run_step(info.context, order, given, steps.decide, steps.restore)

    @step_field
    async def call_off_booking(
        self,
        info: Info,
        order: StepOrder,
        booking_id: strawberry.ID | None,
        request_id: strawberry.ID | None,
        by_user_id: strawberry.ID,
    ) -> JSON | None:
        """Step of a saga: cancel a booking, or a request with its booking, for a party; or undo that."""
        if (booking_id is None) is (request_id is None):
            raise BadUserInput("Expected either 'bookingId' or 'requestId'", "bookingId")
        given = {
            "bookingId": None if booking_id is None else _id(booking_id, "bookingId"),
            "requestId": None if request_id is None else _id(request_id, "requestId"),
            "byUserId": _id(by_user_id, "byUserId"),
        }
        return await run_step(info.context, order, given, steps.cancel, steps.restore)

    @step_field
    async def expire_booking(self, info: Info, order: StepOrder, booking_id: strawberry.ID) -> JSON | None:
        """Step of a saga: cancel an offer that was not answered in time, or undo that."""
        given = {"bookingId": _id(booking_id, "bookingId")}
        return await run_step(info.context, order, given, steps.expire, steps.restore)

    @step_field
    async def end_account(self, info: Info, order: StepOrder, user_id: strawberry.ID) -> JSON | None:
        """Step of a saga: end the applications and requests of a closed account."""
        given = {"userId": _id(user_id, "userId")}
        return await run_step(info.context, order, given, steps.close_account, steps.unclose)


def _id(value: str, field: str) -> str:
    return str(checks.identifier(value, field))


schema = Schema(Query, Mutation, types=[Application, Booking, Musician, MusicianRequest, User])
