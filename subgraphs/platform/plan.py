"""What a start is told: options, and what follows from them."""

from dataclasses import dataclass
from pathlib import Path

SERVICES = (
    "users",
    "musicians",
    "reviews",
    "requests",
    "matching",
    "notifications",
    "payments",
    "calendar",
    "orchestration",
    "events",
    "read_side",
    "sync",
)
EXTENSIONS = ("readModel",)
"""The keys of services' extensions that the gateway passes on to clients."""
SOURCES = Path(__file__).parent.parent
"""The folder of the services; each has its migrations in it."""
_INSTALLED = SOURCES / "schema"  # in a wheel; in a checkout it stands beside the sources
SCHEMA = _INSTALLED if _INSTALLED.exists() else SOURCES.parent / "schema"
SIZES = ("small", "large")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `mussikon run`."""

    port: int = 4000
    host: str = "127.0.0.1"
    workers: int = 1
    data: Path = Path(".data")
    size: str | None = None
    sample: bool = True
    postgres_url: str | None = None
    redis_url: str | None = None
    in_process: bool = False

    def port_of(self, service: str) -> int:
        """The port of a service: the gateway's and its place in the street."""
        return self.port + 1 + SERVICES.index(service)

    def url_of(self, service: str) -> str:
        """Where a service answers; services listen on loopback only, whatever the gateway does."""
        return f"http://127.0.0.1:{self.port_of(service)}/graphql"

    @property
    def gateway_host(self) -> str:
        """Where this machine finds the gateway."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound

    @property
    def gateway_url(self) -> str:
        """Where people find the gateway."""
        host = self.gateway_host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def migrations_of(service: str) -> Path:
    """The folder of a service's scripts."""
    return SOURCES / service / "migrations"
