"""The use cases of the payments service but for its steps: there are none.

Money moves by sagas alone (`steps`), and everything that the service has to know of a booking comes with
their orders.
"""

from collections.abc import Mapping
from typing import Any

from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.messages import Command

COMMAND_HANDLERS: Mapping[type[Command[Any]], CommandHandler] = {}
