"""Runs the fetches of a plan on the exact path, each as soon as its predecessors have ended.

`pipeline` calls it; `fetch` runs the single fetches.
"""

import asyncio
from collections.abc import Callable, Sequence

from gateway.execute.exact_run import ExactRun
from gateway.execute.fetch import run_fetch
from gateway.execute.schedule import Progress, schedule_of
from gateway.plan.nodes import Fetch, Plan

GoesOn = Callable[[Sequence[Fetch]], bool]


def _goes_on(_: Sequence[Fetch]) -> bool:
    return True


async def run_plan(plan: Plan, run: ExactRun, goes_on: GoesOn = _goes_on) -> None:
    """Run a plan; afterwards `run` contains the merged data and the errors.

    `goes_on(stage)` is called after each stage and returns whether the next one runs: a mutation ends after a
    root field that makes the whole response null. If the caller is cancelled, all fetches in progress are
    too.
    """
    for number, stage in enumerate(plan.stages):
        if number and not goes_on(plan.stages[number - 1]):
            return
        if len(stage) == 1:
            await run_fetch(stage[0], run)
        elif stage:
            await _run_stage(stage, run)


async def _run_stage(stage: Sequence[Fetch], run: ExactRun) -> None:
    schedule = schedule_of(stage)
    progress = Progress(schedule)
    running: dict[asyncio.Task[None], int] = {}

    def start(indexes: Sequence[int]) -> None:
        for index in indexes:
            running[asyncio.ensure_future(run_fetch(stage[index], run))] = index

    start(schedule.first)
    try:
        while running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                index = running.pop(task)
                task.result()
                start(progress.ended(index))
    finally:
        for task in running:
            task.cancel()
