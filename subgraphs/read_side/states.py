"""How the read models are, for admins."""

import asyncio
import enum
from datetime import datetime

import strawberry

from subgraphs.kit.graphql import enum_type, object_type
from subgraphs.read_side import store
from subgraphs.read_side.errors import why_unreadable
from subgraphs.read_side.routing import PATIENCE, Info
from subgraphs.read_side.tables import matches, musicians, requests

_TABLES = {"musicians": musicians, "requests": requests, "matching": matches}


@enum_type
class ReadModelState(enum.Enum):
    """Whether queries are answered from a read model."""

    SERVING = "serving"
    REBUILDING = "rebuilding"
    BEHIND = "behind"
    DOWN = "down"


@object_type()
class ProjectionLatency:
    """How long the newest events took, at most a thousand, from occurring to being visible in the read model,
    in milliseconds.

    Only those that this process applied since its start.
    """

    events: int = strawberry.field(description="How many there are.")
    p50_ms: float | None = strawberry.field(description="Half of them took no longer.")
    p95_ms: float | None = strawberry.field(description="95 percent of them took no longer.")
    p99_ms: float | None = strawberry.field(description="99 percent of them took no longer.")


@object_type()
class ReadModelRebuild:
    """Tables that are being filled anew while the old ones serve."""

    generation: int = strawberry.field(description="Their generation.")
    events_applied: int = strawberry.field(description="How many events are in them.")
    events_behind: int = strawberry.field(
        description="How many events are still to come; 10,000 are counted at most."
    )


@object_type()
class ReadModel:
    """A read model: how far it is, and whether queries may rely on it."""

    name: str = strawberry.field(description="Its name.")
    state: ReadModelState = strawberry.field(
        description="SERVING; REBUILDING: serving while new tables are filled; BEHIND or DOWN: the command side answers."
    )
    reason: str | None = strawberry.field(description="Why the command side answers.")
    generation: int | None = strawberry.field(description="The generation of the tables that serve.")
    revision: int | None = strawberry.field(description="The revision of the handlers that filled them.")
    rows: int | None = strawberry.field(description="How many rows it shows.")
    events_applied: int | None = strawberry.field(description="How many events are in it.")
    events_behind: int | None = strawberry.field(
        description="How many events of the local log it lacks; 10,000 are counted at most."
    )
    seconds_behind: float | None = strawberry.field(
        description="Since the oldest event that it lacks, in the local log or in the queue."
    )
    updated_at: datetime | None = strawberry.field(description="When it last took events in.")
    latency: ProjectionLatency = strawberry.field(description="How soon events are visible.")
    rebuild: ReadModelRebuild | None = strawberry.field(description="The rebuild that is under way.")


async def state_of(info: Info, name: str) -> ReadModel:
    """A read model as it was last seen."""
    freshness = info.context.freshness
    look, verdict = freshness.observation(name), freshness.verdict(name)
    serving, shadow = look.serving, look.shadow
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
        async with asyncio.timeout(PATIENCE):
            return await store.rows_in(info.context.database, _TABLES[name])
    except Exception as error:
        if why_unreadable(error) is None:
            raise
        return None
