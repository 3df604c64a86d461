"""The wiring of the notifications service: makes its parts and connects them.

`kit/serve` calls `bootstrap` to make the service, and starts it.
"""

from pathlib import Path

from gateway.settings import ConnectionSettings
from gateway.transport.base import Transport
from gateway.transport.http import HttpTransport
from subgraphs.kit.bus import Bus
from subgraphs.kit.client import ServiceClient, TransportPart, authorization
from subgraphs.kit.database import Database
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.queue.inbox import Inbox
from subgraphs.kit.queue.relay import Relay
from subgraphs.kit.queue.streams import Queue
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.tasks import Background
from subgraphs.notifications.addresses import SELF, Addresses
from subgraphs.notifications.deliverer import Deliverer, Skipper
from subgraphs.notifications.handlers import COMMAND_HANDLERS, EVENT_HANDLERS
from subgraphs.notifications.loaders import NotificationsContext
from subgraphs.notifications.mailbox_page import MailboxPage
from subgraphs.notifications.schema import schema
from subgraphs.notifications.sender import Sender
from subgraphs.notifications.settings import NAMES, NotificationsSettings

MIGRATIONS = Path(__file__).parent / "migrations"


def bootstrap(settings: ServiceSettings, transport: Transport | None = None) -> Service:
    """Return the notifications service; the caller starts it.

    `transport`: the transport to the users service, by default HTTP to `settings.service_urls`. Without
    JWT_PRIVATE_KEY_FILE, with which it asks for addresses, nothing is sent: deliveries wait. Raises
    ServiceSettingsError for a wrong variable (`notifications/settings`).
    """
    own = NotificationsSettings.of(settings)
    transport = transport or HttpTransport(settings.service_urls, ConnectionSettings(connect_timeout=2.0))
    database = Database(settings.database_url, clock=settings.clock)
    bus = Bus(database, COMMAND_HANDLERS)
    queue = Queue(settings.redis_url)
    service = Service(
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
            TransportPart(transport),
            *_deliverers(settings, own, database, transport),
        ],
    )
    if own.shown_mailbox is not None:
        service.asgi = MailboxPage(service.asgi, own.shown_mailbox)
    return service


def _deliverers(
    settings: ServiceSettings, own: NotificationsSettings, database: Database, transport: Transport
) -> list[Background]:
    """Return the parts that send messages, and those that skip what nothing can send."""
    if settings.jwt_private_key_file is None:
        return []
    client = ServiceClient(transport, authorization(settings.jwt_private_key_file, SELF, settings.clock))
    sending = [Deliverer(database, channel, Addresses(client), own.site) for channel in own.channels]
    absent = [name for name in NAMES if name not in {channel.name for channel in own.channels}]
    return [*sending, *(Skipper(database, name, f"no server for {name} is set") for name in absent)]
