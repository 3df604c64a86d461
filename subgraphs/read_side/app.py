"""The read side, put together."""

from pathlib import Path
from typing import Final

from gateway.settings import Wire
from gateway.transport.base import Transport
from gateway.transport.http import HttpTransport
from subgraphs.kit.database import Database
from subgraphs.kit.event_store.projection_runner import ProjectionRunner
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.queue.inbox import ANY_TYPE, Inbox
from subgraphs.kit.queue.streams import Queue
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.read_side.command_side import TransportPart
from subgraphs.read_side.freshness import FreshnessMonitor
from subgraphs.read_side.loaders import ReadContext, ReadSideParts
from subgraphs.read_side.log import append_to_log
from subgraphs.read_side.log_listener import LogListener
from subgraphs.read_side.model import TOO_FAR_BEHIND
from subgraphs.read_side.projections.base import LogProjection
from subgraphs.read_side.projections.musicians import Musicians
from subgraphs.read_side.projections.rankings import Rankings
from subgraphs.read_side.projections.requests import Requests
from subgraphs.read_side.rebuilds import Rebuilds
from subgraphs.read_side.schema import schema

MIGRATIONS = Path(__file__).parent / "migrations"
SOURCES: Final = ("users", "musicians", "requests", "reviews", "matching")
MODELS: Final[tuple[type[LogProjection], ...]] = (Musicians, Requests, Rankings)


def bootstrap(
    settings: ServiceSettings, transport: Transport | None = None, threshold: float = TOO_FAR_BEHIND
) -> Service:
    """Settings in, service out.

    `transport`: the way to the command side, where it is not HTTP at the services' addresses.
    """
    database = Database(settings.database_url, clock=settings.clock)
    queue = Queue(settings.redis_url)
    models = {model.name: model() for model in MODELS}
    freshness = FreshnessMonitor(database, queue.redis, settings.name, SOURCES, models, threshold)
    rebuilds = Rebuilds(database, {model.name: model for model in MODELS})
    way = transport or HttpTransport(settings.service_urls, Wire(connect_timeout=2.0))
    parts = ReadSideParts(freshness, rebuilds, way)
    projectors = [ProjectionRunner(database, model, committed=model.committed) for model in models.values()]
    return Service(
        settings.name,
        schema=schema,
        context=lambda caller: ReadContext(caller, database, parts),
        verifier=TokenVerifier(settings.jwt_public_key_file, settings.clock),
        database=database,
        migrations=MIGRATIONS,
        parts=[
            TransportPart(way),
            queue,
            Inbox(database, queue.redis, settings.name, SOURCES, {ANY_TYPE: append_to_log}),
            rebuilds,
            *projectors,
            LogListener(database, [projector.wake for projector in projectors]),
            freshness,
        ],
    )
