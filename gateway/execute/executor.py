"""Running the fetches of a plan: each one starts the moment all that it waits for is done."""

import asyncio
from collections.abc import Callable, Sequence

from gateway.execute.context import Context
from gateway.execute.fetch import run_fetch
from gateway.plan.nodes import Fetch, Plan

GoesOn = Callable[[Sequence[Fetch]], bool]


def _goes_on(_: Sequence[Fetch]) -> bool:
    return True


async def run_plan(plan: Plan, context: Context, goes_on: GoesOn = _goes_on) -> None:
    """Run a plan; afterwards the context holds the merged tree and the errors.

    `goes_on` is asked after each stage but the last: a mutation ends with the first root field that makes its answer null.
    When the caller is cancelled (the client has left), so is every fetch that is under way.
    """
    for number, stage in enumerate(plan.stages):
        if number and not goes_on(plan.stages[number - 1]):
            return
        if len(stage) == 1:
            await run_fetch(stage[0], context)
        elif stage:
            await _run_stage(stage, context)


async def _run_stage(stage: Sequence[Fetch], context: Context) -> None:
    waiting = {fetch.id: set(fetch.after) for fetch in stage}
    fetches = {fetch.id: fetch for fetch in stage}
    running: dict[asyncio.Task[None], int] = {}

    def start_ready() -> None:
        for number in [number for number, after in waiting.items() if not after]:
            del waiting[number]
            running[asyncio.ensure_future(run_fetch(fetches[number], context))] = number

    start_ready()
    try:
        while running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                number = running.pop(task)
                task.result()
                for after in waiting.values():
                    after.discard(number)
            start_ready()
    finally:
        for task in running:
            task.cancel()
