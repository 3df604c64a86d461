"""A background task of a service that executes interrupted commands, and deletes ended ones after 30 days.

A command is interrupted if its process was killed or the database was unavailable (`log`).
"""

import structlog
from sqlalchemy import text

from subgraphs.kit.commands.log import CommandLog
from subgraphs.kit.database import Database
from subgraphs.kit.tasks import Background

log = structlog.get_logger("subgraphs.recovery")

ABANDONED_SECONDS = 30.0
"""A command that has not ended, and not changed for this time, was interrupted: no request lasts longer."""
OLDEST_SECONDS = 3600.0
"""A command older than this is not executed but marked as failed: its caller does not expect it any more."""
_ABANDONED = text(
    """
SELECT *, created_at < clock_timestamp() - make_interval(secs => :oldest) AS is_old FROM pending_commands
WHERE status IN ('pending', 'processing') AND updated_at < clock_timestamp() - make_interval(secs => :seconds)
ORDER BY updated_at LIMIT 50 FOR UPDATE SKIP LOCKED
"""
)
_OLD = text(
    "DELETE FROM pending_commands"
    " WHERE status IN ('completed', 'failed') AND updated_at < now() - interval '30 days'"
)


class Recovery(Background):
    """The background task.

    Every process of a service may run it: the execution of a command locks the command's row.
    """

    task_name = "recovery of commands"

    def __init__(self, database: Database, commands: CommandLog) -> None:
        self._database = database
        self._commands = commands

    async def sweep(self) -> int:
        """Try to execute up to 50 interrupted commands; return how many were found."""
        rows = await self._database.fetch_all(_ABANDONED, seconds=ABANDONED_SECONDS, oldest=OLDEST_SECONDS)
        for row in rows:
            try:
                await self._commands.recover(row)
            except Exception as error:
                log.warning(
                    "command could not be executed; retrying", command=str(row.command_id), reason=repr(error)
                )
        return len(rows)

    async def _run(self) -> None:
        while True:
            try:
                if not await self.sweep():
                    await self._database.execute(_OLD)
            except Exception as error:
                log.warning("recovery of commands failed; retrying", reason=repr(error))
            await self._database.clock.sleep(ABANDONED_SECONDS / 2)
