"""Background tasks of services: a base class for parts that run one loop, and a safe cancellation."""

import asyncio
from abc import ABC, abstractmethod


class Background(ABC):
    """A part of a service that runs one loop as an asyncio task with the name `task_name`."""

    task_name: str
    _task: "asyncio.Task[None] | None" = None

    async def start(self) -> None:
        """Start the loop in a task."""
        self._task = asyncio.create_task(self._run(), name=self.task_name)

    async def stop(self) -> None:
        """Cancel the task and wait for its end; work that was not committed is repeated after the
        next start.
        """
        if self._task is not None:
            await cancel(self._task)

    @abstractmethod
    async def _run(self) -> None:
        """Run the loop until the task is cancelled; subclasses implement it."""


async def cancel(task: "asyncio.Task[None]") -> None:
    """Cancel a task, again every second until it has ended. Raises the task's error, if it failed.

    One cancellation is not always enough: Python 3.11's `wait_for` ignores a cancellation that arrives
    together with a result, and the task's loop would continue.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1.0)
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
