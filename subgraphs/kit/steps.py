"""Steps of sagas as GraphQL mutations of a service.

The services' modules `steps` define them; `orchestration` calls them. The argument `order` contains the saga,
the step and the direction: with UNDO the same mutation undoes the step. A step's mutation is hidden from
clients (`step_field`), returns JSON, and requires the role `service`.

Example: `releaseEscrow(order: {sagaId: "...", step: "release", direction: DO, token: "4"}, bookingId:
"...")`.
"""

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Any

import strawberry
from strawberry.scalars import JSON
from strawberry.types.field import StrawberryField

from subgraphs.kit import checks
from subgraphs.kit.cause import SAGA, Cause, because
from subgraphs.kit.database import Database
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.graphql import field_with
from subgraphs.kit.idempotency import SagaCall, run_once
from subgraphs.kit.service import ServiceContext
from subgraphs.kit.unit_of_work import UnitOfWork

Given = Mapping[str, Any]
"""The input or the result of a step: JSON values by name."""
Do = Callable[[UnitOfWork, Given], Awaitable[Given]]
"""Does a step; its arguments are the unit of work and the step's input. It returns the step's result."""
Undo = Callable[[UnitOfWork, Given, Given], Awaitable[Given]]
"""Undoes a step; its arguments are the unit of work, the step's input, and the result of doing the step.

It returns the result of undoing it.
"""
MAX_STEP_LENGTH = 100
EVENT = "eventId"


@strawberry.federation.enum(inaccessible=True, description="Whether to do or to undo a step.")
class StepDirection(Enum):
    """Whether to do or to undo a step."""

    DO = "do"
    UNDO = "undo"


@strawberry.federation.input(
    inaccessible=True,
    description="A call of a saga's step: the saga, the step, the direction, and the fencing token.",
)
class StepOrder:
    """The argument `order` of a step's mutation.

    `token`: the fencing token of the process that calls it. `cause`: the event that led to the call: the last
    one of the saga's earlier steps.
    """

    saga_id: strawberry.ID
    step: str
    direction: StepDirection
    token: str
    cause: strawberry.ID | None = None

    def read(self) -> SagaCall:
        """Return the checked call. Raises BadUserInput for a field that is not valid."""
        if not 0 < len(self.step) <= MAX_STEP_LENGTH:
            raise BadUserInput(
                f"'step' must have 1 to {MAX_STEP_LENGTH} characters, got {len(self.step)}", "step"
            )
        if not (self.token.isascii() and self.token.isdigit() and len(self.token) < 19):
            raise BadUserInput("'token' must be a number of at most 18 digits", "token")
        direction: Any = self.direction.value
        return SagaCall(checks.identifier(self.saga_id, "sagaId"), self.step, direction, int(self.token))


def step_field(function: Callable[..., Any]) -> StrawberryField:
    """Decorate a function as the resolver of a step's mutation, which is hidden (@inaccessible)
    from clients.
    """
    return field_with(inaccessible=True)(function)


async def run_step(
    context: ServiceContext, order: StepOrder, given: Given, do: Do, undo: Undo
) -> JSON | None:
    """Do or undo a step, as `order` demands, at its first call; return its result at every call.

    `given` is the step's input; the functions `do` and `undo` change the service's data. The result of a step
    has the id of its last event under EVENT. Returns None for the undo of a step that was not done. Raises
    Unauthenticated or Forbidden for other callers than services, BadUserInput for a wrong `order`, and the
    errors of `idempotency.run_once`.
    """
    context.require_service()
    database: Database = context.database
    async with UnitOfWork(database) as uow:

        async def effect(done: Given | None) -> Given:
            if done is not None:
                return await undo(uow, given, done)
            result = await do(uow, given)
            event = uow.last_event
            return result if event is None else {**result, EVENT: str(event)}

        call = order.read()
        led_by = None if order.cause is None else checks.identifier(order.cause, "cause")
        with because(Cause("service:orchestration", f"{SAGA}{call.saga_id}", led_by)):
            result = await run_once(uow, call, given, effect)
    return None if result is None else JSON(result)
