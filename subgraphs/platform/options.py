"""The options of `mussikon run`, and the ports and URLs that follow from them.

The launcher's modules receive them as one frozen value.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from subgraphs.platform.tables import SERVICES, ServiceTable

_SOURCES = Path(__file__).parent.parent
_INSTALLED = _SOURCES / "schema"  # in a wheel; in a checkout the folder is beside `subgraphs`
GATEWAY_CONFIG = Path(__file__).parent / "gateway.yaml"
SCHEMA = _INSTALLED if _INSTALLED.exists() else _SOURCES.parent / "schema"
SIZES = ("small", "large")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `mussikon run`; `cli` documents those that are command line options."""

    port: int = 4000
    host: str = "127.0.0.1"
    workers: int = 1
    data: Path = Path(".data")
    size: str | None = None
    sample: bool = True
    urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The URLs of external servers by name; a server without a URL is embedded."""
    in_process: bool = False
    services: ServiceTable = SERVICES
    schema: Path = SCHEMA
    """The folder with the supergraph and the operations."""
    own: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    """Variables for single services (`ServiceSettings.own`), with their values, by service."""
    production: bool = False
    """Whether the gateway hides the schema and accepts only the operations of the manifest."""

    @property
    def manifest(self) -> Path:
        """The file with the documents that clients may send in production."""
        return self.schema / "documents.json"

    def port_of(self, service: str) -> int:
        """Return the port on which a service listens."""
        return self.port + self.services[service].offset

    def url_of(self, service: str) -> str:
        """Return the GraphQL URL of a service. Services listen on loopback only, whatever `host` is."""
        return f"http://127.0.0.1:{self.port_of(service)}/graphql"

    @property
    def pages(self) -> dict[str, str]:
        """The URLs of the services' web pages for admins, by title; empty if services have no ports."""
        rows = () if self.in_process else self.services
        pages = [(row.name, *row.page) for row in rows if row.page is not None]
        return {title: f"http://127.0.0.1:{self.port_of(name)}{path}" for name, title, path in pages}

    @property
    def mailbox_url(self) -> str | None:
        """The URL of the page that shows e-mail in place of sending it; None if there is none."""
        own = {**os.environ, **self.own.get("notifications", {})}
        if self.production or self.in_process or own.get("NOTIFICATIONS_SMTP_URL"):
            return None
        ports = [self.port_of(row.name) for row in self.services if row.folder == "mailbox"]
        return f"http://127.0.0.1:{ports[0]}/mailbox" if ports else None

    @property
    def gateway_host(self) -> str:
        """The address at which this machine reaches the gateway: loopback if `host` is a wildcard
        (0.0.0.0).
        """
        loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
        return loopback.get(self.host, self.host)

    @property
    def gateway_url(self) -> str:
        """The gateway's URL, without a path, as it is shown to the user."""
        host = self.gateway_host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
