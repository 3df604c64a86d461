"""The wiring of the payments service: makes its parts and connects them.

`kit/serve` calls `bootstrap` to make the service, and starts it.
"""

from pathlib import Path

from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.event_store.archivist import Archivist
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.queue.relay import Relay
from subgraphs.kit.queue.streams import Queue
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.payments.handlers import COMMAND_HANDLERS
from subgraphs.payments.loaders import PaymentsContext
from subgraphs.payments.schema import schema

MIGRATIONS = Path(__file__).parent / "migrations"


def bootstrap(settings: ServiceSettings) -> Service:
    """Return the payments service; the caller starts it."""
    database = Database(settings.database_url, clock=settings.clock)
    bus = Bus(database, COMMAND_HANDLERS)
    queue = Queue(settings.redis_url)
    return Service(
        "payments",
        schema=schema,
        context=lambda caller: PaymentsContext(caller, database, bus),
        verifier=TokenVerifier(settings.jwt_public_key_file, settings.clock),
        database=database,
        migrations=MIGRATIONS,
        parts=[queue, Relay(database, queue.redis, "payments"), Archivist(database)],
    )
