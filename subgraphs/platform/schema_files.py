"""`mussikon schema`: writes the SDL of every subgraph, and the supergraph that is composed of them, into
files.

The gateway reads the supergraph from there; tests fail if a file is out of date. Each service is a subgraph;
LIVE is another one, without a server.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from strawberry.printer import print_schema

from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from subgraphs.kit.graphql import Schema
from subgraphs.platform.options import Options
from subgraphs.platform.tables import SERVICES, ServiceRow, ServiceTable

SUPERGRAPH = "supergraph.graphql"
LIVE: Final = "live"
"""The subgraph of the subscriptions, whose events the gateway reads from the queue."""
OWNERS_OF_EVENTS: Final = frozenset(("requests", "notifications", "orchestration", "matching"))
"""The services that publish the events of LIVE, and own their entities."""


def sdl_of(service: ServiceRow) -> str:
    """Return the SDL of a service, which is only imported, not started."""
    schema: Schema = importlib.import_module(f"{service.module}.schema").schema
    return print_schema(schema) + "\n"


def has_live(services: ServiceTable) -> bool:
    """Return whether a platform with these services has subscriptions."""
    return set(services.names) >= OWNERS_OF_EVENTS


def sources(services: ServiceTable = SERVICES) -> list[SubgraphSource]:
    """Return the subgraphs: one for each service, and LIVE, which has no URL."""
    addresses = Options(services=services)
    found = [SubgraphSource(one.name, addresses.url_of(one.name), sdl_of(one)) for one in services]
    if has_live(services):
        found.append(SubgraphSource(LIVE, "", Path(__file__).with_name(f"{LIVE}.graphql").read_text()))
    return found


def print_all(services: ServiceTable = SERVICES) -> Mapping[str, str]:
    """Return the content of every schema file by file name. Raises CompositionFailed."""
    subgraphs = sources(services)
    files = {f"{one.name}.graphql": one.sdl for one in subgraphs}
    return {**files, SUPERGRAPH: compose(subgraphs).supergraph.rstrip("\n") + "\n"}


def write_all(folder: Path, services: ServiceTable = SERVICES) -> list[Path]:
    """Write the schema files whose content has changed into a folder; return their paths.

    Raises CompositionFailed.
    """
    changed: list[Path] = []
    for name, text in print_all(services).items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            changed.append(path)
    return changed
