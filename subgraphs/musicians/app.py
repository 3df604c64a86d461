"""The wiring of the musicians service: makes its parts and connects them.

`kit/serve` calls `bootstrap` to make the service, and starts it.
"""

from pathlib import Path

from subgraphs.kit.bus import Bus
from subgraphs.kit.commands.log import CommandLog
from subgraphs.kit.commands.recovery import Recovery
from subgraphs.kit.database import Database
from subgraphs.kit.event_store.archivist import Archivist
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.queue import streams
from subgraphs.kit.queue.relay import Relay
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.musicians.handlers import COMMAND_HANDLERS, RESULTS
from subgraphs.musicians.loaders import MusiciansContext
from subgraphs.musicians.schema import schema

MIGRATIONS = Path(__file__).parent / "migrations"


def bootstrap(settings: ServiceSettings) -> Service:
    """Return the musicians service; the caller starts it."""
    database = Database(settings.database_url, clock=settings.clock)
    commands = CommandLog(database, COMMAND_HANDLERS, RESULTS)
    bus = Bus(database, COMMAND_HANDLERS, commands)
    queue = streams.Queue(settings.redis_url)
    return Service(
        "musicians",
        schema=schema,
        context=lambda caller: MusiciansContext(caller, database, bus),
        verifier=TokenVerifier(settings.jwt_public_key_file, settings.clock),
        database=database,
        migrations=MIGRATIONS,
        parts=[
            queue,
            Relay(database, queue.redis, "musicians"),
            Recovery(database, commands),
            Archivist(database),
        ],
    )
