"""Tests of the cancellation of background tasks."""

import asyncio
import contextlib

import pytest

from subgraphs.kit.tasks import cancel


async def test_a_task_that_loses_a_cancellation_ends() -> None:
    """A task that ignores the first cancellation is cancelled again."""
    lost = 0

    async def deaf() -> None:
        nonlocal lost
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        lost += 1
        await asyncio.sleep(60)

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await asyncio.wait_for(cancel(task), 5)
    assert (lost, task.cancelled()) == (1, True)


async def test_an_error_is_not_lost() -> None:
    """`cancel` raises the error of a task that had failed."""

    async def broken() -> None:
        raise ZeroDivisionError

    task = asyncio.create_task(broken())
    await asyncio.sleep(0)
    with pytest.raises(ZeroDivisionError):
        await cancel(task)
