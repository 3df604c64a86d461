"""The wiring of the read side: makes its parts and connects them.

The inbox appends events to the local log; projections compute the read models from it.
"""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from gateway.settings import ConnectionSettings
from gateway.transport.base import Transport
from gateway.transport.http import HttpTransport
from subgraphs.kit.client import TransportPart
from subgraphs.kit.database import Database
from subgraphs.kit.event_store.projection_runner import ProjectionRunner
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.invalidations import InvalidationPublisher
from subgraphs.kit.queue.inbox import ANY_TYPE, Inbox
from subgraphs.kit.queue.streams import Queue
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.read_side.freshness import FreshnessMonitor
from subgraphs.read_side.loaders import ReadContext, ReadSideParts
from subgraphs.read_side.log import append_to_log
from subgraphs.read_side.log_listener import LogListener
from subgraphs.read_side.model import MAX_SECONDS_BEHIND
from subgraphs.read_side.projections.base import LogProjection
from subgraphs.read_side.projections.musicians import MusiciansProjection
from subgraphs.read_side.projections.rankings import RankingsProjection
from subgraphs.read_side.projections.requests import RequestsProjection
from subgraphs.read_side.rebuilds import Rebuilds
from subgraphs.read_side.schema import schema

MIGRATIONS = Path(__file__).parent / "migrations"
SOURCES: Final = ("users", "musicians", "requests", "reviews", "matching")
MODELS: Final[tuple[type[LogProjection], ...]] = (MusiciansProjection, RequestsProjection, RankingsProjection)


def bootstrap(
    settings: ServiceSettings, transport: Transport | None = None, threshold: float = MAX_SECONDS_BEHIND
) -> Service:
    """Return the read side; the caller starts it.

    `transport`: the transport to the command side, by default HTTP to `settings.service_urls`. `threshold`:
    the number of seconds that a read model may be behind and still answer queries.
    """
    database = Database(settings.database_url, clock=settings.clock)
    queue = Queue(settings.redis_url)
    models = {model.name: model() for model in MODELS}
    freshness = FreshnessMonitor(database, queue.redis, settings.name, SOURCES, models, threshold)
    publisher = InvalidationPublisher(queue.redis, settings.name, settings.clock)
    rebuilds = Rebuilds(database, {model.name: model for model in MODELS}, publisher.publish)
    transport = transport or HttpTransport(settings.service_urls, ConnectionSettings(connect_timeout=2.0))
    parts = ReadSideParts(freshness, rebuilds, transport)
    projectors = [
        ProjectionRunner(database, model, committed=partial(_committed, model, publisher))
        for model in models.values()
    ]
    return Service(
        settings.name,
        schema=schema,
        context=lambda caller: ReadContext(caller, database, parts),
        verifier=TokenVerifier(settings.jwt_public_key_file, settings.clock),
        database=database,
        migrations=MIGRATIONS,
        is_shared=True,
        parts=[
            TransportPart(transport),
            queue,
            publisher,
            Inbox(database, queue.redis, settings.name, SOURCES, {ANY_TYPE: append_to_log}),
            rebuilds,
            *projectors,
            LogListener(database, [projector.wake for projector in projectors]),
            freshness,
        ],
    )


def _committed(model: LogProjection, publisher: InvalidationPublisher, now: datetime) -> None:
    """Record latencies of a batch that was committed, and invalidate the lists that it has changed."""
    model.committed(now)
    publisher.publish(model.changed_tags())
