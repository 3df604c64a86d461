"""Queries and mutations of the requests subgraph."""

from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from subgraphs.kit import checks
from subgraphs.kit.commands.status import CommandId, CommandStatus, command_id_of, status_of
from subgraphs.kit.copies import digests_field, rows_field, verify_field, versions_field
from subgraphs.kit.errors import NotFound
from subgraphs.kit.graphql import Schema, field_with, object_type, resolver
from subgraphs.kit.history import as_of_field, history_field
from subgraphs.kit.loaders import uuid_of
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
from subgraphs.requests.types import Application, Booking, Info, Musician, MusicianRequest, User


async def _own_request(info: Info, id: str) -> UUID:
    """The id of a request that the caller has made; admins see all."""
    row = await info.context.requests.load(checks.identifier(id, "id"))
    if row is None:
        raise NotFound("There is no such request")
    info.context.require_owner_or_admin(row.client_id)
    return UUID(str(row.id))


async def _own_booking(info: Info, id: str) -> UUID:
    """The id of a booking that the caller is in; admins see all."""
    found = await Booking.load(info, checks.identifier(id, "id"))
    if found is None:
        raise NotFound("There is no such booking")
    return UUID(found.id)


@object_type()
class Query:
    """Queries about requests."""

    @resolver
    async def request(self, info: Info, id: strawberry.ID) -> MusicianRequest | None:
        """The request with this id; null if there is none."""
        return await MusicianRequest.load(info, uuid_of(id))

    @resolver
    async def booking(self, info: Info, id: strawberry.ID) -> Booking | None:
        """One booking, for the client and the musician in it."""
        return await Booking.load(info, uuid_of(id))

    @resolver
    async def application(self, info: Info, id: strawberry.ID) -> Application | None:
        """One application, for the musician and the client of the request."""
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
        """Requests that pass a filter."""
        soonest = order_by is RequestOrder.SOONEST
        page = Page.of(store.SOONEST_REQUESTS if soonest else store.NEWEST_REQUESTS, first, after)
        wanted = (filter or RequestFilterInput()).read()
        database = info.context.database
        rows = await store.list_requests(database, wanted, page)
        return page.connection(
            rows,
            MusicianRequest.of,
            lambda row: (row.starts_at if soonest else row.created_at, row.id),
            lambda: store.count_requests(database, wanted),
        )

    request_history = history_field(
        REQUESTS, _own_request, "Every change of a request, newest first, for its client."
    )

    request_as_of = as_of_field(
        REQUESTS, _own_request, "What a request was after a version or at a time, for its client."
    )

    booking_history = history_field(
        BOOKINGS,
        _own_booking,
        "Every change of a booking, newest first, for the client and the musician in it.",
    )

    booking_as_of = as_of_field(
        BOOKINGS,
        _own_booking,
        "What a booking was after a version or at a time, for the two who are in it.",
    )

    @resolver
    async def request_command(self, info: Info, id: strawberry.ID) -> CommandStatus | None:
        """How far a command of the caller's about requests and bookings is."""
        return await status_of(info.context.database, info.context.require(), id)

    copy_digests = digests_field(ORIGINALS)
    copy_versions = versions_field(ORIGINALS)
    copy_rows = rows_field(ORIGINALS)


