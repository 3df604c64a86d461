"""The payloads of the mutations that start sagas, and the start of a saga by a mutation."""

from collections.abc import Mapping
from typing import Any, TypeVar

import strawberry

from subgraphs.kit import idempotency_keys
from subgraphs.kit.graphql import object_type
from subgraphs.kit.mutation_keys import claim
from subgraphs.kit.payloads import Payload, UserError, is_for_users
from subgraphs.orchestration.types import Info, Saga, failure_of

Result = TypeVar("Result", bound="SagaPayload")


@strawberry.type
class SagaPayload(Payload):
    """The base class of payloads with a saga."""

    saga: Saga | None = strawberry.field(
        default=None, description="The saga, with its booking, its request, and why it failed."
    )


@object_type()
class AssignMusicianPayload(SagaPayload):
    """The result of `assignMusician`."""


@object_type()
class ConfirmOfferPayload(SagaPayload):
    """The result of `confirmOffer`."""


@object_type()
class CompleteEventPayload(SagaPayload):
    """The result of `completeEvent`."""


@object_type()
class ObjectToPayoutPayload(SagaPayload):
    """The result of `objectToPayout`."""


@object_type()
class DecideObjectionPayload(SagaPayload):
    """The result of `decideObjection`."""


@object_type()
class CancelAndRefundPayload(SagaPayload):
    """The result of `cancelAndRefund`."""


@object_type()
class CancelRequestPayload(SagaPayload):
    """The result of `cancelRequest`."""


@object_type()
class OperateSagaPayload(SagaPayload):
    """The result of `operateSaga`."""


def saga_input(**values: Any) -> dict[str, Any]:
    """Return the input of a saga, with all values as text; None stays None."""
    return {name: None if value is None else str(value) for name, value in values.items()}


async def begin(
    info: Info, payload: type[Result], saga: str, key: str, data: Mapping[str, Any], wait: bool
) -> Result:
    """Start a saga of the type `saga` with the input `data` for the caller; return its state.

    A saga that has ended without success before the answer is also a user error, if a person can correct it.
    The user's id becomes a part of the key, so that nobody can find another user's saga by its key.
    """
    by, own_key = str(info.context.require().user_id), idempotency_keys.checked(key)
    await claim(info.context.database, own_key, by, saga, data)
    view = await info.context.engine.begin(saga, f"{by}:{own_key}", data, by, wait)
    made = payload()
    made.saga = Saga.of(view)
    failure = failure_of(view) if view.completed_at is not None else None
    if failure is not None and is_for_users(failure.code):
        made.user_errors = [UserError(code=str(failure.code), field=None, message=failure.message)]
    return made
