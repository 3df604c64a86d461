"""Steps of sagas as GraphQL mutations of a service.

Each has an order that says which saga and step it is, and in which direction.

A step's mutation is hidden from clients (`step_field`), answers with plain JSON, and is for the role
`service` alone. With direction UNDO the same mutation takes back what it did.
"""

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Any

import strawberry
from strawberry.scalars import JSON
from strawberry.types.field import StrawberryField

from subgraphs.kit import checks
from subgraphs.kit.cause import Cause, because
from subgraphs.kit.database import Database
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.graphql import field_with
from subgraphs.kit.idempotency import SagaCall, run_once
from subgraphs.kit.service import ServiceContext
from subgraphs.kit.unit_of_work import UnitOfWork

Given = Mapping[str, Any]
Do = Callable[[UnitOfWork, Given], Awaitable[Given]]
Undo = Callable[[UnitOfWork, Given, Given], Awaitable[Given]]
"""What takes a step back is told its input, and what doing it gave."""
MAX_STEP_LENGTH = 100


@strawberry.federation.enum(inaccessible=True, description="Whether a step is done or undone.")
class StepDirection(Enum):
    """Whether a step is done or undone."""

    DO = "do"
    UNDO = "undo"


@strawberry.federation.input(
    inaccessible=True, description="Which step of which saga, in which direction, by whom."
)
class StepOrder:
    """Which step of which saga, in which direction, by whom.

    `token` is the fencing token of the process that carries the saga.
    """

    saga_id: strawberry.ID
    step: str
    direction: StepDirection
    token: str

    def read(self) -> SagaCall:
        """The order, checked."""
        if not 0 < len(self.step) <= MAX_STEP_LENGTH:
            raise BadUserInput(f"'step' has 1 to {MAX_STEP_LENGTH} characters", "step")
        if not (self.token.isascii() and self.token.isdigit() and len(self.token) < 19):
            raise BadUserInput("'token' must be a number", "token")
        direction: Any = self.direction.value
        return SagaCall(checks.identifier(self.saga_id, "sagaId"), self.step, direction, int(self.token))


def step_field(function: Callable[..., Any]) -> StrawberryField:
    """A mutation that sagas alone use; clients don't see it."""
    return field_with(inaccessible=True)(function)


async def run_step(
    context: ServiceContext, order: StepOrder, given: Given, do: Do, undo: Undo
) -> JSON | None:
    """Do a step, or undo it: its effect once, its result each time; null where there was nothing to undo."""
    context.require_service()
    database: Database = context.database
    async with UnitOfWork(database) as uow:

        async def effect(before: Given | None) -> Given:
            return await do(uow, given) if before is None else await undo(uow, given, before)

        call = order.read()
        with because(Cause("service:orchestration", str(call.saga_id))):
            found = await run_once(uow, call, given, effect)
    return None if found is None else JSON(found)
