"""Queries of the payments subgraph, and the steps by which sagas move money."""

from decimal import Decimal
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from subgraphs.kit import checks
from subgraphs.kit.copies import verify_field
from subgraphs.kit.errors import NotFound
from subgraphs.kit.graphql import Schema, object_type, resolver
from subgraphs.kit.history import as_of_field, history_field
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.pagination import DEFAULT_FIRST, After, Connection, First, Page
from subgraphs.kit.steps import StepOrder, run_step, step_field
from subgraphs.payments import model, steps, store
from subgraphs.payments.aggregates import ESCROWS
from subgraphs.payments.types import AccountBalance, Booking, Escrow, Info, Payment


async def _own_escrow(info: Info, id: str) -> UUID:
    """The id of an escrow that the caller is a side of; admins see all."""
    found = await Escrow.load(info, checks.identifier(id, "id"))
    if found is None:
        raise NotFound("There is no such escrow")
    return UUID(found.id)


@object_type()
class Query:
    """What can be asked about payments; the escrow of a booking is a field of `Booking`."""

    @resolver
    async def escrow(self, info: Info, id: strawberry.ID) -> Escrow | None:
        """One escrow, for the client and the musician between whom it is."""
        return await Escrow.load(info, uuid_of(id))

    @resolver
    async def my_payments(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> Connection[Payment] | None:
        """What the caller has paid and is paid, newest first; everybody's for admins."""
        identity, database = info.context.require(), info.context.database
        owner: UUID | None = None if identity.is_admin else identity.user_id
        page = Page.of(store.NEWEST, first, after)
        rows = await store.payments_page(database, owner, page)
        return page.connection(
            rows,
            Payment.of,
            lambda row: (row.created_at, row.id),
            lambda: store.count_payments(database, owner),
        )

    @resolver
    async def account_balance(self, info: Info) -> list[AccountBalance] | None:
        """What the caller's accounts hold, one for each side of bookings and each currency.

        Empty for whoever never paid or earned.
        """
        found = await store.balances(info.context.database, info.context.require().user_id)
        return [AccountBalance.of(balance) for balance in found]

    escrow_history = history_field(
        ESCROWS,
        _own_escrow,
        "Every change of an escrow, newest first, for the client and the musician between whom it is.",
    )

    escrow_as_of = as_of_field(
        ESCROWS,
        _own_escrow,
        "What an escrow was after a version or at a time, for the two between whom it is.",
    )


@object_type()
class Mutation:
    """The steps of sagas; clients don't see them."""

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
        """Charge a client into the escrow of a booking, or take that back."""
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
        """Pay the musician of a booking, or take that back."""
        given = {"bookingId": _id(booking_id, "bookingId")}
        return await run_step(info.context, order, given, steps.release, steps.unrelease)

    @step_field
    async def refund_escrow(
        self, info: Info, order: StepOrder, booking_id: strawberry.ID, percent: int, reason: str
    ) -> JSON | None:
        """Give the client so many percent back and the musician the rest, or take that back."""
        given = {
            "bookingId": _id(booking_id, "bookingId"),
            "percent": checks.whole(percent, "percent", 0, 100),
            "reason": model.check_reason(reason),
        }
        return await run_step(info.context, order, given, steps.refund, steps.unrefund)


def _id(value: str, field: str) -> str:
    return str(checks.identifier(value, field))


schema = Schema(Query, Mutation, types=[Booking, Escrow])
