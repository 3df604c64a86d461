"""The GraphQL types for the states of the read models, which admins query (`readModels`)."""

import asyncio
import enum
from datetime import datetime

import strawberry

from subgraphs.kit.graphql import enum_type, enum_value, object_type
from subgraphs.kit.records import count
from subgraphs.read_side.errors import why_unreadable
from subgraphs.read_side.routing import READ_TIMEOUT, Info
from subgraphs.read_side.tables import matches, musicians, requests

_TABLES = {"musicians": musicians, "requests": requests, "matching": matches}


@enum_type
class ReadModelState(enum.Enum):
    """The state of a read model."""

    SERVING = enum_value("serving", "It answers queries.")
    REBUILDING = enum_value("rebuilding", "It answers queries, while new tables are filled.")
    BEHIND = enum_value("behind", "It is too far behind the events: the command side answers.")
    DOWN = enum_value("down", "It cannot be read: the command side answers.")


@object_type()
class ProjectionLatency:
    """Percentiles of the time from an event's occurrence until it is visible in the read model.

    They are computed from the newest events, at most 1,000, that this process has applied since its start.
    """

    events: int = strawberry.field(description="The number of events.")
    p50_ms: float | None = strawberry.field(description="The median in milliseconds.")
    p95_ms: float | None = strawberry.field(description="The 95th percentile in milliseconds.")
    p99_ms: float | None = strawberry.field(description="The 99th percentile in milliseconds.")


@object_type()
class ReadModelRebuild:
    """A running rebuild, which fills new tables while the old ones serve."""

    generation: int = strawberry.field(description="The generation of the new tables.")
    events_applied: int = strawberry.field(description="The number of events that were applied.")
    events_behind: int = strawberry.field(
        description="The number of events that are to be applied, at most 10,000."
    )


@object_type()
class ReadModel:
    """The state of a read model."""

    name: str = strawberry.field(description="The name of the read model.")
    state: ReadModelState = strawberry.field(
        description="SERVING; REBUILDING: serving while new tables are filled; "
        "BEHIND or DOWN: the command side answers."
    )
    reason: str | None = strawberry.field(description="Why the command side answers; null if it does not.")
    generation: int | None = strawberry.field(description="The generation of the serving tables.")
    revision: int | None = strawberry.field(
        description="The revision of the handlers that filled the serving tables."
    )
    rows: int | None = strawberry.field(description="The number of visible rows.")
    events_applied: int | None = strawberry.field(description="The number of events that were applied.")
    events_behind: int | None = strawberry.field(
        description="The number of events in the local log that are to be applied, at most 10,000."
    )
    seconds_behind: float | None = strawberry.field(
        description="The age of the oldest event in the local log or the queue that is to be applied."
    )
    updated_at: datetime | None = strawberry.field(description="When events were last applied.")
    latency: ProjectionLatency = strawberry.field(description="How soon events become visible.")
    rebuild: ReadModelRebuild | None = strawberry.field(description="The running rebuild; null without one.")


async def read_model_state(info: Info, name: str) -> ReadModel:
    """Return the state of a read model at its last observation (`freshness`); only its rows are
    counted now.
    """
    freshness = info.context.freshness
    observation, verdict = freshness.observation(name), freshness.verdict(name)
    serving, shadow = observation.serving, observation.shadow
    latencies = freshness.models[name].latencies
    p50, p95, p99 = latencies.percentiles((50, 95, 99))
    if verdict.trusted:
        state = ReadModelState.SERVING if shadow is None else ReadModelState.REBUILDING
    else:
        state = ReadModelState.DOWN if verdict.seconds is None else ReadModelState.BEHIND
    return ReadModel(
        name=name,
        state=state,
        reason=verdict.reason,
        generation=serving.generation if serving else None,
        revision=serving.revision if serving else None,
        rows=await _rows(info, name) if serving else None,
        events_applied=serving.events_applied if serving else None,
        events_behind=serving.events if serving else None,
        seconds_behind=verdict.seconds,
        updated_at=serving.updated_at if serving else None,
        latency=ProjectionLatency(events=len(latencies), p50_ms=p50, p95_ms=p95, p99_ms=p99),
        rebuild=ReadModelRebuild(
            generation=shadow.generation, events_applied=shadow.events_applied, events_behind=shadow.events
        )
        if shadow
        else None,
    )


async def _rows(info: Info, name: str) -> int | None:
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            return await count(info.context.database, _TABLES[name])
    except Exception as error:
        if why_unreadable(error) is None:
            raise
        return None
