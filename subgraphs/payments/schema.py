"""Queries of the payments subgraph, and the hidden mutations for the steps of sagas that move money."""

from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from subgraphs.kit import checks
from subgraphs.kit.between import BetweenInput, between_of
from subgraphs.kit.copies import KeyedTable, digests_field, verify_field, versions_field
from subgraphs.kit.errors import NotFound
from subgraphs.kit.graphql import Schema, for_users, object_type
from subgraphs.kit.history import as_of_field, history_field
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.pagination import After, Before, Connection, First, Last, Page
from subgraphs.kit.steps import StepOrder, run_step, step_field
from subgraphs.payments import model, steps, store
from subgraphs.payments.aggregates import ESCROWS
from subgraphs.payments.tables import PAYMENT_ROWS
from subgraphs.payments.types import AccountBalance, Booking, Escrow, Info, Payment, PaymentStatus

OF_BOOKINGS: Final = {"escrow_of_booking": KeyedTable("held_escrows", "booking_id")}
"""What the consistency check compares with bookings."""
Status = Annotated[PaymentStatus | None, strawberry.argument(description="Only payments with this status.")]
Charged = Annotated[
    BetweenInput | None, strawberry.argument(description="Only payments that were charged in this time.")
]


async def _own_escrow(info: Info, id: str) -> UUID:
    """Return the parsed id of an escrow.

    Raises NotFound, and Forbidden unless the caller is its client, its musician or an admin.
    """
    escrow = await Escrow.load(info, checks.identifier(id, "id", "Escrow"))
    if escrow is None:
        raise NotFound(f"There is no escrow with the id {id}")
    return UUID(escrow.uuid)


@object_type()
class Query:
    """Queries about payments; the escrow of a booking is a field of `Booking`."""

    @for_users
    async def escrow(self, info: Info, id: strawberry.ID) -> Escrow | None:
        """The escrow with this id; for its client, its musician and admins."""
        return await Escrow.load(info, uuid_of(id, "Escrow"))

    @for_users
    async def my_payments(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        status: Status = None,
        between: Charged = None,
    ) -> Connection[Payment] | None:
        """The payments by the caller and to the caller, the newest first; all payments for admins."""
        identity, database = info.context.require(), info.context.database
        owner: UUID | None = None if identity.is_admin else identity.user_id
        only = store.PaymentCriteria(owner, status and status.value, between_of(between))
        page = Page.of(store.NEWEST, first, after, last, before, only=only)
        return page.connection(
            await PAYMENT_ROWS.page(database, page),
            Payment.of,
            lambda payment: (payment.created_at, payment.id),
            lambda: PAYMENT_ROWS.count(database, only.conditions()),
        )

    @for_users
    async def account_balance(self, info: Info) -> list[AccountBalance] | None:
        """The balances of the caller's accounts as client and as musician, by currency.

        The list is empty without any payment.
        """
        balances = await store.balances(info.context.database, info.context.require().user_id)
        return [AccountBalance.of(balance) for balance in balances]

    copy_digests = digests_field(OF_BOOKINGS)
    copy_versions = versions_field(OF_BOOKINGS)

    escrow_history = history_field(
        ESCROWS,
        _own_escrow,
        "All changes of an escrow, the newest first; for its client, its musician and admins.",
    )

    escrow_as_of = as_of_field(
        ESCROWS,
        _own_escrow,
        "The state of an escrow at a version or time, by default the newest; for its parties and admins.",
    )


@object_type()
class Mutation:
    """Steps of sagas, which are not part of the schema for clients."""

    verify_rows = verify_field({"escrow": ESCROWS})

    @step_field
    async def create_escrow(
        self,
        info: Info,
        order: StepOrder,
        booking_id: strawberry.ID,
        request_id: strawberry.ID,
        client_id: strawberry.ID,
        musician_id: strawberry.ID,
        musician_user_id: strawberry.ID,
        amount: Decimal,
        currency: str,
    ) -> JSON | None:
        """Step of a saga: charge a client into the escrow of a booking, or undo that."""
        given = {
            "bookingId": _id(booking_id, "bookingId"),
            "requestId": _id(request_id, "requestId"),
            "clientId": _id(client_id, "clientId"),
            "musicianId": _id(musician_id, "musicianId"),
            "musicianUserId": _id(musician_user_id, "musicianUserId"),
            "amount": str(model.check_amount(amount)),
            "currency": checks.currency(currency),
        }
        return await run_step(info.context, order, given, steps.create, steps.uncreate)

    @step_field
    async def release_escrow(self, info: Info, order: StepOrder, booking_id: strawberry.ID) -> JSON | None:
        """Step of a saga: pay the escrow of a booking to its musician, or undo that."""
        given = {"bookingId": _id(booking_id, "bookingId")}
        return await run_step(info.context, order, given, steps.release, steps.unrelease)

    @step_field
    async def refund_escrow(
        self, info: Info, order: StepOrder, booking_id: strawberry.ID, percent: int, reason: str
    ) -> JSON | None:
        """Step of a saga: refund the client by a percentage and pay the rest to the musician, or undo
        that.
        """
        given = {
            "bookingId": _id(booking_id, "bookingId"),
            "percent": checks.whole(percent, "percent", 0, 100),
            "reason": model.check_reason(reason),
        }
        return await run_step(info.context, order, given, steps.refund, steps.unrefund)


def _id(value: str, field: str) -> str:
    return str(checks.identifier(value, field))


schema = Schema(Query, Mutation, types=[Booking, Escrow])
