"""Queries and mutations of the requests subgraph, and the hidden fields for sagas and the consistency check.

Mutations send commands to the bus.
"""

from functools import partial
from typing import Annotated
from uuid import UUID

import strawberry

from subgraphs.kit import checks
from subgraphs.kit.commands.status import CommandStatus, status_of
from subgraphs.kit.copies import digests_field, rows_field, verify_field, versions_field
from subgraphs.kit.errors import NotFound
from subgraphs.kit.graphql import Schema, field_with, for_role, for_users, object_type, resolver
from subgraphs.kit.history import as_of_field, history_field
from subgraphs.kit.idempotency_keys import ExpectedVersion, IdempotencyKey, RequiredKey, command_id_of
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.own_writes import await_known
from subgraphs.kit.pagination import After, Before, Connection, First, Last, Page
from subgraphs.kit.payloads import user_errors
from subgraphs.kit.vocabulary import RequestFilter, RequestOrder
from subgraphs.requests import messages, store
from subgraphs.requests.aggregates import BOOKINGS, ORIGINALS, REQUESTS
from subgraphs.requests.criteria import RequestCriteria
from subgraphs.requests.inputs import (
    ApplicationInput,
    ChangeApplicationInput,
    PublishRequestInput,
    UpdateRequestInput,
)
from subgraphs.requests.payloads import (
    ApplyToRequestPayload,
    ChangeApplicationPayload,
    PublishRequestPayload,
    RejectApplicationPayload,
    UpdateRequestPayload,
    WithdrawApplicationPayload,
)
from subgraphs.requests.step_fields import StepMutations
from subgraphs.requests.tables import REQUEST_ROWS
from subgraphs.requests.types import Application, Booking, Info, Musician, MusicianRequest, User

RequestId = Annotated[strawberry.ID, strawberry.argument(description="The request.")]


async def _own_request(info: Info, id: str) -> UUID:
    """Return the parsed id of a request.

    Raises NotFound, and Forbidden unless the caller is its client or admin.
    """
    request = await info.context.requests.load(checks.identifier(id, "id", "MusicianRequest"))
    if request is None:
        raise NotFound(f"There is no request with the id {id}")
    info.context.require_owner_or_admin(request.client_id)
    return request.id


async def _own_booking(info: Info, id: str) -> UUID:
    """Return the parsed id of a booking.

    Raises NotFound, and Forbidden unless the caller is its client, its musician or an admin.
    """
    booking = await Booking.load(info, checks.identifier(id, "id", "Booking"))
    if booking is None:
        raise NotFound(f"There is no booking with the id {id}")
    return UUID(booking.uuid)


