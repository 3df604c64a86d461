"""Queries and mutations of the orchestration subgraph; the mutations start sagas, or operate them."""

from decimal import Decimal
from typing import Annotated

import strawberry

from subgraphs.kit import checks
from subgraphs.kit.between import BetweenInput
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.graphql import Schema, for_role, for_users, object_type
from subgraphs.kit.idempotency_keys import IdempotencyKey, RequiredKey
from subgraphs.kit.money import MoneyInput
from subgraphs.kit.mutation_keys import claim
from subgraphs.kit.pagination import After, Before, Connection, First, Last, Page
from subgraphs.kit.payloads import user_errors
from subgraphs.orchestration.enums import PayoutVerdict, SagaStatus, SagaType, SagaVerb
from subgraphs.orchestration.payloads import (
    AssignMusicianPayload,
    CancelAndRefundPayload,
    CancelRequestPayload,
    CompleteEventPayload,
    ConfirmOfferPayload,
    DecideObjectionPayload,
    ObjectToPayoutPayload,
    OperateSagaPayload,
    begin,
    saga_input,
)
from subgraphs.orchestration.saga_lists import NEWEST, SagaCriteria, count_sagas, page_of_sagas
from subgraphs.orchestration.sagas import (
    ASSIGNMENT,
    CANCELLATION,
    CONFIRMATION,
    DECISION,
    OBJECTION,
    PAYOUT,
)
from subgraphs.orchestration.types import Booking, Info, MusicianRequest, Saga, User, load_saga

BookingId = Annotated[strawberry.ID, strawberry.argument(description="The booking.")]
RequestId = Annotated[strawberry.ID, strawberry.argument(description="The request.")]
MusicianId = Annotated[strawberry.ID, strawberry.argument(description="The musician.")]
Reason = Annotated[str, strawberry.argument(description="The reason, 1 to 300 characters.")]
Verdict = Annotated[PayoutVerdict, strawberry.argument(description="Who is paid.")]
Verb = Annotated[SagaVerb, strawberry.argument(description="What to do.")]
Price = Annotated[
    MoneyInput | None,
    strawberry.argument(
        description="The price for the whole event; required if the musician has not applied."
    ),
]
OutsideBudget = Annotated[
    bool, strawberry.argument(description="Whether the price may be outside of the request's budget.")
]
RefundPercent = Annotated[
    int | None,
    strawberry.argument(description="What the client gets back, from 1 to 99; for SPLIT only."),
]
Wait = Annotated[
    bool,
    strawberry.argument(
        description="Whether to return when the saga has ended, or after 20 s; else at once."
    ),
]
Statuses = Annotated[
    list[SagaStatus] | None, strawberry.argument(description="Only sagas with these statuses.")
]
Types = Annotated[list[SagaType] | None, strawberry.argument(description="Only sagas of these types.")]
Between = Annotated[
    BetweenInput | None, strawberry.argument(description="Only sagas that started in this time range.")
]


@object_type()
class Query:
    """Queries about sagas."""

    @for_users
    async def saga(self, info: Info, id: strawberry.ID) -> Saga | None:
        """The saga with this id; for the user who started it and for admins."""
        return await load_saga(info, checks.identifier(id, "id", "Saga"))

    @for_users
    async def sagas(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        status: Statuses = None,
        type: Types = None,
        between: Between = None,
    ) -> Connection[Saga] | None:
        """The sagas that the caller has started, or all for admins; the newest first."""
        identity = info.context.require()
        by = None if identity.is_admin else str(identity.user_id)
        page = Page.of(NEWEST, first, after, last, before)
        conditions = SagaCriteria.read(by, status, type, between).conditions()
        database = info.context.database
        return page.connection(
            await page_of_sagas(database, info.context.engine.journal, page, conditions),
            Saga.of,
            lambda view: (view.started_at, view.id),
            lambda: count_sagas(database, conditions),
        )


