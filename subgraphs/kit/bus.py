"""The bus executes a service's commands: it calls each command's handler in a unit of work.

Mutations call it; the services' `app` modules register the handlers.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from subgraphs.kit.commands.log import CommandHandler, CommandLog
from subgraphs.kit.database import Database
from subgraphs.kit.messages import Command, Result
from subgraphs.kit.unit_of_work import UnitOfWork

__all__ = ["Bus", "CommandHandler"]


class Bus:
    """Dispatches the commands of a service to their handlers.

    With a `log`, each command has an id and is executed once (`kit/commands/log`).
    """

    def __init__(
        self,
        database: Database,
        handlers: Mapping[type[Command[Any]], CommandHandler],
        log: CommandLog | None = None,
    ) -> None:
        self._database = database
        self.clock = database.clock
        self._handlers = handlers
        self._log = log

    async def handle(self, command: Command[Result], command_id: UUID | None = None) -> Result:
        """Execute a command and return its result; its changes and its events are one transaction.

        `command_id`: the id that the caller chose (None: none), which is ignored without a log. Raises the
        errors of the handler and of the log.
        """
        if self._log is not None:
            logged: Result = await self._log.execute(command, command_id)
            return logged
        async with UnitOfWork(self._database) as uow:
            result: Result = await self._handlers[type(command)](uow, command)
        return result
