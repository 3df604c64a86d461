"""The bus takes a command to its handler, inside a unit of work."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from subgraphs.kit.commands.log import CommandHandler, CommandLog
from subgraphs.kit.database import Database
from subgraphs.kit.messages import Command, Result
from subgraphs.kit.unit_of_work import UnitOfWork

__all__ = ["Bus", "CommandHandler"]


class Bus:
    """Knows the handler of every command of a service.

    With a `log`, they have ids and are carried out once: see `kit/commands/log`.
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
        """Carry out a command: all of it and its events, or nothing; under one id, once."""
        if self._log is not None:
            found: Result = await self._log.execute(command, command_id)
            return found
        async with UnitOfWork(self._database) as uow:
            result: Result = await self._handlers[type(command)](uow, command)
        return result
