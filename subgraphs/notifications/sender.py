"""A background task that makes the deliveries of due notifications every second, by the command SendDue.

`deliverer` sends them.
"""

import structlog

from subgraphs.kit.bus import Bus
from subgraphs.kit.tasks import Background
from subgraphs.notifications.messages import SendDue

log = structlog.get_logger("subgraphs.notifications")

BATCH = 100
EVERY_SECONDS = 1.0


class Sender(Background):
    """The background task.

    Several processes may run it, because SendDue gives each notification to one of them only.
    """

    task_name = "sender of notifications"

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def _run(self) -> None:
        while True:
            try:
                while await self._bus.handle(SendDue(most=BATCH)) == BATCH:
                    pass
            except Exception as error:
                log.warning("sending of notifications failed; retrying", reason=type(error).__name__)
            await self._bus.clock.sleep(EVERY_SECONDS)
