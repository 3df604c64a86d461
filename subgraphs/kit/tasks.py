"""The end of a background task."""

import asyncio


async def end(task: "asyncio.Task[None]") -> None:
    """Cancel a task until it is gone.

    Once is not always enough: a library beneath may lose a cancellation that arrives together with a result (Python
    3.11's `wait_for` does), and the task's loop would go on.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1.0)
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
