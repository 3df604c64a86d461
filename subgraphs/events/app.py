"""The wiring of the events service: makes its parts and connects them.

`kit/serve` calls `bootstrap` to make the service, and starts it.
"""

from pathlib import Path

from subgraphs.events import store
from subgraphs.events.schema import schema
from subgraphs.events.types import EventsContext
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.messages import Envelope
from subgraphs.kit.queue.inbox import ANY_TYPE, Inbox
from subgraphs.kit.queue.streams import Queue
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings, ServiceSettingsError
from subgraphs.kit.unit_of_work import UnitOfWork

MIGRATIONS = Path(__file__).parent / "migrations"


async def store_event(uow: UnitOfWork, envelope: Envelope) -> None:
    """Store an event of any type (a handler of events)."""
    await store.add(uow, envelope)


def bootstrap(settings: ServiceSettings) -> Service:
    """Return the events service; the caller starts it. Raises ServiceSettingsError without EVENT_SOURCES."""
    if not settings.event_sources:
        raise ServiceSettingsError(
            "service events: the environment lacks EVENT_SOURCES: set it to the names of the services"
            " whose events it stores, separated by commas"
        )
    database = Database(settings.database_url, clock=settings.clock)
    queue = Queue(settings.redis_url)
    return Service(
        settings.name,
        schema=schema,
        context=lambda caller: EventsContext(caller, database, Bus(database, {})),
        verifier=TokenVerifier(settings.jwt_public_key_file, settings.clock),
        database=database,
        migrations=MIGRATIONS,
        parts=[
            queue,
            Inbox(database, queue.redis, settings.name, settings.event_sources, {ANY_TYPE: store_event}),
        ],
    )
