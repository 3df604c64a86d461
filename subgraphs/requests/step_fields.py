"""The hidden mutations of the requests subgraph: the steps of sagas, which `orchestration` calls."""

from decimal import Decimal
from functools import partial

import strawberry
from strawberry.scalars import JSON

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.own_writes import await_known
from subgraphs.kit.steps import StepOrder, run_step, step_field
from subgraphs.requests import steps, store
from subgraphs.requests.types import Info


@strawberry.type
class StepMutations:
    """The steps of sagas that change requests and bookings."""

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
        currency: str | None = None,
    ) -> JSON | None:
        """Step of a saga: offer a client's request to a musician, or undo that."""
        request = checks.identifier(request_id, "requestId")
        musician = checks.identifier(musician_id, "musicianId")
        find = partial(store.user_to_assign, info.context.database, request, musician)
        await await_known(find, info.context)
        given = {
            "requestId": str(request),
            "clientId": _id(client_id, "clientId"),
            "musicianId": str(musician),
            "price": None if price is None else str(price),
            "acceptOutsideBudget": accept_outside_budget,
            **({} if currency is None else {"currency": currency}),
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
