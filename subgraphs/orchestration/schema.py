"""Queries and mutations of the orchestration subgraph; the mutations start sagas, or operate them."""

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any

import strawberry

from gateway.saga.machine import Verb
from gateway.saga.overview import SagaFilter, newest
from subgraphs.kit import checks
from subgraphs.kit.graphql import Schema, enum_type, for_role, for_users, object_type
from subgraphs.kit.identity import Identity
from subgraphs.orchestration.sagas import ASSIGNMENT, CANCELLATION, CONFIRMATION
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
        wait: Wait = False,
    ) -> Saga | None:
        """Book a musician for the caller's request: assign the request, notify the musician, charge the
        price into escrow and block the musician's time. If one of these fails, all are undone.
        """
        by = info.context.require_role("client")
        data = saga_input(
            requestId=checks.identifier(request_id, "requestId"),
            musicianId=checks.identifier(musician_id, "musicianId"),
            clientId=by.user_id,
        )
        return await _begin(info, ASSIGNMENT, idempotency_key, data, by, wait)

    @for_role("musician")
    async def confirm_and_pay(
        self, info: Info, booking_id: strawberry.ID, idempotency_key: Key, wait: Wait = False
    ) -> Saga | None:
        """Confirm a booking as its musician; its escrow is paid to the musician."""
        by = info.context.require_role("musician")
        data = saga_input(bookingId=checks.identifier(booking_id, "bookingId"), byUserId=by.user_id)
        return await _begin(info, CONFIRMATION, idempotency_key, data, by, wait)

    @for_users
    async def cancel_and_refund(
        self,
        info: Info,
        booking_id: strawberry.ID,
        reason: str,
        idempotency_key: Key,
        wait: Wait = False,
    ) -> Saga | None:
        """Cancel the caller's booking and refund the client: 100 % at least 14 days before the event or if
        the musician cancels, 50 % at least 3 days before it, else nothing.
        """
        by = info.context.require()
        data = saga_input(
            bookingId=checks.identifier(booking_id, "bookingId"),
            byUserId=by.user_id,
            reason=checks.text(reason, "reason", 300),
        )
        return await _begin(info, CANCELLATION, idempotency_key, data, by, wait)

    @for_role("admin")
    async def operate_saga(self, info: Info, id: strawberry.ID, verb: SagaVerb, reason: str) -> Saga | None:
        """Retry or skip the failed step of a saga, undo all of its steps, or cancel it.

        For admins; the command and its reason are recorded as an attempt.
        """
        by = info.context.require_role("admin")
        saga_id, why = checks.identifier(id, "id"), checks.text(reason, "reason", 300)
        command: Verb = verb.value
        return Saga.of(await info.context.engine.operate(saga_id, command, str(by.user_id), why))


async def _begin(info: Info, saga: str, key: str, data: Mapping[str, Any], by: Identity, wait: bool) -> Saga:
    """Start a saga of the type `saga` with the input `data` for the user `by`; return its state.

    The user's id becomes a part of the key, so that nobody can find another user's saga by its key.
    """
    view = await info.context.engine.begin(
        saga, f"{by.user_id}:{checks.text(key, 'idempotencyKey', 100)}", data, str(by.user_id), wait
    )
    return Saga.of(view)


schema = Schema(Query, Mutation, types=[Saga])
