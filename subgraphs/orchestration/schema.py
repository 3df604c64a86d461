"""Queries and mutations of the orchestration subgraph; the mutations start sagas, or operate them."""

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

import strawberry

from gateway.saga.machine import Verb
from gateway.saga.overview import SagaFilter, newest
from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.graphql import Schema, enum_type, enum_value, for_role, for_users, object_type
from subgraphs.kit.identity import Identity
from subgraphs.orchestration.sagas import (
    ASSIGNMENT,
    CANCELLATION,
    CONFIRMATION,
    DECISION,
    OBJECTION,
    PAYOUT,
)
from subgraphs.orchestration.types import Info, Saga, load_saga, saga_input

Key = Annotated[
    str,
    strawberry.argument(
        description="A key of your choice. A key starts one saga: send it again if you got no answer."
    ),
]
Wait = Annotated[
    bool,
    strawberry.argument(
        description="Whether to return when the saga has ended, or after 20 s; else at once."
    ),
]
MAX_SAGAS = 100


@enum_type
class SagaVerb(Enum):
    """An operator's command for a saga.

    RETRY or SKIP the step that failed; COMPENSATE: undo all steps, also of a completed saga; CANCEL: undo all
    steps of a running saga, which is then cancelled.
    """

    RETRY = "retry"
    SKIP = "skip"
    COMPENSATE = "compensate"
    CANCEL = "cancel"


@enum_type
class PayoutVerdict(Enum):
    """An admin's decision about a payout to which a party objects."""

    RELEASE = enum_value("release", "The musician is paid the whole price.")
    REFUND = enum_value("refund", "The client gets the whole price back.")
    SPLIT = enum_value("split", "The client gets a part back, and the musician is paid the rest.")


@object_type()
class Query:
    """Queries about sagas."""

    @for_users
    async def saga(self, info: Info, id: strawberry.ID) -> Saga | None:
        """The saga with this id; for the user who started it and for admins."""
        return await load_saga(info, checks.identifier(id, "id"))

    @for_users
    async def sagas(
        self, info: Info, first: int = 20, status: str | None = None, type: str | None = None
    ) -> list[Saga] | None:
        """The newest sagas: those that the caller started, or all for admins."""
        identity = info.context.require()
        by = None if identity.is_admin else str(identity.user_id)
        engine = info.context.engine
        ids = await newest(
            engine.journal.pool, SagaFilter(status, type, by), checks.whole(first, "first", 1, MAX_SAGAS)
        )
        return [Saga.of(view) for view in await engine.journal.views(ids)]


