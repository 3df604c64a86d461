"""The GraphQL types of the orchestration subgraph, made from the journal of sagas, and the context of
requests.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from gateway.saga.journal import AttemptView, SagaView, StepView
from subgraphs.kit import checks
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.errors import NotFound
from subgraphs.kit.graphql import object_type, resolver
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.orchestration.engine import SagaEngine


class OrchestrationContext(ServiceContext):
    """The context of one GraphQL request, with the saga engine."""

    def __init__(self, caller: Caller, database: Database, bus: Bus, engine: SagaEngine) -> None:
        super().__init__(caller, database, bus)
        self.engine = engine


Info = strawberry.Info[OrchestrationContext, None]


@object_type()
class SagaAttempt:
    """One attempt at a step, or a command of an operator."""

    step: str = strawberry.field(description="The step; empty for an operator's command.")
    direction: str = strawberry.field(description="do or undo, or the operator's command.")
    number: int = strawberry.field(description="The number of the attempt at the step.")
    outcome: str | None = strawberry.field(
        description="done, failed or refused; `told` for an operator's command; null while the attempt runs."
    )
    error: str | None = strawberry.field(description="The error of the attempt, or the operator's reason.")
    by: str | None = strawberry.field(description="The operator's user id.")
    started_at: datetime = strawberry.field(description="When the attempt started.")
    ended_at: datetime | None = strawberry.field(description="When the attempt ended.")

    @classmethod
    def of(cls, view: AttemptView) -> "SagaAttempt":
        """Return the GraphQL object of an attempt in the journal."""
        return cls(
            step=view.step,
            direction=view.direction,
            number=view.number,
            outcome=view.outcome,
            error=view.error,
            by=view.by or None,
            started_at=view.started_at,
            ended_at=view.ended_at,
        )


@object_type()
class SagaStep:
    """One step of a saga."""

    number: int = strawberry.field(description="The position of the step, from 1.")
    name: str = strawberry.field(description="The name of the step.")
    service: str = strawberry.field(description="The service that executes the step.")
    operation: str = strawberry.field(description="The mutation of the service.")
    status: str = strawberry.field(
        description="pending, in_progress, completed, failed, compensating, compensated, "
        "compensation_failed or skipped."
    )
    attempts: int = strawberry.field(description="The number of attempts to do or undo the step.")
    result: JSON | None = strawberry.field(description="The result of the step.")
    error: str | None = strawberry.field(description="The error of the last failed attempt.")
    started_at: datetime | None = strawberry.field(description="When the first attempt started.")
    completed_at: datetime | None = strawberry.field(description="When the step was done or undone.")

    @classmethod
    def of(cls, view: StepView) -> "SagaStep":
        """Return the GraphQL object of a step in the journal."""
        return cls(
            number=view.number + 1,
            name=view.name,
            service=view.service,
            operation=view.operation,
            status=view.status,
            attempts=view.attempts,
            result=None if view.result is None else JSON(view.result),
            error=view.error,
            started_at=view.started_at,
            completed_at=view.completed_at,
        )


@object_type(keys=["id"])
class Saga:
    """An operation over several services, which is done in all of them or undone.

    For the user who started it and for admins.
    """

    id: strawberry.ID = strawberry.field(description="The id of the saga.")
    type: str = strawberry.field(description="The type of the saga.")
    status: str = strawberry.field(
        description="started, in_progress, completed, failed, compensating, compensated, "
        "compensation_failed or cancelled."
    )
    current_step: str | None = strawberry.field(description="The name of the current step.")
    total_steps: int = strawberry.field(description="The number of steps.")
    data: JSON = strawberry.field(description="The input of the saga.")
    error: str | None = strawberry.field(description="The message of the last error.")
    error_code: str | None = strawberry.field(description="The code of the last error.")
    started_at: datetime = strawberry.field(description="When the saga was started.")
    completed_at: datetime | None = strawberry.field(description="When the saga ended.")
    view: strawberry.Private[SagaView]

    @resolver
    def steps(self) -> list[SagaStep] | None:
        """The steps, in order."""
        return [SagaStep.of(step) for step in self.view.steps]

    @resolver
    def attempts(self) -> list[SagaAttempt] | None:
        """All attempts and operators' commands, in the order of their start."""
        return [SagaAttempt.of(attempt) for attempt in self.view.attempts]

    @classmethod
    def of(cls, view: SagaView) -> "Saga":
        """Return the GraphQL object of a saga in the journal."""
        current = view.current
        return cls(
            id=strawberry.ID(str(view.id)),
            type=view.saga_type,
            status=view.status,
            current_step=current.name if current else None,
            total_steps=len(view.steps),
            data=JSON(dict(view.data)),
            error=view.error,
            error_code=view.code,
            started_at=view.started_at,
            completed_at=view.completed_at,
            view=view,
        )

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Saga | None":
        """Return the saga with this id. Raises Unauthenticated, NotFound."""
        return await load_saga(info, checks.identifier(id, "id"))


async def load_saga(info: Info, saga_id: UUID) -> Saga:
    """Return a saga that the caller has started, or any saga for admins.

    Raises Unauthenticated, and NotFound also for another user's saga.
    """
    identity = info.context.require()
    view = await info.context.engine.view(saga_id)
    if not identity.is_admin and view.by != str(identity.user_id):
        raise NotFound(f"There is no saga with the id {saga_id}")
    return Saga.of(view)


def saga_input(**values: Any) -> dict[str, Any]:
    """Return the input of a saga, with all values as text; None stays None."""
    return {name: None if value is None else str(value) for name, value in values.items()}
