"""The servers of a run: PostgreSQL and Valkey, embedded (started here) or external (a URL in the options)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from subgraphs.platform import databases
from subgraphs.platform.console import step
from subgraphs.platform.options import Options
from subgraphs.platform.roles import role_of, url_with_login
from subgraphs.platform.tables import POSTGRES, SERVERS, VALKEY, EmbeddedServer, Say, ServerRow


@dataclass(slots=True)
class Servers:
    """The servers of a run, by name: `embedded` has the embedded ones, `urls` the URLs of all.

    `passwords` are those of the services' PostgreSQL roles, by service; empty: the services have none.
    """

    data: Path
    say: Say
    urls: dict[str, str] = field(default_factory=dict, repr=False)
    embedded: dict[str, EmbeddedServer] = field(default_factory=dict)
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def postgres_url(self) -> str:
        """The URL of PostgreSQL with the user that may create databases."""
        return self.urls[POSTGRES]

    @property
    def redis_url(self) -> str:
        """The URL of the queue's server."""
        return self.urls[VALKEY]

    def url_for(self, server: str, service: str) -> str:
        """Return the URL of a server for a service.

        For PostgreSQL it is the URL of the service's database, with its role and password if it has one.
        """
        if server != POSTGRES:
            return self.urls[server]
        url, password = databases.url_of(self.postgres_url, service), self.passwords.get(service)
        return url_with_login(url, role_of(service), password) if password else url

    def start(self, row: ServerRow) -> EmbeddedServer:
        """Start an embedded server, at the beginning or after it has ended. Raises LaunchError."""
        self.embedded[row.name] = row.start(self.data / row.name, self.say)
        self.urls[row.name] = self.embedded[row.name].url
        return self.embedded[row.name]

    def stop(self) -> None:
        """Stop the embedded servers, in the reverse order of their start."""
        for row in reversed(SERVERS):
            if row.name in self.embedded:
                self.embedded[row.name].stop()


def start_servers(options: Options, say: Say) -> Servers:
    """Start an embedded server in place of each server for which the options have no URL.

    Raises LaunchError; servers that were started are then stopped.
    """
    servers = Servers(options.data, say, dict(options.urls))
    try:
        for row in SERVERS:
            if row.name not in options.urls:
                with step(row.title):
                    servers.start(row)
    except BaseException:
        servers.stop()
        raise
    return servers


async def check_servers(options: Options) -> None:
    """Raise LaunchError unless every external server answers."""
    for row in SERVERS:
        if row.name in options.urls:
            await row.check(options.urls[row.name])
