"""The context that the read side's resolvers receive: the shared parts of the service, and the command side.

The read side needs no data loaders, because its queries load whole lists with one statement.
"""

from dataclasses import dataclass

from gateway.transport.base import Transport
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.service import Caller, ServiceContext
from subgraphs.read_side.command_side import CommandSide
from subgraphs.read_side.freshness import FreshnessMonitor
from subgraphs.read_side.rebuilds import Rebuilds


@dataclass(frozen=True, slots=True)
class ReadSideParts:
    """The parts of the service that the resolvers of all requests use."""

    freshness: FreshnessMonitor
    rebuilds: Rebuilds
    transport: Transport


class ReadContext(ServiceContext):
    """The context of one GraphQL request; `command_side` sends requests with its caller's authorization."""

    def __init__(self, caller: Caller, database: Database, parts: ReadSideParts) -> None:
        super().__init__(caller, database, Bus(database, {}))
        self.freshness = parts.freshness
        self.rebuilds = parts.rebuilds
        self.command_side = CommandSide(parts.transport, caller.authorization)
