"""The wiring of the reviews service: makes its parts and connects them.

`kit/serve` calls `bootstrap` to make the service, and starts it.
"""

from pathlib import Path

from subgraphs.kit.bus import Bus
from subgraphs.kit.commands.log import CommandLog
from subgraphs.kit.commands.recovery import Recovery
from subgraphs.kit.database import Database
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.queue import streams
from subgraphs.kit.queue.inbox import Inbox
from subgraphs.kit.queue.relay import Relay
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.reviews.handlers import COMMAND_HANDLERS, EVENT_HANDLERS, RESULTS
from subgraphs.reviews.loaders import ReviewsContext
from subgraphs.reviews.schema import schema

MIGRATIONS = Path(__file__).parent / "migrations"


def bootstrap(settings: ServiceSettings) -> Service:
    """Return the reviews service; the caller starts it."""
    database = Database(settings.database_url, clock=settings.clock)
    commands = CommandLog(database, COMMAND_HANDLERS, RESULTS)
    bus = Bus(database, COMMAND_HANDLERS, commands)
    queue = streams.Queue(settings.redis_url)
    inbox = Inbox(database, queue.redis, "reviews", ("requests", "payments"), EVENT_HANDLERS)
    return Service(
        "reviews",
        schema=schema,
        context=lambda caller: ReviewsContext(caller, database, bus),
        verifier=TokenVerifier(settings.jwt_public_key_file, settings.clock),
        database=database,
        migrations=MIGRATIONS,
        is_shared=True,
        parts=[queue, Relay(database, queue.redis, "reviews"), inbox, Recovery(database, commands)],
    )
