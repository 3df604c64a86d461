"""What one request to the read side shares.

Who asks, the watch, the rebuilds, and the way to the command side.
"""

from dataclasses import dataclass

from gateway.transport.base import Transport
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.service import Caller, Context
from subgraphs.read_side.command_side import CommandSide
from subgraphs.read_side.rebuilds import Rebuilds
from subgraphs.read_side.watch import Watch


@dataclass(frozen=True, slots=True)
class Parts:
    """What lives as long as the service."""

    watch: Watch
    rebuilds: Rebuilds
    transport: Transport


class ReadContext(Context):
    """The context of a request to the read side."""

    def __init__(self, caller: Caller, database: Database, parts: Parts) -> None:
        super().__init__(caller, database, Bus(database, {}))
        self.watch = parts.watch
        self.rebuilds = parts.rebuilds
        self.command_side = CommandSide(parts.transport, caller.authorization)