@object_type()
class Mutation:
    """Mutations that start sagas over several services."""

    @for_role("client")
    async def assign_musician(
        self,
        info: Info,
        request_id: strawberry.ID,
        musician_id: strawberry.ID,
        idempotency_key: Key,
        price: Annotated[
            Decimal | None,
            strawberry.argument(
                description="The price for the whole event; required if the musician has not applied."
            ),
        ] = None,
        accept_outside_budget: Annotated[
            bool, strawberry.argument(description="Whether the price may be outside of the request's budget.")
        ] = False,
        wait: Wait = False,
    ) -> Saga | None:
        """Offer the caller's request to a musician: assign the request, notify the musician, charge the price
        into escrow and block the musician's time. If one of these fails, all are undone.

        The price is that of the musician's application, or the one that the caller names. The musician has 48
        hours to confirm, at most until the event starts; else the offer ends and all money goes back.
        """
        by = info.context.require_role("client")
        data = saga_input(
            requestId=checks.identifier(request_id, "requestId"),
            musicianId=checks.identifier(musician_id, "musicianId"),
            clientId=by.user_id,
            price=None if price is None else checks.money(price, "price"),
        )
        data["acceptOutsideBudget"] = accept_outside_budget
        return await _begin(info, ASSIGNMENT, idempotency_key, data, by, wait)

    @for_role("musician")
    async def confirm_offer(
        self, info: Info, booking_id: strawberry.ID, idempotency_key: Key, wait: Wait = False
    ) -> Saga | None:
        """Confirm an offered booking, as its musician. The price stays in escrow until the event is over."""
        by = info.context.require_role("musician")
        data = saga_input(bookingId=checks.identifier(booking_id, "bookingId"), byUserId=by.user_id)
        return await _begin(info, CONFIRMATION, idempotency_key, data, by, wait)

    @for_role("client")
    async def complete_event(
        self, info: Info, booking_id: strawberry.ID, idempotency_key: Key, wait: Wait = False
    ) -> Saga | None:
        """Confirm that the event of a booking took place, as its client: the musician is paid.

        Without it the musician is paid 24 hours after the event's end, unless a party objects.
        """
        by = info.context.require_role("client")
        data = saga_input(bookingId=checks.identifier(booking_id, "bookingId"), byUserId=by.user_id)
        return await _begin(info, PAYOUT, idempotency_key, data, by, wait)

    @for_users
    async def object_to_payout(
        self,
        info: Info,
        booking_id: strawberry.ID,
        reason: str,
        idempotency_key: Key,
        wait: Wait = False,
    ) -> Saga | None:
        """Object to the payout of a booking, as its client or musician, after the event has started: nobody
        is paid until an admin decides.
        """
        by = info.context.require()
        data = saga_input(
            bookingId=checks.identifier(booking_id, "bookingId"),
            byUserId=by.user_id,
            reason=checks.text(reason, "reason", 300),
        )
        return await _begin(info, OBJECTION, idempotency_key, data, by, wait)

    @for_role("admin")
    async def decide_objection(
        self,
        info: Info,
        booking_id: strawberry.ID,
        verdict: PayoutVerdict,
        reason: str,
        idempotency_key: Key,
        refund_percent: Annotated[
            int | None,
            strawberry.argument(description="What the client gets back, from 1 to 99; for SPLIT only."),
        ] = None,
        wait: Wait = False,
    ) -> Saga | None:
        """Decide who is paid for a booking to which a party objects; for admins."""
        by = info.context.require_role("admin")
        data = saga_input(
            bookingId=checks.identifier(booking_id, "bookingId"), reason=checks.text(reason, "reason", 300)
        )
        data["percent"] = _percent(verdict, refund_percent)
        return await _begin(info, DECISION, idempotency_key, data, by, wait)

    @for_users
    async def cancel_and_refund(
        self,
        info: Info,
        booking_id: strawberry.ID,
        reason: str,
        idempotency_key: Key,
        wait: Wait = False,
    ) -> Saga | None:
        """Cancel the caller's booking before its event, and open its request again.

        The client gets back 100 % if the musician cancels or has not confirmed, or at least 14 days before
        the event; 50 % at least 7 days before it; else nothing. The musician gets the rest.
        """
        by = info.context.require()
        booking = str(checks.identifier(booking_id, "bookingId"))
        return await _cancel(
            info, {"bookingId": booking, "requestId": None}, reason, idempotency_key, by, wait
        )

    @for_role("client")
    async def cancel_request(
        self,
        info: Info,
        request_id: strawberry.ID,
        reason: str,
        idempotency_key: Key,
        wait: Wait = False,
    ) -> Saga | None:
        """Cancel the caller's request, with its booking if it has one: see cancelAndRefund."""
        by = info.context.require_role("client")
        request = str(checks.identifier(request_id, "requestId"))
        return await _cancel(
            info, {"bookingId": None, "requestId": request}, reason, idempotency_key, by, wait
        )

    @for_role("admin")
    async def operate_saga(self, info: Info, id: strawberry.ID, verb: SagaVerb, reason: str) -> Saga | None:
        """Retry or skip the failed step of a saga, undo all of its steps, or cancel it.

        For admins; the command and its reason are recorded as an attempt.
        """
        by = info.context.require_role("admin")
        saga_id, why = checks.identifier(id, "id"), checks.text(reason, "reason", 300)
        command: Verb = verb.value
        return Saga.of(await info.context.engine.operate(saga_id, command, str(by.user_id), why))


def _percent(verdict: PayoutVerdict, percent: int | None) -> int:
    """Return the percentage that the client gets back. Raises BadUserInput if it contradicts the verdict."""
    if verdict is not PayoutVerdict.SPLIT:
        if percent is not None:
            raise BadUserInput("'refundPercent' goes with the verdict SPLIT only", "refundPercent")
        return 100 if verdict is PayoutVerdict.REFUND else 0
    if percent is None:
        raise BadUserInput("The verdict SPLIT needs 'refundPercent' from 1 to 99", "refundPercent")
    return checks.whole(percent, "refundPercent", 1, 99)


async def _cancel(
    info: Info, what: Mapping[str, Any], reason: str, key: str, by: Identity, wait: bool
) -> Saga:
    data = {**what, "byUserId": str(by.user_id), "reason": checks.text(reason, "reason", 300)}
    return await _begin(info, CANCELLATION, key, data, by, wait)


async def _begin(info: Info, saga: str, key: str, data: Mapping[str, Any], by: Identity, wait: bool) -> Saga:
    """Start a saga of the type `saga` with the input `data` for the user `by`; return its state.

    The user's id becomes a part of the key, so that nobody can find another user's saga by its key.
    """
    view = await info.context.engine.begin(
        saga, f"{by.user_id}:{checks.text(key, 'idempotencyKey', 100)}", data, str(by.user_id), wait
    )
    return Saga.of(view)


schema = Schema(Query, Mutation, types=[Saga])