@object_type()
class Mutation:
    """Mutations that start sagas over several services."""

    @for_role("client")
    @user_errors(AssignMusicianPayload)
    async def assign_musician(
        self,
        info: Info,
        request_id: RequestId,
        musician_id: MusicianId,
        idempotency_key: RequiredKey,
        price: Price = None,
        accept_outside_budget: OutsideBudget = False,
        wait: Wait = False,
    ) -> AssignMusicianPayload | None:
        """Offer the caller's request to a musician: assign the request, notify the musician, charge the price
        into escrow and block the musician's time. If one of these fails, all are undone.

        The price is that of the musician's application, or the one that the caller names. The musician has 48
        hours to confirm, at most until the event starts; else the offer ends and all money goes back.
        """
        by = info.context.require_role("client")
        with checks.Mistakes() as mistakes:
            request = mistakes.check(checks.identifier, request_id, "requestId", "MusicianRequest")
            musician = mistakes.check(checks.identifier, musician_id, "musicianId", "Musician")
            amount, currency = mistakes.check(_price, price) or (None, None)
        data = saga_input(
            requestId=request, musicianId=musician, clientId=by.user_id, price=amount, currency=currency
        )
        data["acceptOutsideBudget"] = accept_outside_budget
        return await begin(info, AssignMusicianPayload, ASSIGNMENT, idempotency_key, data, wait)

    @for_role("musician")
    @user_errors(ConfirmOfferPayload)
    async def confirm_offer(
        self,
        info: Info,
        booking_id: BookingId,
        idempotency_key: RequiredKey,
        wait: Wait = False,
    ) -> ConfirmOfferPayload | None:
        """Confirm an offered booking, as its musician. The price stays in escrow until the event is over."""
        by = info.context.require_role("musician")
        data = saga_input(bookingId=_booking(booking_id), byUserId=by.user_id)
        return await begin(info, ConfirmOfferPayload, CONFIRMATION, idempotency_key, data, wait)

    @for_role("client")
    @user_errors(CompleteEventPayload)
    async def complete_event(
        self,
        info: Info,
        booking_id: BookingId,
        idempotency_key: RequiredKey,
        wait: Wait = False,
    ) -> CompleteEventPayload | None:
        """Confirm that the event of a booking took place, as its client: the musician is paid.

        Without it the musician is paid 24 hours after the event's end, unless a party objects.
        """
        by = info.context.require_role("client")
        data = saga_input(bookingId=_booking(booking_id), byUserId=by.user_id)
        return await begin(info, CompleteEventPayload, PAYOUT, idempotency_key, data, wait)

    @for_users
    @user_errors(ObjectToPayoutPayload)
    async def object_to_payout(
        self,
        info: Info,
        booking_id: BookingId,
        reason: Reason,
        idempotency_key: RequiredKey,
        wait: Wait = False,
    ) -> ObjectToPayoutPayload | None:
        """Object to the payout of a booking, as its client or musician, after the event has started: nobody
        is paid until an admin decides.
        """
        by = info.context.require()
        with checks.Mistakes() as mistakes:
            data = saga_input(
                bookingId=mistakes.check(_booking, booking_id),
                byUserId=by.user_id,
                reason=mistakes.check(checks.text, reason, "reason", 300),
            )
        return await begin(info, ObjectToPayoutPayload, OBJECTION, idempotency_key, data, wait)

    @for_role("admin")
    @user_errors(DecideObjectionPayload)
    async def decide_objection(
        self,
        info: Info,
        booking_id: BookingId,
        verdict: Verdict,
        reason: Reason,
        idempotency_key: RequiredKey,
        refund_percent: RefundPercent = None,
        wait: Wait = False,
    ) -> DecideObjectionPayload | None:
        """Decide who is paid for a booking to which a party objects; for admins."""
        info.context.require_role("admin")
        with checks.Mistakes() as mistakes:
            data = saga_input(
                bookingId=mistakes.check(_booking, booking_id),
                reason=mistakes.check(checks.text, reason, "reason", 300),
            )
            data["percent"] = mistakes.check(_percent, verdict, refund_percent)
        return await begin(info, DecideObjectionPayload, DECISION, idempotency_key, data, wait)

    @for_users
    @user_errors(CancelAndRefundPayload)
    async def cancel_and_refund(
        self,
        info: Info,
        booking_id: BookingId,
        reason: Reason,
        idempotency_key: RequiredKey,
        wait: Wait = False,
    ) -> CancelAndRefundPayload | None:
        """Cancel the caller's booking before its event, and open its request again.

        The client gets back 100 % if the musician cancels or has not confirmed, or at least 14 days before
        the event; 50 % at least 7 days before it; else nothing. The musician gets the rest.
        """
        by = info.context.require()
        with checks.Mistakes() as mistakes:
            data = saga_input(
                bookingId=mistakes.check(_booking, booking_id),
                requestId=None,
                byUserId=by.user_id,
                reason=mistakes.check(checks.text, reason, "reason", 300),
            )
        return await begin(info, CancelAndRefundPayload, CANCELLATION, idempotency_key, data, wait)

    @for_role("client")
    @user_errors(CancelRequestPayload)
    async def cancel_request(
        self,
        info: Info,
        request_id: RequestId,
        reason: Reason,
        idempotency_key: RequiredKey,
        wait: Wait = False,
    ) -> CancelRequestPayload | None:
        """Cancel the caller's request, with its booking if it has one: see cancelAndRefund."""
        by = info.context.require_role("client")
        with checks.Mistakes() as mistakes:
            data = saga_input(
                bookingId=None,
                requestId=mistakes.check(checks.identifier, request_id, "requestId", "MusicianRequest"),
                byUserId=by.user_id,
                reason=mistakes.check(checks.text, reason, "reason", 300),
            )
        return await begin(info, CancelRequestPayload, CANCELLATION, idempotency_key, data, wait)

    @for_role("admin")
    @user_errors(OperateSagaPayload)
    async def operate_saga(
        self,
        info: Info,
        id: strawberry.ID,
        verb: Verb,
        reason: Reason,
        idempotency_key: IdempotencyKey = None,
    ) -> OperateSagaPayload | None:
        """Retry or skip the failed step of a saga, undo all of its steps, or cancel it.

        For admins; the command and its reason are recorded as an attempt.
        """
        by = info.context.require_role("admin")
        with checks.Mistakes() as mistakes:
            saga_id = mistakes.check(checks.identifier, id, "id", "Saga")
            why = mistakes.check(checks.text, reason, "reason", 300)
        given, user = {"id": saga_id, "verb": verb.value, "reason": why}, str(by.user_id)
        if await claim(info.context.database, idempotency_key, user, "operateSaga", given):
            return OperateSagaPayload(saga=await load_saga(info, saga_id))
        view = await info.context.engine.operate(saga_id, verb.value, user, why)
        return OperateSagaPayload(saga=Saga.of(view))


def _booking(value: str) -> str:
    return str(checks.identifier(value, "bookingId", "Booking"))


def _price(price: MoneyInput | None) -> tuple[Decimal, str] | None:
    return None if price is None else price.read("price")


def _percent(verdict: PayoutVerdict, percent: int | None) -> int:
    """Return the percentage that the client gets back. Raises BadUserInput if it contradicts the verdict."""
    if verdict is not PayoutVerdict.SPLIT:
        if percent is not None:
            raise BadUserInput("'refundPercent' goes with the verdict SPLIT only", "refundPercent")
        return 100 if verdict is PayoutVerdict.REFUND else 0
    if percent is None:
        raise BadUserInput("The verdict SPLIT needs 'refundPercent' from 1 to 99", "refundPercent")
    return checks.whole(percent, "refundPercent", 1, 99)


schema = Schema(Query, Mutation, types=[Booking, MusicianRequest, Saga, User])