@object_type()
class Query:
    """Queries about requests."""

    @resolver
    async def request(self, info: Info, id: strawberry.ID) -> MusicianRequest | None:
        """The request with this id; null if there is none."""
        key = uuid_of(id, "MusicianRequest")
        info.context.tag_reply("MusicianRequest", key)
        return await MusicianRequest.load(info, key)

    @for_users
    async def booking(self, info: Info, id: strawberry.ID) -> Booking | None:
        """The booking with this id; for its client, its musician and admins."""
        return await Booking.load(info, uuid_of(id, "Booking"))

    @for_users
    async def application(self, info: Info, id: strawberry.ID) -> Application | None:
        """The application with this id; for its musician, the client of the request and admins."""
        return await Application.load(info, uuid_of(id, "Application"))

    @field_with(inaccessible=True)
    async def stored_requests(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: RequestFilter | None = None,
        order_by: RequestOrder = RequestOrder.NEWEST,
    ) -> Connection[MusicianRequest] | None:
        """For the read side: the requests that fulfil a filter, while the read model cannot answer."""
        soonest = order_by is RequestOrder.SOONEST
        order = store.SOONEST_REQUESTS if soonest else store.NEWEST_REQUESTS
        page = Page.of(order, first, after, last, before)
        database, conditions = info.context.database, RequestCriteria.read(filter).conditions()
        return page.connection(
            await REQUEST_ROWS.page(database, page, conditions),
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
    async def request_command(self, info: Info, idempotency_key: RequiredKey) -> CommandStatus | None:
        """The status of a mutation of requests or applications that the caller has sent with a key."""
        return await status_of(info.context.database, info.context.require(), idempotency_key)

    copy_digests = digests_field(ORIGINALS)
    copy_versions = versions_field(ORIGINALS)
    copy_rows = rows_field(ORIGINALS)


@object_type()
class Mutation(StepMutations):
    """Mutations of requests, applications and bookings."""

    verify_rows = verify_field({"musician_request": REQUESTS, "booking": BOOKINGS})

    @for_role("client")
    @user_errors(PublishRequestPayload)
    async def publish_request(
        self, info: Info, input: PublishRequestInput, idempotency_key: IdempotencyKey = None
    ) -> PublishRequestPayload | None:
        """Publish a request for a musician; for clients."""
        by = info.context.require_role("client")
        command = input.read(by, info.context.database.clock.now())
        await info.context.skill_owner.check_known(command.required_skill_ids)
        request = await info.context.bus.handle(command, command_id_of(idempotency_key, by))
        return PublishRequestPayload(request=MusicianRequest.of(request))

    @for_users
    @user_errors(UpdateRequestPayload)
    async def update_request(
        self,
        info: Info,
        id: strawberry.ID,
        input: UpdateRequestInput,
        expected_version: ExpectedVersion = None,
        idempotency_key: IdempotencyKey = None,
    ) -> UpdateRequestPayload | None:
        """Change the caller's request, also its date and place, while it is open or in progress."""
        by = info.context.require()
        command = input.read(by, id, expected_version)
        await info.context.skill_owner.check_known(command.required_skill_ids or ())
        request = await info.context.bus.handle(command, command_id_of(idempotency_key, by))
        return UpdateRequestPayload(request=MusicianRequest.of(request))

    @for_role("musician")
    @user_errors(ApplyToRequestPayload)
    async def apply_to_request(
        self,
        info: Info,
        request_id: RequestId,
        input: ApplicationInput,
        idempotency_key: IdempotencyKey = None,
    ) -> ApplyToRequestPayload | None:
        """Apply to a request, or renew an application that was withdrawn; for musicians."""
        by = info.context.require_role("musician")
        await await_known(partial(store.musician_of_user, info.context.database, by.user_id), info.context)
        command = messages.ApplyToRequest(
            by=by,
            request_id=checks.identifier(request_id, "requestId", "MusicianRequest"),
            message=input.message,
            proposed_price=input.proposed_price.amount,
            currency=input.proposed_price.currency,
        )
        application = await info.context.bus.handle(command, command_id_of(idempotency_key, by))
        return ApplyToRequestPayload(application=Application.of(application))

    @for_users
    @user_errors(ChangeApplicationPayload)
    async def change_application(
        self,
        info: Info,
        id: strawberry.ID,
        input: ChangeApplicationInput,
        idempotency_key: IdempotencyKey = None,
    ) -> ChangeApplicationPayload | None:
        """Change the caller's application, while it is pending."""
        by, price = info.context.require(), input.proposed_price
        command = messages.ChangeApplication(
            by=by,
            application_id=checks.identifier(id, "id", "Application"),
            message=input.message,
            proposed_price=price.amount if price else None,
            currency=price.currency if price else None,
        )
        application = await info.context.bus.handle(command, command_id_of(idempotency_key, by))
        return ChangeApplicationPayload(application=Application.of(application))

    @for_users
    @user_errors(RejectApplicationPayload)
    async def reject_application(
        self, info: Info, id: strawberry.ID, idempotency_key: IdempotencyKey = None
    ) -> RejectApplicationPayload | None:
        """Reject an application to the caller's request."""
        by, key = info.context.require(), checks.identifier(id, "id", "Application")
        command = messages.RejectApplication(by=by, application_id=key)
        application = await info.context.bus.handle(command, command_id_of(idempotency_key, by))
        return RejectApplicationPayload(application=Application.of(application))

    @for_users
    @user_errors(WithdrawApplicationPayload)
    async def withdraw_application(
        self, info: Info, id: strawberry.ID, idempotency_key: IdempotencyKey = None
    ) -> WithdrawApplicationPayload | None:
        """Withdraw the caller's application."""
        by, key = info.context.require(), checks.identifier(id, "id", "Application")
        command = messages.WithdrawApplication(by=by, application_id=key)
        application = await info.context.bus.handle(command, command_id_of(idempotency_key, by))
        return WithdrawApplicationPayload(application=Application.of(application))


schema = Schema(Query, Mutation, types=[Application, Booking, Musician, MusicianRequest, User])
