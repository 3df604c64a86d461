"""PostgreSQL and Valkey: the embedded ones, or those elsewhere that the options name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from subgraphs.platform import databases
from subgraphs.platform.console import step
from subgraphs.platform.plan import Options
from subgraphs.platform.postgres import PostgresServer, start_postgres
from subgraphs.platform.queue import check_queue
from subgraphs.platform.roles import logging_in, role_of
from subgraphs.platform.valkey import ValkeyServer, start_valkey

Say = Callable[[str], None]


@dataclass(slots=True)
class Servers:
    """The two servers; None for one that is not ours."""

    data: Path
    say: Say
    postgres: PostgresServer | None = None
    valkey: ValkeyServer | None = None
    postgres_url: str = field(default="", repr=False)
    redis_url: str = field(default="", repr=False)
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)

    def url_for(self, service: str) -> str:
        """The address under which a service enters its database."""
        url, password = databases.url_of(self.postgres_url, service), self.passwords.get(service)
        return logging_in(url, role_of(service), password) if password else url

    def start_postgres(self) -> PostgresServer:
        """Start the embedded PostgreSQL, again if it has died."""
        self.postgres = start_postgres(self.data / "postgres", say=self.say)
        self.postgres_url = self.postgres.url
        return self.postgres

    def start_valkey(self) -> ValkeyServer:
        """Start the embedded Valkey, again if it has died."""
        self.valkey = start_valkey(self.data / "valkey", say=self.say)
        self.redis_url = self.valkey.url
        return self.valkey

    def stop(self) -> None:
        """Stop those that are ours."""
        for server in (self.valkey, self.postgres):
            if server is not None:
                server.stop()


def start_servers(options: Options, say: Say) -> Servers:
    """Start what the options do not name."""
    servers = Servers(options.data, say, postgres_url=options.postgres_url or "", redis_url=options.redis_url or "")
    try:
        if not options.postgres_url:
            with step("PostgreSQL"):
                servers.start_postgres()
        if not options.redis_url:
            with step("Valkey"):
                servers.start_valkey()
    except BaseException:
        servers.stop()
        raise
    return servers


async def check_servers(options: Options, servers: Servers) -> None:
    """Those elsewhere must answer; ours did when they were started."""
    if options.postgres_url:
        await (await databases.connect(servers.postgres_url)).close()
    if options.redis_url:
        await check_queue(servers.redis_url)
