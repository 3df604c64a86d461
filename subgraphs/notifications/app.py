"""The wiring of the notifications service: makes its parts and connects them.

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
from subgraphs.notifications.handlers import COMMAND_HANDLERS, EVENT_HANDLERS
from subgraphs.notifications.loaders import NotificationsContext
from subgraphs.notifications.schema import schema
from subgraphs.notifications.sender import Sender

MIGRATIONS = Path(__file__).parent / "migrations"


def bootstrap(settings: ServiceSettings) -> Service:
    """Return the notifications service; the caller starts it."""
    database = Database(settings.database_url, clock=settings.clock)
    bus = Bus(database, COMMAND_HANDLERS)
    queue = Queue(settings.redis_url)
    return Service(
        "notifications",
        schema=schema,
        context=lambda caller: NotificationsContext(caller, database, bus),
        verifier=TokenVerifier(settings.jwt_public_key_file, settings.clock),
        database=database,
        migrations=MIGRATIONS,
        parts=[
            queue,
            Relay(database, queue.redis, "notifications"),
            Inbox(database, queue.redis, "notifications", ["users", "requests", "reviews"], EVENT_HANDLERS),
            Sender(bus),
        ],
    )
