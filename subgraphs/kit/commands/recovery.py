"""Commands that were accepted and left behind are carried out by whichever process finds them.

Old ones are forgotten.
"""

import structlog
from sqlalchemy import text

from subgraphs.kit.commands.log import CommandLog
from subgraphs.kit.database import Database
from subgraphs.kit.tasks import Background

log = structlog.get_logger("subgraphs.recovery")

LEFT_SECONDS = 30.0
"""A command that nobody has touched for so long is left behind: requests do not last longer."""
OLDEST_SECONDS = 3600.0
"""What was asked for longer ago is not done any more.

Its sender may have no account by now, or have done otherwise.
"""
_LEFT = text(
    """
SELECT *, created_at < clock_timestamp() - make_interval(secs => :oldest) AS is_old FROM pending_commands
WHERE status IN ('pending', 'processing') AND updated_at < clock_timestamp() - make_interval(secs => :seconds)
ORDER BY updated_at LIMIT 50 FOR UPDATE SKIP LOCKED
"""
)
_OLD = text(
    "DELETE FROM pending_commands WHERE status IN ('completed', 'failed') AND updated_at < now() - interval '30 days'"
)


class Recovery(Background):
    """A part of the service; every process may have one, since carrying out a command locks it."""

    task_name = "recovery of commands"

    def __init__(self, database: Database, commands: CommandLog) -> None:
        self._database = database
        self._commands = commands

    async def sweep(self) -> int:
        """Carry out what was left behind; answer how many were looked at."""
        rows = await self._database.fetch_all(_LEFT, seconds=LEFT_SECONDS, oldest=OLDEST_SECONDS)
        for row in rows:
            try:
                await self._commands.recover(row)
            except Exception as error:
                log.warning("a command waits", command=str(row.command_id), reason=repr(error))
        return len(rows)

    async def _run(self) -> None:
        while True:
            try:
                if not await self.sweep():
                    await self._database.execute(_OLD)
            except Exception as error:
                log.warning("commands wait", reason=repr(error))
            await self._database.clock.sleep(LEFT_SECONDS / 2)
