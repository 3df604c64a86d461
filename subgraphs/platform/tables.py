"""The two tables of the platform: its services and its servers. Adding one is adding a row.

The launcher, the databases and roles, ports, addresses, keys, the schema files and the command's options
follow from the rows. docker-compose.yml and the import contracts in pyproject.toml are written by hand; tests
compare them with the rows.

Example: a service `tickets` at the gateway's port + 13 that signs nothing, asks `requests` and has a sink in
a server `search`:

    ServiceRow("tickets", 13, asks=("requests",), sinks=("search",))
"""

import importlib.util
import signal
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from subgraphs.platform.connections import check_postgres
from subgraphs.platform.postgres import start_postgres
from subgraphs.platform.queue import check_queue
from subgraphs.platform.valkey import start_valkey

POSTGRES: Final = "postgres"
VALKEY: Final = "valkey"
Say = Callable[[str], None]


class EmbeddedServer(Protocol):
    """A server that the launcher has started. `url` is its address with the password."""

    @property
    def url(self) -> str:
        """The address with the password."""
        ...

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process, for the supervisor."""
        ...

    def stop(self) -> None:
        """Stop the server in order and wait for its end."""
        ...


@dataclass(frozen=True, slots=True)
class ServerRow:
    """A server that services use."""

    name: str
    """Names the data folder, the log, and the process in `mussikon status`."""
    title: str
    option: str
    """The command's option for a server elsewhere: `redis_url` is `--redis-url`."""
    help: str
    container: str
    """The name in docker-compose.yml."""
    variable: str | None
    """The environment variable in which services get the address; None: it is an entry of SERVER_URLS."""
    start: Callable[[Path, Say], EmbeddedServer]
    """Starts the embedded server on the data in a folder; returns when it accepts connections."""
    check: Callable[[str], Awaitable[None]]
    """Raises LaunchError unless a server answers at an address."""
    ending: signal.Signals = signal.SIGTERM
    """The signal on which the server stops in order."""


SERVERS: Final = (
    ServerRow(
        POSTGRES,
        "PostgreSQL",
        "postgres_url",
        "A PostgreSQL elsewhere; databases are made there.",
        container="postgres",
        variable="DATABASE_URL",
        start=lambda folder, say: start_postgres(folder, say=say),
        check=check_postgres,
        ending=signal.SIGINT,
    ),
    ServerRow(
        VALKEY,
        "Valkey",
        "redis_url",
        "A Redis or Valkey elsewhere.",
        container="redis",
        variable="REDIS_URL",
        start=lambda folder, say: start_valkey(folder, say=say),
        check=check_queue,
    ),
)
"""In the order of their start; they stop in the opposite order."""


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """A service: the package that holds it, where it listens, and what it needs."""

    name: str
    """Also the name of its database, its subgraph and its container."""
    offset: int
    """Its port is the gateway's port plus this."""
    package: str | None = None
    """Where its code is; None: `subgraphs.<name>`."""
    signs: Literal["people", "services"] | None = None
    """Whose tokens it signs: it gets that private key."""
    asks: tuple[str, ...] = ()
    """The services that it asks directly, over a transport. They have to stand before it in the table."""
    reads_all_events: bool = False
    """Whether it reads the events of every other service."""
    servers: tuple[str, ...] = (POSTGRES, VALKEY)
    sinks: tuple[str, ...] = ()
    """The servers that its sinks write to (`subgraphs.kit.sinks`)."""
    extensions: tuple[str, ...] = ()
    """The keys of its answers' `extensions` that the gateway passes on to clients."""

    @property
    def module(self) -> str:
        """The package that holds its code."""
        return self.package or f"subgraphs.{self.name}"

    @property
    def migrations(self) -> Path:
        """The folder of its migrations. Raises ValueError where the package does not exist."""
        found = importlib.util.find_spec(self.module)
        if found is None or not found.submodule_search_locations:
            raise ValueError(f"service {self.name}: there is no package {self.module}")
        return Path(found.submodule_search_locations[0]) / "migrations"

    @property
    def uses(self) -> tuple[str, ...]:
        """All servers whose address it gets."""
        return tuple(dict.fromkeys((*self.servers, *self.sinks)))


@dataclass(frozen=True, slots=True)
class ServiceTable:
    """The services of a platform in the order of their start. Raises ValueError for rows that contradict each
    other."""

    rows: tuple[ServiceRow, ...]

    def __post_init__(self) -> None:
        offsets = [row.offset for row in self.rows]
        if (
            len(set(self.names)) < len(self.names)
            or len(set(offsets)) < len(offsets)
            or min(offsets, default=1) < 1
        ):
            raise ValueError("each service must have a name and an offset above 0 of its own")
        known = {server.name for server in SERVERS}
        before: set[str] = set()
        for row in self.rows:
            if not before.issuperset(row.asks):
                raise ValueError(
                    f"service {row.name} must stand behind those that it asks: {', '.join(row.asks)}"
                )
            if not known.issuperset(row.uses):
                raise ValueError(
                    f"service {row.name} uses {', '.join(row.uses)}; there are {', '.join(known)}"
                )
            before.add(row.name)

    def __iter__(self) -> Iterator[ServiceRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> ServiceRow:
        """The row of a service. Raises KeyError."""
        return {row.name: row for row in self.rows}[name]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the services."""
        return tuple(row.name for row in self.rows)

    @property
    def extensions(self) -> tuple[str, ...]:
        """The keys of extensions that the gateway passes on."""
        return tuple(key for row in self.rows for key in row.extensions)

    @property
    def highest_offset(self) -> int:
        """How many ports above the gateway's the platform takes."""
        return max((row.offset for row in self.rows), default=0)

    def others(self, name: str) -> tuple[str, ...]:
        """The names of all services but one."""
        return tuple(other for other in self.names if other != name)

    def with_row(self, row: ServiceRow) -> "ServiceTable":
        """The same table with one more row."""
        return ServiceTable((*self.rows, row))


SERVICES: Final = ServiceTable(
    (
        ServiceRow("users", 1, signs="people"),
        ServiceRow("musicians", 2),
        ServiceRow("reviews", 3),
        ServiceRow("requests", 4),
        ServiceRow("matching", 5),
        ServiceRow("notifications", 6),
        ServiceRow("payments", 7),
        ServiceRow("calendar", 8),
        ServiceRow(
            "orchestration",
            9,
            signs="services",
            asks=("requests", "matching", "notifications", "payments", "calendar"),
        ),
        ServiceRow("events", 10, reads_all_events=True),
        ServiceRow(
            "read_side",
            11,
            asks=("users", "musicians", "reviews", "requests", "matching"),
            extensions=("readModel",),
        ),
        ServiceRow(
            "sync",
            12,
            signs="services",
            asks=("musicians", "requests", "matching", "payments", "read_side"),
            reads_all_events=True,
        ),
    )
)