@object_type()
class Mutation:
    """What can be done with requests, applications and bookings."""

    verify_rows = verify_field({"musician_request": REQUESTS, "booking": BOOKINGS})

    @resolver
    async def publish_request(
        self, info: Info, input: PublishRequestInput, command_id: CommandId = None
    ) -> MusicianRequest | None:
        """Look for a musician; for clients."""
        by = info.context.require_role("client")
        return MusicianRequest.of(await info.context.bus.handle(input.read(by), command_id_of(command_id)))

    @resolver
    async def update_request(
        self, info: Info, id: strawberry.ID, input: UpdateRequestInput, command_id: CommandId = None
    ) -> MusicianRequest | None:
        """Change a request of one's own that nobody is booked for."""
        command = input.read(info.context.require(), id)
        return MusicianRequest.of(await info.context.bus.handle(command, command_id_of(command_id)))

    @resolver
    async def cancel_request(
        self, info: Info, id: strawberry.ID, command_id: CommandId = None
    ) -> MusicianRequest | None:
        """Withdraw a request of one's own, and with it its booking."""
        request_id = checks.identifier(id, "id")
        command = messages.CancelRequest(by=info.context.require(), request_id=request_id)
        return MusicianRequest.of(await info.context.bus.handle(command, command_id_of(command_id)))

    @resolver
    async def apply_to_request(
        self, info: Info, request_id: strawberry.ID, input: ApplicationInput, command_id: CommandId = None
    ) -> Application | None:
        """Offer to play; for musicians, once a request."""
        command = messages.ApplyToRequest(
            by=info.context.require_role("musician"),
            request_id=checks.identifier(request_id, "requestId"),
            message=input.message,
            proposed_price=input.proposed_price,
        )
        return Application.of(await info.context.bus.handle(command, command_id_of(command_id)))

    @field_with(deprecation_reason="Books without payment and calendar: use assignMusician.")
    async def accept_application(
        self, info: Info, id: strawberry.ID, command_id: CommandId = None
    ) -> Booking | None:
        """Choose a musician for a request of one's own; the booking then waits for the musician's word."""
        application_id = checks.identifier(id, "id")
        command = messages.AcceptApplication(by=info.context.require(), application_id=application_id)
        return Booking.of(await info.context.bus.handle(command, command_id_of(command_id)))

    @resolver
    async def reject_application(
        self, info: Info, id: strawberry.ID, command_id: CommandId = None
    ) -> Application | None:
        """Turn a musician down."""
        application_id = checks.identifier(id, "id")
        command = messages.RejectApplication(by=info.context.require(), application_id=application_id)
        return Application.of(await info.context.bus.handle(command, command_id_of(command_id)))

    @resolver
    async def withdraw_application(
        self, info: Info, id: strawberry.ID, command_id: CommandId = None
    ) -> Application | None:
        """Take an application of one's own back."""
        application_id = checks.identifier(id, "id")
        command = messages.WithdrawApplication(by=info.context.require(), application_id=application_id)
        return Application.of(await info.context.bus.handle(command, command_id_of(command_id)))

    @field_with(deprecation_reason="Confirms without payment: use confirmAndPay.")
    async def confirm_booking(
        self, info: Info, id: strawberry.ID, command_id: CommandId = None
    ) -> Booking | None:
        """Agree to a booking; for its musician."""
        return await _on_booking(info, messages.ConfirmBooking, id, command_id)

    @resolver
    async def complete_booking(
        self, info: Info, id: strawberry.ID, command_id: CommandId = None
    ) -> Booking | None:
        """Say that the event took place, once it is over; for its client and its musician."""
        return await _on_booking(info, messages.CompleteBooking, id, command_id)

    @field_with(
        deprecation_reason="Cancels without refund and leaves the calendar as it is: use cancelAndRefund."
    )
    async def cancel_booking(
        self, info: Info, id: strawberry.ID, command_id: CommandId = None
    ) -> Booking | None:
        """Cancel a booking; the request then looks for somebody again. For its client and its musician."""
        return await _on_booking(info, messages.CancelBooking, id, command_id)

    @step_field
    async def update_status(
        self,
        info: Info,
        order: StepOrder,
        request_id: strawberry.ID,
        client_id: strawberry.ID,
        musician_id: strawberry.ID,
    ) -> JSON | None:
        """Assign a musician to a client's request, or take that back."""
        given = {
            "requestId": str(checks.identifier(request_id, "requestId")),
            "clientId": str(checks.identifier(client_id, "clientId")),
            "musicianId": str(checks.identifier(musician_id, "musicianId")),
        }
        return await run_step(info.context, order, given, steps.assign, steps.unassign)

    @step_field
    async def settle_booking(
        self, info: Info, order: StepOrder, booking_id: strawberry.ID, by_user_id: strawberry.ID
    ) -> JSON | None:
        """Confirm a booking for one of its parties, or take that back."""
        return await run_step(
            info.context, order, _party(booking_id, by_user_id), steps.confirm, steps.unconfirm
        )

    @step_field
    async def call_off_booking(
        self, info: Info, order: StepOrder, booking_id: strawberry.ID, by_user_id: strawberry.ID
    ) -> JSON | None:
        """Cancel a booking with its request for one of its parties, or take that back."""
        return await run_step(
            info.context, order, _party(booking_id, by_user_id), steps.cancel, steps.uncancel
        )


def _party(booking_id: str, by_user_id: str) -> dict[str, str]:
    return {
        "bookingId": str(checks.identifier(booking_id, "bookingId")),
        "byUserId": str(checks.identifier(by_user_id, "byUserId")),
    }


_BookingOrder = type[messages.ConfirmBooking] | type[messages.CompleteBooking] | type[messages.CancelBooking]


async def _on_booking(info: Info, order: _BookingOrder, id: str, command_id: str | None) -> Booking:
    command = order(by=info.context.require(), booking_id=checks.identifier(id, "id"))
    return Booking.of(await info.context.bus.handle(command, command_id_of(command_id)))


schema = Schema(Query, Mutation, types=[Application, Booking, Musician, MusicianRequest, User])
