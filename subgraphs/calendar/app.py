"""The wiring of the calendar service: makes its parts and connects them.

`kit/serve` calls `bootstrap` to make the service, and starts it.
"""

from pathlib import Path

from subgraphs.calendar.handlers import COMMAND_HANDLERS, EVENT_HANDLERS, RESULTS
from subgraphs.calendar.loaders import CalendarContext
from subgraphs.calendar.schema import schema
from subgraphs.kit.bus import Bus
from subgraphs.kit.commands.log import CommandLog
from subgraphs.kit.commands.recovery import Recovery
from subgraphs.kit.database import Database
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.queue.inbox import Inbox
from subgraphs.kit.queue.relay import Relay
from subgraphs.kit.queue.streams import Queue
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings

MIGRATIONS = Path(__file__).parent / "migrations"


def bootstrap(settings: ServiceSettings) -> Service:
    """Return the calendar service; the caller starts it."""
    database = Database(settings.database_url, clock=settings.clock)
    commands = CommandLog(database, COMMAND_HANDLERS, RESULTS)
    bus = Bus(database, COMMAND_HANDLERS, commands)
    queue = Queue(settings.redis_url)
    return Service(
        "calendar",
        schema=schema,
        context=lambda caller: CalendarContext(caller, database, bus),
        verifier=TokenVerifier(settings.jwt_public_key_file, settings.clock),
        database=database,
        migrations=MIGRATIONS,
        is_shared=True,
        parts=[
            queue,
            Relay(database, queue.redis, "calendar"),
            Inbox(database, queue.redis, "calendar", ["musicians"], EVENT_HANDLERS),
            Recovery(database, commands),
        ],
    )
