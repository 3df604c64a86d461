"""The GraphQL types of the orchestration subgraph, made from the journal of sagas, and the context of
requests.
"""

from collections.abc import Mapping
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
from subgraphs.kit.graphql import REFERENCE, for_role, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.orchestration.engine import SagaEngine
from subgraphs.orchestration.enums import (
    AttemptKind,
    AttemptOutcome,
    SagaStatus,
    SagaType,
    StepStatus,
)
from subgraphs.orchestration.failures import reason_of


class OrchestrationContext(ServiceContext):
    """The context of one GraphQL request, with the saga engine."""

    def __init__(self, caller: Caller, database: Database, bus: Bus, engine: SagaEngine) -> None:
        super().__init__(caller, database, bus)
        self.engine = engine


Info = strawberry.Info[OrchestrationContext, None]


@object_type(keys=[REFERENCE])
class Booking:
    """A booking, of which this subgraph has the id only."""

    uuid: strawberry.ID


@object_type(keys=[REFERENCE])
class MusicianRequest:
    """A request, of which this subgraph has the id only."""

    uuid: strawberry.ID


@object_type(keys=[REFERENCE])
class User:
    """A user, of whom this subgraph has the id only."""

    uuid: strawberry.ID


def user_of(key: str) -> User | None:
    """Return the user with this UUID; None for the name of a service, or an empty text."""
    return User(uuid=strawberry.ID(key)) if uuid_of(key) else None


@object_type()
class SagaAttempt:
    """One attempt at a step, or a command of an operator."""

    step: str | None = strawberry.field(description="The step; null for an operator's command.")
    kind: AttemptKind = strawberry.field(description="What it was to do.")
    number: int = strawberry.field(description="The number of the attempt at the step.")
    outcome: AttemptOutcome | None = strawberry.field(
        description="How it ended; null while the attempt runs."
    )
    error: str | None = strawberry.field(description="The error of the attempt, or the operator's reason.")
    started_at: datetime = strawberry.field(description="When the attempt started.")
    ended_at: datetime | None = strawberry.field(description="When the attempt ended.")
    view: strawberry.Private[AttemptView]

    @resolver
    def by(self) -> User | None:
        """The operator; null for an attempt at a step."""
        return user_of(self.view.by)

    @classmethod
    def of(cls, view: AttemptView) -> "SagaAttempt":
        """Return the GraphQL object of an attempt in the journal."""
        return cls(
            step=view.step or None,
            kind=AttemptKind(view.direction),
            number=view.number,
            outcome=None if view.outcome is None else AttemptOutcome(view.outcome),
            error=view.error,
            started_at=view.started_at,
            ended_at=view.ended_at,
            view=view,
        )


@object_type()
class SagaStep:
    """One step of a saga."""

    number: int = strawberry.field(description="The position of the step, from 1.")
    name: str = strawberry.field(description="The name of the step.")
    service: str = strawberry.field(description="The service that executes the step.")
    status: StepStatus = strawberry.field(description="The status of the step.")
    attempts: int = strawberry.field(description="The number of attempts to do or undo the step.")
    error: str | None = strawberry.field(description="The error of the last failed attempt.")
    started_at: datetime | None = strawberry.field(description="When the first attempt started.")
    completed_at: datetime | None = strawberry.field(description="When the step was done or undone.")
    view: strawberry.Private[StepView]

    @for_role("admin")
    def result(self, info: Info) -> JSON | None:
        """The result of the step; for admins."""
        info.context.require_role("admin")
        return None if self.view.result is None else JSON(self.view.result)

    @classmethod
    def of(cls, view: StepView) -> "SagaStep":
        """Return the GraphQL object of a step in the journal."""
        return cls(
            number=view.number + 1,
            name=view.name,
            service=view.service,
            status=StepStatus(view.status),
            attempts=view.attempts,
            error=view.error,
            started_at=view.started_at,
            completed_at=view.completed_at,
            view=view,
        )


@object_type()
class SagaFailure:
    """Why a saga has not done what it was started for."""

    code: str | None = strawberry.field(description="The code of the error, such as CONFLICT.")
    message: str = strawberry.field(description="The message of the error, in English, for people.")
    step: str | None = strawberry.field(description="The name of the step that failed.")


@object_type(keys=["uuid"])
class Saga:
    """An operation over several services, which is done in all of them or undone.

    For the user who started it and for admins.
    """

    uuid: strawberry.ID
    type: SagaType = strawberry.field(description="The type of the saga.")
    status: SagaStatus = strawberry.field(description="The status of the saga.")
    current_step: str | None = strawberry.field(description="The name of the current step.")
    total_steps: int = strawberry.field(description="The number of steps.")
    started_at: datetime = strawberry.field(description="When the saga was started.")
    completed_at: datetime | None = strawberry.field(description="When the saga ended.")
    view: strawberry.Private[SagaView]

    @resolver
    def booking(self) -> Booking | None:
        """The booking that the saga makes or changes; null before it is made."""
        key = find_fact(self.view, "bookingId")
        return Booking(uuid=strawberry.ID(key)) if key else None

    @resolver
    def request(self) -> MusicianRequest | None:
        """The request that the saga changes."""
        key = find_fact(self.view, "requestId")
        return MusicianRequest(uuid=strawberry.ID(key)) if key else None

    @resolver
    def started_by(self) -> User | None:
        """The user who started the saga; null if it follows from another one, or from an event."""
        return user_of(self.view.by)

    @resolver
    def failure(self) -> SagaFailure | None:
        """Why the saga has not succeeded; null while it runs without an error, and after its completion."""
        return failure_of(self.view)

    @for_role("admin")
    def data(self, info: Info) -> JSON | None:
        """The input of the saga; for admins."""
        info.context.require_role("admin")
        return JSON(dict(self.view.data))

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
            uuid=strawberry.ID(str(view.id)),
            type=SagaType(view.saga_type),
            status=SagaStatus(view.status),
            current_step=current.name if current else None,
            total_steps=len(view.steps),
            started_at=view.started_at,
            completed_at=view.completed_at,
            view=view,
        )

    @classmethod
    async def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "Saga | None":
        """Return the saga with this id. Raises Unauthenticated, NotFound."""
        return await load_saga(info, checks.identifier(uuid, "uuid"))


def find_fact(view: SagaView, name: str) -> str | None:
    """Return a value of the saga's input, or of the results of its steps; None if none of them has it."""
    sources: list[Mapping[str, Any]] = [view.data, *(step.result or {} for step in view.steps)]
    found = [source[name] for source in sources if source.get(name)]
    return str(found[0]) if found else None


def failure_of(view: SagaView) -> SagaFailure | None:
    """Return why a saga has not succeeded; None without an error."""
    reason = reason_of(view)
    return None if reason is None else SagaFailure(code=reason.code, message=reason.message, step=reason.step)


async def load_saga(info: Info, saga_id: UUID) -> Saga:
    """Return a saga that the caller has started, or any saga for admins.

    Raises Unauthenticated, and NotFound also for another user's saga.
    """
    identity = info.context.require()
    view = await info.context.engine.view(saga_id)
    if not identity.is_admin and view.by != str(identity.user_id):
        raise NotFound(f"There is no saga with the id {saga_id}")
    return Saga.of(view)
