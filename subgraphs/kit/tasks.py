"""Background tasks: a part that is one loop, and the end of a task."""

import asyncio
from abc import ABC, abstractmethod


class Background(ABC):
    """A part of a service that is one loop beside the requests.

    `task_name` names it for whoever looks at tasks.
    """

    task_name: str
    _task: "asyncio.Task[None] | None" = None

    async def start(self) -> None:
        """Begin in the background."""
        self._task = asyncio.create_task(self._run(), name=self.task_name)

    async def stop(self) -> None:
        """End; what was not committed is done after the next start, or by another process."""
        if self._task is not None:
            await cancel(self._task)

    @abstractmethod
    async def _run(self) -> None:
        """The loop, which ends when it is cancelled."""


async def cancel(task: "asyncio.Task[None]") -> None:
    """Cancel a task until it is gone.

    Once is not always enough: a library beneath may lose a cancellation that arrives together with a result
    (Python 3.11's `wait_for` does), and the task's loop would go on.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1.0)
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
