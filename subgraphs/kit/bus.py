"""The bus takes a command to its handler, inside a unit of work."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from subgraphs.kit.database import Database
from subgraphs.kit.messages import Command, Result
from subgraphs.kit.unit_of_work import UnitOfWork

CommandHandler = Callable[[UnitOfWork, Any], Awaitable[Any]]


class Bus:
    """Knows the handler of every command of a service."""

    def __init__(self, database: Database, handlers: Mapping[type[Command[Any]], CommandHandler]) -> None:
        self._database = database
        self._handlers = handlers

    async def handle(self, command: Command[Result]) -> Result:
        """Carry out a command: all of it and its events, or nothing."""
        async with UnitOfWork(self._database) as uow:
            result: Result = await self._handlers[type(command)](uow, command)
        return result
