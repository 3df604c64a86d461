"""The wiring of the musicians service: makes its parts and connects them.

`kit/serve` calls `bootstrap` to make the service, and starts it.
"""

from pathlib import Path

from subgraphs.kit.bus import Bus
from subgraphs.kit.cached import Cached
from subgraphs.kit.client import TransportPart
from subgraphs.kit.commands.log import CommandLog
from subgraphs.kit.commands.recovery import Recovery
from subgraphs.kit.database import Database
from subgraphs.kit.event_store.archivist import Archivist
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.queue import streams
from subgraphs.kit.queue.relay import Relay
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.musicians.cached_profiles import from_read_side, profile_kind, read_side_transport
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
    cached = Cached(settings.redis_url, "musicians")
    transport = read_side_transport(settings)
    kind = profile_kind(database, from_read_side(transport) if transport is not None else None)
    return Service(
        "musicians",
        schema=schema,
        context=lambda caller: MusiciansContext(caller, database, bus, cached, kind),
        verifier=TokenVerifier(settings.jwt_public_key_file, settings.clock),
        database=database,
        migrations=MIGRATIONS,
        is_shared=True,
        parts=[
            *([TransportPart(transport)] if transport is not None else []),
            queue,
            cached,
            Relay(database, queue.redis, "musicians", invalidate=cached.invalidate),
            Recovery(database, commands),
            Archivist(database),
        ],
    )
