"""The wiring of the matching service: makes its parts and connects them.

`kit/serve` calls `bootstrap` to make the service, and starts it.
"""

from pathlib import Path

from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.queue.inbox import Inbox
from subgraphs.kit.queue.relay import Relay
from subgraphs.kit.queue.streams import Queue
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.matching.handlers import EVENT_HANDLERS, command_handlers
from subgraphs.matching.index import Index
from subgraphs.matching.loaders import MatchingContext
from subgraphs.matching.matcher import Matcher
from subgraphs.matching.schema import schema

MIGRATIONS = Path(__file__).parent / "migrations"


def bootstrap(settings: ServiceSettings) -> Service:
    """Return the matching service; the caller starts it."""
    database = Database(settings.database_url, clock=settings.clock)
    index = Index(database)
    matcher = Matcher(index)
    bus = Bus(database, command_handlers(matcher))
    queue = Queue(settings.redis_url)
    return Service(
        "matching",
        schema=schema,
        context=lambda caller: MatchingContext(caller, database, bus, matcher),
        verifier=TokenVerifier(settings.jwt_public_key_file, settings.clock),
        database=database,
        migrations=MIGRATIONS,
        is_shared=True,
        parts=[
            queue,
            index,
            Relay(database, queue.redis, "matching"),
            Inbox(database, queue.redis, "matching", ["musicians", "requests", "users"], EVENT_HANDLERS),
        ],
    )
