"""The sync service, put together."""

from pathlib import Path

from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.inbox import EVERY, Inbox
from subgraphs.kit.serve import SERVICES
from subgraphs.kit.service import Context, Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.streams import Queue
from subgraphs.sync.handlers import command_handlers
from subgraphs.sync.keeping import see
from subgraphs.sync.listener import Listener
from subgraphs.sync.schema import schema

MIGRATIONS = Path(__file__).parent / "migrations"


def bootstrap(settings: ServiceSettings) -> Service:
    """Settings in, service out."""
    database = Database(settings.database_url)
    queue = Queue(settings.redis_url)
    bus = Bus(database, command_handlers(queue.redis))
    sources = [name for name in SERVICES if name != settings.name]
    return Service(
        settings.name,
        schema=schema,
        context=lambda caller: Context(caller, database, bus),
        verifier=TokenVerifier(settings.jwt_public_key_file),
        database=database,
        migrations=MIGRATIONS,
        parts=[
            queue,
            Listener(database, queue.redis, settings.name, sources),
            Inbox(database, queue.redis, settings.name, sources, {EVERY: see}),
        ],
    )
