"""Queries and mutations of the orchestration subgraph."""

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any

import strawberry

from gateway.saga.machine import Verb
from gateway.saga.overview import Wanted, newest
from subgraphs.kit import checks
from subgraphs.kit.graphql import Schema, enum_type, object_type, resolver
from subgraphs.kit.identity import Identity
from subgraphs.orchestration.sagas import ASSIGNMENT, CANCELLATION, CONFIRMATION
from subgraphs.orchestration.types import Info, Saga, given, sight

Key = Annotated[
    str,
    strawberry.argument(
        description="Equal keys are one saga: send the same again after a lost answer, another for a new one."
    ),
]
Wait = Annotated[
    bool, strawberry.argument(description="Answer when it has ended, or after 20 s; else at once.")
]
MOST = 100


@enum_type
class SagaVerb(Enum):
    """What an operator tells a saga."""

    RETRY = "retry"
    SKIP = "skip"
    COMPENSATE = "compensate"
    CANCEL = "cancel"


@object_type()
class Query:
    """Queries about sagas."""

    @resolver
    async def saga(self, info: Info, id: strawberry.ID) -> Saga | None:
        """One saga with every step and attempt, for whoever started it, and for admins."""
        return await sight(info, checks.identifier(id, "id"))

    @resolver
    async def sagas(
        self, info: Info, first: int = 20, status: str | None = None, type: str | None = None
    ) -> list[Saga] | None:
        """The newest sagas: one's own, or all for admins."""
        identity = info.context.require()
        by = None if identity.is_admin else str(identity.user_id)
        engine = info.context.engine
        ids = await newest(
            engine.journal.pool, Wanted(status, type, by), checks.whole(first, "first", 1, MOST)
        )
        return [Saga.of(view) for view in await engine.journal.views(ids)]


@object_type()
class Mutation:
    """What happens in several services at once."""

    @resolver
    async def assign_musician(
        self,
        info: Info,
        request_id: strawberry.ID,
        musician_id: strawberry.ID,
        idempotency_key: Key,
        wait: Wait = False,
    ) -> Saga | None:
        """Book a musician for a request of one's own: the request is assigned, the musician told, the price
        put into escrow and the evening blocked; or nothing of it.
        """
        by = info.context.require_role("client")
        data = given(
            requestId=checks.identifier(request_id, "requestId"),
            musicianId=checks.identifier(musician_id, "musicianId"),
            clientId=by.user_id,
        )
        return await _begin(info, ASSIGNMENT, idempotency_key, data, by, wait)

    @resolver
    async def confirm_and_pay(
        self, info: Info, booking_id: strawberry.ID, idempotency_key: Key, wait: Wait = False
    ) -> Saga | None:
        """Confirm a booking of one's own as its musician; the escrow is released."""
        by = info.context.require_role("musician")
        data = given(bookingId=checks.identifier(booking_id, "bookingId"), byUserId=by.user_id)
        return await _begin(info, CONFIRMATION, idempotency_key, data, by, wait)

    @resolver
    async def cancel_and_refund(
        self,
        info: Info,
        booking_id: strawberry.ID,
        reason: str,
        idempotency_key: Key,
        wait: Wait = False,
    ) -> Saga | None:
        """Cancel a booking of one's own; the client gets back what the policy says: all of it 14 days before,
        or when the musician cancels; half of it 3 days before.
        """
        by = info.context.require()
        data = given(
            bookingId=checks.identifier(booking_id, "bookingId"),
            byUserId=by.user_id,
            reason=checks.text(reason, "reason", 300),
        )
        return await _begin(info, CANCELLATION, idempotency_key, data, by, wait)

    @resolver
    async def operate_saga(self, info: Info, id: strawberry.ID, verb: SagaVerb, reason: str) -> Saga | None:
        """Tell a saga to retry, to skip the step it is stuck at, to undo everything, or to end.

        For admins, and logged.
        """
        by = info.context.require_role("admin")
        saga_id, why = checks.identifier(id, "id"), checks.text(reason, "reason", 300)
        told: Verb = verb.value
        return Saga.of(await info.context.engine.operate(saga_id, told, str(by.user_id), why))


async def _begin(info: Info, saga: str, key: str, data: Mapping[str, Any], by: Identity, wait: bool) -> Saga:
    """Keys are each user's own: nobody finds another's saga by guessing one."""
    view = await info.context.engine.begin(
        saga, f"{by.user_id}:{checks.text(key, 'idempotencyKey', 100)}", data, str(by.user_id), wait
    )
    return Saga.of(view)


schema = Schema(Query, Mutation, types=[Saga])
