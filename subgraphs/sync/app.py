"""The wiring of the sync service: makes its parts and connects them.

`kit/serve` calls `bootstrap` to make the service, and starts it.
"""

from pathlib import Path
from uuid import UUID

from gateway.settings import ConnectionSettings
from gateway.transport.base import Transport
from gateway.transport.http import HttpTransport
from subgraphs.kit.bus import Bus
from subgraphs.kit.client import ServiceClient, authorization
from subgraphs.kit.database import Database
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.queue.inbox import ANY_TYPE, Inbox
from subgraphs.kit.queue.streams import Queue
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings, ServiceSettingsError
from subgraphs.sync.confirmation_reader import ConfirmationReader
from subgraphs.sync.consistency import Checker
from subgraphs.sync.handlers import command_handlers
from subgraphs.sync.recording import record_event
from subgraphs.sync.schema import schema
from subgraphs.sync.types import SyncContext

MIGRATIONS = Path(__file__).parent / "migrations"


SELF = UUID(int=0x73796E63)  # the id of this service as a caller of others: "sync" in ASCII


def bootstrap(settings: ServiceSettings, transport: Transport | None = None) -> Service:
    """Return the sync service; the caller starts it.

    `transport`: the transport to the other services, by default HTTP to `settings.service_urls`. Raises
    ServiceSettingsError without JWT_PRIVATE_KEY_FILE or EVENT_SOURCES.
    """
    private_key = _private_key(settings)
    transport = transport or HttpTransport(settings.service_urls, ConnectionSettings(connect_timeout=2.0))
    database = Database(settings.database_url, clock=settings.clock)
    queue = Queue(settings.redis_url)
    bus = Bus(database, command_handlers(queue.redis))
    client = ServiceClient(transport, authorization(private_key, SELF, settings.clock))
    checker = Checker(database, client)
    return Service(
        settings.name,
        schema=schema,
        context=lambda caller: SyncContext(caller, database, bus, checker),
        verifier=TokenVerifier(settings.jwt_public_key_file, settings.clock),
        database=database,
        migrations=MIGRATIONS,
        parts=[
            queue,
            ConfirmationReader(database, queue.redis, settings.name, settings.event_sources),
            Inbox(database, queue.redis, settings.name, settings.event_sources, {ANY_TYPE: record_event}),
            checker,
        ],
    )


def _private_key(settings: ServiceSettings) -> Path:
    """Return the file of the services' private key. Raises ServiceSettingsError if a setting is missing."""
    if settings.jwt_private_key_file is None:
        raise ServiceSettingsError(
            "service sync: the environment lacks JWT_PRIVATE_KEY_FILE: set it to the path of the"
            " PEM file with the key that signs services' tokens"
        )
    if not settings.event_sources:
        raise ServiceSettingsError(
            "service sync: the environment lacks EVENT_SOURCES: set it to the names of the services"
            " whose events it shows, separated by commas"
        )
    return settings.jwt_private_key_file
