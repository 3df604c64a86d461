"""GraphQL types of the orchestration subgraph."""

from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from gateway.saga.journal import AttemptView, StepView, View
from subgraphs.kit import checks
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.errors import NotFound
from subgraphs.kit.graphql import object_type, resolver
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.orchestration.engine import SagaEngine


class OrchestrationContext(ServiceContext):
    """What one request shares: who asks, and the engine."""

    def __init__(self, caller: Caller, database: Database, bus: Bus, engine: SagaEngine) -> None:
        """A request's context."""
        super().__init__(caller, database, bus)
        self.engine = engine


Info = strawberry.Info[OrchestrationContext, None]


@object_type()
class SagaAttempt:
    """One attempt at a step, or a word of an operator."""

    step: str = strawberry.field(description="The step; empty for a word of an operator.")
    direction: str = strawberry.field(description="do or undo, or what the operator said.")
    number: int = strawberry.field(description="Which attempt at the step it was.")
    outcome: str | None = strawberry.field(
        description="done, failed or refused; told for a word of an operator; null while it is under way."
    )
    error: str | None = strawberry.field(description="Why it failed, or the operator's reason.")
    by: str | None = strawberry.field(description="The operator.")
    started_at: datetime = strawberry.field(description="When it began.")
    ended_at: datetime | None = strawberry.field(description="When it was over.")

    @classmethod
    def of(cls, view: AttemptView) -> "SagaAttempt":
        """An attempt out of the journal."""
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

    number: int = strawberry.field(description="Its place, from 1.")
    name: str = strawberry.field(description="What it is called.")
    service: str = strawberry.field(description="The service where it happens.")
    operation: str = strawberry.field(description="The service's mutation.")
    status: str = strawberry.field(
        description="pending, in_progress, completed, failed, compensating, compensated, compensation_failed or skipped."
    )
    attempts: int = strawberry.field(description="How often it was tried, in both directions.")
    result: JSON | None = strawberry.field(description="What it gave.")
    error: str | None = strawberry.field(description="Why it failed last.")
    started_at: datetime | None = strawberry.field(description="When it was tried first.")
    completed_at: datetime | None = strawberry.field(description="When it was done or undone.")

    @classmethod
    def of(cls, view: StepView) -> "SagaStep":
        """A step out of the journal."""
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
    """Something that happens in several services, whole or not at all.

    For whoever started it, and for admins.
    """

    id: strawberry.ID = strawberry.field(description="The id of the saga.")
    type: str = strawberry.field(description="What kind of saga it is.")
    status: str = strawberry.field(
        description="started, in_progress, completed, failed, compensating, compensated, compensation_failed or cancelled."
    )
    current_step: str | None = strawberry.field(description="The step that it is at.")
    total_steps: int = strawberry.field(description="How many steps it has.")
    data: JSON = strawberry.field(description="What it was started with.")
    error: str | None = strawberry.field(description="What went wrong last.")
    error_code: str | None = strawberry.field(description="The code of that.")
    started_at: datetime = strawberry.field(description="When it was started.")
    completed_at: datetime | None = strawberry.field(description="When it ended.")
    view: strawberry.Private[View]

    @resolver
    def steps(self) -> list[SagaStep] | None:
        """Every step, in order."""
        return [SagaStep.of(step) for step in self.view.steps]

    @resolver
    def attempts(self) -> list[SagaAttempt] | None:
        """Every attempt and every word of an operator, in the order in which they began."""
        return [SagaAttempt.of(attempt) for attempt in self.view.attempts]

    @classmethod
    def of(cls, view: View) -> "Saga":
        """A saga out of the journal."""
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
        """A saga by its id, for those who may see it."""
        return await sight(info, checks.identifier(id, "id"))


async def sight(info: Info, saga_id: UUID) -> Saga:
    """A saga that the caller may see; to others it does not exist."""
    identity = info.context.require()
    view = await info.context.engine.view(saga_id)
    if not identity.is_admin and view.by != str(identity.user_id):
        raise NotFound("There is no such saga")
    return Saga.of(view)


def given(**values: Any) -> dict[str, str]:
    """The input of a saga: everything as text."""
    return {name: str(value) for name, value in values.items()}
