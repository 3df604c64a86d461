"""Background tasks: a part of a service that is one loop, and the cancellation of a task."""

import asyncio
from abc import ABC, abstractmethod


class Background(ABC):
    """A part of a service that runs one loop in the background; `task_name` is the name of its asyncio
    task.
    """

    task_name: str
    _task: "asyncio.Task[None] | None" = None

    async def start(self) -> None:
        """Start the loop."""
        self._task = asyncio.create_task(self._run(), name=self.task_name)

    async def stop(self) -> None:
        """Cancel the loop and wait for its end; uncommitted work is repeated after the next start."""
        if self._task is not None:
            await cancel(self._task)

    @abstractmethod
    async def _run(self) -> None:
        """Run until the task is cancelled."""


async def cancel(task: "asyncio.Task[None]") -> None:
    """Cancel a task, repeatedly until it has ended. Raises the task's error, if it failed.

    One cancellation is not always enough: Python 3.11's `wait_for` loses one that arrives together with a
    result, and the task's loop would continue.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1.0)
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
