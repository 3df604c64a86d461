"""The command handlers of the payments service: there are none.

Only sagas move money (`steps`), and their calls contain all facts about a booking that the service needs.
"""

from collections.abc import Mapping
from typing import Any

from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.messages import Command

COMMAND_HANDLERS: Mapping[type[Command[Any]], CommandHandler] = {}
