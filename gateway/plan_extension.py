"""Answers requests that want their plan, with `extensions.plan`: the plan, and the calls of this execution.

Example, for `{ thing { name } }` over two subgraphs, shortened:

    {"text": "query plan: 2 fetches ...", "json": {"kind": "query", "stages": [...]}, "calls": [
        {"fetch": 0, "subgraph": "a", "startMs": 0.1, "durationMs": 2.0, "requestBytes": 40, ...},
        {"fetch": 1, "subgraph": "b", "startMs": 2.3, "durationMs": 1.4, "representations": 1, ...}]}

With a cache, `"cache"` says for each fetch how many of its values were in memory.
"""

import asyncio
from dataclasses import replace
from typing import Any

from gateway.core.envelope import Envelope
from gateway.core.errors import RequestError
from gateway.engine import Engine
from gateway.execute.cached.transport import CachedTransport
from gateway.execute.inputs import ExecutionInputs
from gateway.execution import EnvelopeCallback, execute
from gateway.pipeline import PreparedOperation
from gateway.plan.explain import formatted_request, plan_json, print_plan
from gateway.plan.nodes import Plan
from gateway.request.graphql_request import PlanWish
from gateway.settings import Settings
from gateway.transport.base import Handle, Transport
from gateway.transport.recorded import RecordedCall, RecordingTransport, facts_of


def shows_plan(settings: Settings, wish: PlanWish) -> bool:
    """Return whether a response may have its plan.

    Raises RequestError PLAN_HEADER_DISABLED if it may not and the request wants its plan only: an execution,
    perhaps of a mutation, is not what the client wants.
    """
    if wish == "only" and not settings.plan_header:
        message = "expected a request to execute, got one with `x-gateway-plan: only`; plans are not shown"
        raise RequestError(message, "PLAN_HEADER_DISABLED")
    return settings.plan_header


def answer_with_plan(
    engine: Engine,
    prepared: PreparedOperation,
    inputs: ExecutionInputs,
    wish: PlanWish,
    answered: EnvelopeCallback,
) -> Handle:
    """Answer a request with its plan; `answered` is called once, never before this function returns."""
    return asyncio.ensure_future(_answer(engine, prepared, inputs, wish, answered))


async def _answer(
    engine: Engine,
    prepared: PreparedOperation,
    inputs: ExecutionInputs,
    wish: PlanWish,
    answered: EnvelopeCallback,
) -> None:
    try:
        if wish == "only":
            plan = plan_extension(prepared.plan)
            envelope = Envelope({"data": None, "extensions": {"plan": plan}})
        else:
            envelope = await executed_with_plan(engine, prepared, inputs)
    except Exception as error:
        answered(error)
        return
    answered(envelope)


async def executed_with_plan(
    engine: Engine, prepared: PreparedOperation, inputs: ExecutionInputs
) -> Envelope:
    """Execute on the exact path, and return the response with the plan and the calls.

    No call is shared with another request, so that each one in the list was sent for this response alone.
    """
    recording = RecordingTransport(engine.transport, engine.clock)
    begin = engine.clock.time()
    queries: Transport = recording
    if isinstance(engine.queries, CachedTransport):
        queries = engine.queries.around(recording)
        inputs.context.cache_trace = []
    alone = replace(engine, transport=recording, queries=queries)
    envelope = await execute(alone, replace(prepared, program=None), inputs)
    response: Any = envelope.response
    plan = plan_extension(prepared.plan)
    plan["calls"] = [_call_json(one, begin) for one in recording.calls]
    if inputs.context.cache_trace is not None:
        plan["cache"] = inputs.context.cache_trace
    response.setdefault("extensions", {})["plan"] = plan
    return envelope


def plan_extension(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON data: as `text` for people, and as `json` for tools."""
    return {"text": print_plan(plan, formatted=True), "json": plan_json(plan, formatted=True)}


def _call_json(recorded: RecordedCall, begin: float) -> dict[str, Any]:
    return {**facts_of(recorded, begin), "operation": formatted_request(recorded.call.query)}
