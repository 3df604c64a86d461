"""The read side, put together."""

from pathlib import Path
from typing import Final

from gateway.settings import Wire
from gateway.transport.base import Transport
from gateway.transport.http import HttpTransport
from subgraphs.kit.database import Database
from subgraphs.kit.event_store.projector import Projector
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.queue.inbox import EVERY, Inbox
from subgraphs.kit.queue.streams import Queue
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.read_side.alarm import Alarm
from subgraphs.read_side.command_side import Way
from subgraphs.read_side.loaders import Parts, ReadContext
from subgraphs.read_side.log import keep
from subgraphs.read_side.model import TOO_FAR_BEHIND
from subgraphs.read_side.projections.base import ReadModel
from subgraphs.read_side.projections.musicians import Musicians
from subgraphs.read_side.projections.rankings import Rankings
from subgraphs.read_side.projections.requests import Requests
from subgraphs.read_side.rebuilds import Rebuilds
from subgraphs.read_side.schema import schema
from subgraphs.read_side.watch import Watch

MIGRATIONS = Path(__file__).parent / "migrations"
SOURCES: Final = ("users", "musicians", "requests", "reviews", "matching")
MODELS: Final[tuple[type[ReadModel], ...]] = (Musicians, Requests, Rankings)


def bootstrap(
    settings: ServiceSettings, transport: Transport | None = None, threshold: float = TOO_FAR_BEHIND
) -> Service:
    """Settings in, service out.

    `transport`: the way to the command side, where it is not HTTP at the services' addresses.
    """
    database = Database(settings.database_url, clock=settings.clock)
    queue = Queue(settings.redis_url)
    models = {model.name: model() for model in MODELS}
    watch = Watch(database, queue.redis, settings.name, SOURCES, models, threshold)
    rebuilds = Rebuilds(database, {model.name: model for model in MODELS})
    way = transport or HttpTransport(settings.service_urls, Wire(connect_timeout=2.0))
    parts = Parts(watch, rebuilds, way)
    projectors = [Projector(database, model, committed=model.committed) for model in models.values()]
    return Service(
        settings.name,
        schema=schema,
        context=lambda caller: ReadContext(caller, database, parts),
        verifier=TokenVerifier(settings.jwt_public_key_file, settings.clock),
        database=database,
        migrations=MIGRATIONS,
        parts=[
            Way(way),
            queue,
            Inbox(database, queue.redis, settings.name, SOURCES, {EVERY: keep}),
            rebuilds,
            *projectors,
            Alarm(database, [projector.wake for projector in projectors]),
            watch,
        ],
    )
