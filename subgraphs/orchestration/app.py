"""The wiring of the orchestration service: makes its parts and connects them.

`kit/serve` calls `bootstrap` to make the service, and starts it.
"""

from pathlib import Path
from uuid import UUID

from gateway.saga.runner import RunnerSettings
from gateway.settings import ConnectionSettings
from gateway.transport.base import Transport
from gateway.transport.http import HttpTransport
from subgraphs.kit.bus import Bus
from subgraphs.kit.client import ServiceClient, authorization
from subgraphs.kit.database import Database
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.queue.inbox import Inbox
from subgraphs.kit.queue.relay import Relay
from subgraphs.kit.queue.streams import Queue
from subgraphs.kit.service import Caller, Part, Service
from subgraphs.kit.settings import ServiceSettings, ServiceSettingsError
from subgraphs.orchestration.engine import SagaEngine
from subgraphs.orchestration.handlers import event_handlers
from subgraphs.orchestration.pages import Dashboard
from subgraphs.orchestration.sagas import sagas
from subgraphs.orchestration.schema import schema
from subgraphs.orchestration.types import OrchestrationContext

MIGRATIONS = Path(__file__).parent / "migrations"
SELF = UUID(int=0x6F7263686573747261)  # the id of this service as a caller of others: "orchestra" in ASCII


def bootstrap(
    settings: ServiceSettings, transport: Transport | None = None, pace: RunnerSettings | None = None
) -> Service:
    """Return the orchestration service; the caller starts it.

    `transport`: the transport to the other services, by default HTTP to `settings.service_urls`. `pace`: the
    settings of the saga worker. Raises ServiceSettingsError without JWT_PRIVATE_KEY_FILE.
    """
    if settings.jwt_private_key_file is None:
        raise ServiceSettingsError(
            "service orchestration: the environment lacks JWT_PRIVATE_KEY_FILE:"
            " set it to the path of the PEM file with the key that signs services' tokens"
        )
    transport = transport or HttpTransport(settings.service_urls, ConnectionSettings(connect_timeout=2.0))
    database = Database(settings.database_url, clock=settings.clock)
    engine = SagaEngine(
        database.url,
        sagas(ServiceClient(transport, authorization(settings.jwt_private_key_file, SELF, settings.clock))),
        pace,
    )

    def context(caller: Caller) -> OrchestrationContext:
        return OrchestrationContext(caller, database, Bus(database, {}), engine)

    verifier = TokenVerifier(settings.jwt_public_key_file, settings.clock)
    service = Service(
        settings.name,
        schema=schema,
        context=context,
        verifier=verifier,
        database=database,
        migrations=MIGRATIONS,
        parts=[engine, *_queue_parts(settings, database, engine)],
    )
    service.asgi = Dashboard(service.asgi, engine, verifier, settings.clock)
    return service


def _queue_parts(settings: ServiceSettings, database: Database, engine: SagaEngine) -> list[Part]:
    """Return what publishes the changes of sagas, and consumes the events from which sagas follow."""
    queue = Queue(settings.redis_url)
    return [
        queue,
        Relay(database, queue.redis, settings.name),
        Inbox(database, queue.redis, settings.name, ["users"], event_handlers(engine)),
    ]
