"""The two tables of the platform: its services and its servers. To add a service or server, add a row.

Databases, roles, ports, addresses, keys, schema files and the command's options follow from the rows.
docker-compose.yml and the import contracts in pyproject.toml are written by hand; tests compare them with the
rows.

Example: a service `tickets` at the gateway's port + 13 that signs no tokens, calls `requests` and has a sink
that writes to a server `search`:

    ServiceRow("tickets", 13, calls=("requests",), sinks=("search",))
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
    """A running server that the launcher has started."""

    @property
    def url(self) -> str:
        """The server's URL, with user and password."""
        ...

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The server's process."""
        ...

    def stop(self) -> None:
        """Shut the server down and wait for its end."""
        ...


@dataclass(frozen=True, slots=True)
class ServerRow:
    """A server that services use, such as PostgreSQL: its options, and how to start and check it."""

    name: str
    """The name of the server's data folder, its log, and its process in `mussikon status`."""
    title: str
    option: str
    """The command line option for an external server: `redis_url` is `--redis-url`."""
    help: str
    container: str
    """The name of the server's service in docker-compose.yml."""
    variable: str | None
    """The environment variable by which services receive the server's URL; None: an entry of SERVER_URLS."""
    start: Callable[[Path, Say], EmbeddedServer]
    """Starts the embedded server with the data in a folder; returns when it accepts connections."""
    check: Callable[[str], Awaitable[None]]
    """Raises LaunchError unless a server of this kind answers at the URL."""
    stop_signal: signal.Signals = signal.SIGTERM
    """The signal by which the server shuts down in order."""


SERVERS: Final = (
    ServerRow(
        POSTGRES,
        "PostgreSQL",
        "postgres_url",
        "The URL of an external PostgreSQL; the databases are created there.",
        container="postgres",
        variable="DATABASE_URL",
        start=lambda folder, say: start_postgres(folder, say=say),
        check=check_postgres,
        stop_signal=signal.SIGINT,
    ),
    ServerRow(
        VALKEY,
        "Valkey",
        "redis_url",
        "The URL of an external Redis or Valkey.",
        container="redis",
        variable="REDIS_URL",
        start=lambda folder, say: start_valkey(folder, say=say),
        check=check_queue,
    ),
)
"""The servers in the order of their start; they stop in the reverse order."""


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """A service: its package, its port, and the servers and services that it needs."""

    name: str
    """The name of the service, its database, its subgraph and its container."""
    offset: int
    """The number by which the service's port is above the gateway's."""
    package: str | None = None
    """The package with the service's code; None: `subgraphs.<name>`."""
    signs: Literal["people", "services"] | None = None
    """The tokens that the service signs, those of users ("people") or of services, for which it gets the
    private key; None: it signs no tokens.
    """
    calls: tuple[str, ...] = ()
    """The services to which this one sends GraphQL requests; they must come before it in the table."""
    stand_in: str | None = None
    """The service that is asked while this one's database does not answer; its URL is the variable
    MUSICIANS_STAND_IN. It may come later in the table: nothing depends on it.
    """
    reads_all_events: bool = False
    """Whether the service consumes the events of all other services."""
    servers: tuple[str, ...] = (POSTGRES, VALKEY)
    sinks: tuple[str, ...] = ()
    """The names of the servers to which the service's sinks write (`subgraphs.kit.sinks`)."""
    folder: str | None = None
    """The name of a folder in the data folder that the service writes, such as `mailbox`; its path is the
    variable NOTIFICATIONS_MAILBOX. Outside production NOTIFICATIONS_MAILBOX_PAGE is `on`: a page may show it.
    """
    serves_folder: bool = False
    """Whether clients get the files of the folder from the service, also where it has no port otherwise:
    in one process with the gateway the variable USERS_PICTURES_PORT is the service's port.
    """
    extensions: tuple[str, ...] = ()
    """The keys of `extensions` in the service's responses that the gateway forwards to clients."""
    page: tuple[str, str] | None = None
    """The title and the path of the service's web page for admins; None: it has none."""

    @property
    def module(self) -> str:
        """The name of the package with the service's code: `package`, or `subgraphs.<name>`."""
        return self.package or f"subgraphs.{self.name}"

    @property
    def migrations(self) -> Path:
        """The folder of the service's migrations. Raises ValueError if its package does not exist."""
        spec = importlib.util.find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            raise ValueError(f"service {self.name}: there is no package {self.module}")
        return Path(spec.submodule_search_locations[0]) / "migrations"

    @property
    def uses(self) -> tuple[str, ...]:
        """The names of all servers whose URLs the service gets."""
        return tuple(dict.fromkeys((*self.servers, *self.sinks)))


