"""`mussikon schema`: writes every service's SDL, and the supergraph that is composed of them, into files.

The gateway reads the supergraph from there; tests fail if a file is out of date.
"""

import importlib
from pathlib import Path

from strawberry.printer import print_schema

from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from subgraphs.kit.graphql import Schema
from subgraphs.platform.options import Options
from subgraphs.platform.tables import SERVICES, ServiceRow, ServiceTable

SUPERGRAPH = "supergraph.graphql"


def sdl_of(service: ServiceRow) -> str:
    """Return the SDL of a service, which is only imported, not started."""
    schema: Schema = importlib.import_module(f"{service.module}.schema").schema
    return print_schema(schema) + "\n"


def print_all(services: ServiceTable = SERVICES) -> dict[str, str]:
    """Return the content of every schema file by file name. Raises CompositionFailed."""
    sdls = {service.name: sdl_of(service) for service in services}
    addresses = Options(services=services)
    composition = compose([SubgraphSource(name, addresses.url_of(name), sdl) for name, sdl in sdls.items()])
    files = {f"{name}.graphql": sdl for name, sdl in sdls.items()}
    return {**files, SUPERGRAPH: composition.supergraph.rstrip("\n") + "\n"}


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
