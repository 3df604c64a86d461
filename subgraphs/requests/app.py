"""The wiring of the requests service: makes its parts and connects them.

`kit/serve` calls `bootstrap` to make the service, and starts it.
"""

from pathlib import Path

from gateway.settings import ConnectionSettings
from gateway.transport.base import Transport
from gateway.transport.http import HttpTransport
from subgraphs.kit.bus import Bus
from subgraphs.kit.client import TransportPart
from subgraphs.kit.commands.log import CommandLog
from subgraphs.kit.commands.recovery import Recovery
from subgraphs.kit.database import Database
from subgraphs.kit.event_store.archivist import Archivist
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.queue.inbox import Inbox
from subgraphs.kit.queue.relay import Relay
from subgraphs.kit.queue.streams import Queue
from subgraphs.kit.service import Caller, Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.requests.handlers import COMMAND_HANDLERS, EVENT_HANDLERS, RESULTS
from subgraphs.requests.loaders import RequestsContext
from subgraphs.requests.schema import schema
from subgraphs.requests.skills import SkillOwner

MIGRATIONS = Path(__file__).parent / "migrations"


def bootstrap(settings: ServiceSettings, transport: Transport | None = None) -> Service:
    """Return the requests service; the caller starts it.

    `transport`: the transport to the musicians service, by default HTTP to `settings.service_urls`. Without
    its URL, the ids of skills are not checked.
    """
    if transport is None and "musicians" in settings.service_urls:
        transport = HttpTransport(settings.service_urls, ConnectionSettings(connect_timeout=2.0))
    skill_owner = SkillOwner(transport)
    database = Database(settings.database_url, clock=settings.clock)
    queue = Queue(settings.redis_url)
    commands = CommandLog(database, COMMAND_HANDLERS, RESULTS)
    bus = Bus(database, COMMAND_HANDLERS, commands)

    def context(caller: Caller) -> RequestsContext:
        return RequestsContext(caller, database, bus, settings.max_offers, skill_owner)

    return Service(
        settings.name,
        schema=schema,
        context=context,
        verifier=TokenVerifier(settings.jwt_public_key_file, settings.clock),
        database=database,
        migrations=MIGRATIONS,
        is_shared=True,
        parts=[
            *([] if transport is None else [TransportPart(transport)]),
            queue,
            Relay(database, queue.redis, settings.name),
            Recovery(database, commands),
            Archivist(database),
            Inbox(database, queue.redis, settings.name, ["musicians", "users"], EVENT_HANDLERS),
        ],
    )