@dataclass(frozen=True, slots=True)
class ServiceTable:
    """The services of a platform in the order of their start.

    Raises ValueError if a name or port offset (`ServiceRow.offset`) is repeated, a service calls a later one,
    or a server is not in the table of servers.
    """

    rows: tuple[ServiceRow, ...]

    def __post_init__(self) -> None:
        offsets = [row.offset for row in self.rows]
        if (
            len(set(self.names)) < len(self.names)
            or len(set(offsets)) < len(offsets)
            or min(offsets, default=1) < 1
        ):
            pairs = list(zip(self.names, offsets, strict=True))
            raise ValueError(
                "services: names must be unique, port offsets unique and above 0,"
                f" got {pairs}; correct the rows"
            )
        known = {server.name for server in SERVERS}
        before: set[str] = set()
        for row in self.rows:
            if not before.issuperset(row.calls):
                raise ValueError(
                    f"service {row.name} must come after the services that it calls: {', '.join(row.calls)}"
                )
            if not known.issuperset(row.uses):
                raise ValueError(
                    f"service {row.name} must use servers of {', '.join(known)}, got {', '.join(row.uses)}"
                )
            before.add(row.name)

    def __iter__(self) -> Iterator[ServiceRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> ServiceRow:
        """Return the row of a service. Raises KeyError."""
        return {row.name: row for row in self.rows}[name]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the services."""
        return tuple(row.name for row in self.rows)

    @property
    def extensions(self) -> tuple[str, ...]:
        """The keys of responses' `extensions` that the gateway forwards from the services to clients."""
        return tuple(key for row in self.rows for key in row.extensions)

    @property
    def highest_offset(self) -> int:
        """The number by which the highest port of a service is above the gateway's; 0 without services."""
        return max((row.offset for row in self.rows), default=0)

    def others(self, name: str) -> tuple[str, ...]:
        """Return the names of all services except `name`."""
        return tuple(other for other in self.names if other != name)

    def with_row(self, row: ServiceRow) -> "ServiceTable":
        """Return the table with one more row. Raises ValueError."""
        return ServiceTable((*self.rows, row))


SERVICES: Final = ServiceTable(
    (
        ServiceRow("users", 1, signs="people", folder="pictures", serves_folder=True),
        ServiceRow("musicians", 2, stand_in="read_side"),
        ServiceRow("reviews", 3),
        ServiceRow("requests", 4, calls=("musicians",)),
        ServiceRow("matching", 5),
        ServiceRow("notifications", 6, signs="services", calls=("users",), folder="mailbox"),
        ServiceRow("payments", 7),
        ServiceRow("calendar", 8),
        ServiceRow(
            "orchestration",
            9,
            signs="services",
            calls=("requests", "matching", "notifications", "payments", "calendar"),
            page=("sagas", "/dashboard/"),
        ),
        ServiceRow("events", 10, reads_all_events=True),
        ServiceRow(
            "read_side",
            11,
            calls=(
                *("users", "musicians", "reviews", "requests", "matching"),
                *("notifications", "payments", "calendar", "orchestration", "events"),
            ),
            extensions=("readModel",),
        ),
        ServiceRow(
            "sync",
            12,
            signs="services",
            calls=(
                *("musicians", "requests", "matching", "notifications", "payments", "calendar", "read_side"),
            ),
            reads_all_events=True,
        ),
    )
)
