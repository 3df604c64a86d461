"""Lets notifications go out when their time has come: a part of the service that looks every second."""

import structlog

from subgraphs.kit.bus import Bus
from subgraphs.kit.tasks import Background
from subgraphs.notifications.messages import SendDue

log = structlog.get_logger("subgraphs.notifications")

BATCH = 100
EVERY_SECONDS = 1.0


class Sender(Background):
    """Takes what is due until it is stopped; several processes share the work."""

    task_name = "sender of notifications"

    def __init__(self, bus: Bus) -> None:
        """Take over this bus."""
        self._bus = bus

    async def _run(self) -> None:
        while True:
            try:
                while await self._bus.handle(SendDue(most=BATCH)) == BATCH:
                    pass
            except Exception as error:
                log.warning("notifications wait", reason=type(error).__name__)
            await self._bus.clock.sleep(EVERY_SECONDS)
