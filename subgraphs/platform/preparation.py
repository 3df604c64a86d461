"""All that has to be there before services start: folder, keys, databases, migrations, sample data."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from subgraphs.kit.identity import SERVICE_PRIVATE, SERVICE_PUBLIC
from subgraphs.kit.keys import make_key_pair
from subgraphs.platform import databases, seeding
from subgraphs.platform.console import bars, say, step
from subgraphs.platform.errors import LaunchError
from subgraphs.platform.folder import FolderLock, make_folder
from subgraphs.platform.options import Options
from subgraphs.platform.processes import end_marked, port_is_free
from subgraphs.platform.servers import Servers, check_servers
from subgraphs.platform.tables import ServiceTable


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """The files of the pair that signs and checks tokens of people, and the key that signs those of
    services.
    """

    private: Path
    public: Path
    service: Path


@contextmanager
def claimed(data: Path) -> Iterator[None]:
    """The data folder, made and for us alone."""
    make_folder(data)
    make_folder(data / "run", 0o700)
    make_folder(data / "logs")
    lock = FolderLock(data)
    try:
        end_marked(data)
        yield
    finally:
        lock.release()


def check_ports(options: Options) -> None:
    """Nobody else may listen where we are going to."""
    names = () if options.in_process else options.services.names
    if names and options.port + options.services.highest_offset > 65535:
        raise LaunchError(
            f"There is no room for the services above port {options.port}.", "Say a lower --port"
        )
    for name, host, port in [
        ("the gateway", options.host, options.port),
        *((f"the service {name}", "127.0.0.1", options.port_of(name)) for name in names),
    ]:
        try:
            free = _becomes_free(port, host)
        except PermissionError as error:
            raise LaunchError(
                f"You may not listen on port {port}.", "Say one above 1023: --port 4000"
            ) from error
        if not free:
            raise LaunchError(
                f"Port {port} of {host}, for {name}, is taken or cannot be used.",
                f"End what uses it (ss -ltnp 'sport = :{port}' shows it), or say another one: --port {port + 100}",
            )


def _becomes_free(port: int, host: str) -> bool:
    """Whether a port is free now or in a moment: what a killed platform has left may still be ending."""
    for _ in range(20):
        if port_is_free(port, host):
            return True
        time.sleep(0.05)
    return False


def check_schema(options: Options) -> None:
    """Raise LaunchError where there is no composed schema for the gateway to serve."""
    if not (options.schema / "supergraph.graphql").exists():
        raise LaunchError(f"There is no supergraph in {options.schema}.", "Have it composed: mussikon schema")


def make_keys(data: Path) -> KeyFiles:
    """The pairs of keys, made the first time."""
    folder = make_folder(data / "keys", 0o700).resolve()
    keys = KeyFiles(folder / "jwt.pem", folder / "jwt.pub.pem", folder / SERVICE_PRIVATE)
    make_key_pair(keys.private, keys.public)
    make_key_pair(keys.service, folder / SERVICE_PUBLIC)
    return keys


async def prepare_databases(servers: Servers, services: ServiceTable) -> dict[str, list[str]]:
    """Create the databases and bring them up to date; answers what was applied in each."""
    with step("databases and migrations"):
        urls = await databases.create_databases(servers.postgres_url, services)
        return await databases.migrate_all(urls, services)


async def let_services_in(servers: Servers, services: ServiceTable) -> None:
    """Have each service enter its own database as its own user, where the server's user may arrange that."""
    folder = servers.data / "roles"
    servers.passwords = await databases.let_services_in(servers.postgres_url, folder, services)
    if not servers.passwords:
        say(
            "The user of --postgres-url cannot give services users of their own (createrole): they share this one."
        )


async def prepare_sample(servers: Servers, options: Options) -> bool:
    """Load the sample the first time; answers whether there is one."""
    known = await seeding.present(servers.postgres_url)
    seeding.check_size(known, options.size)
    if known and known.is_whole:
        return True
    if known is None and (not options.sample or await seeding.has_own_data(servers.postgres_url)):
        return False
    if known:
        say(f"The sample {known.size} was loaded in part; it is loaded anew.")
    size = options.size or (known.size if known else seeding.DEFAULT_SIZE)
    await load_sample(servers, options.services, size)
    return True


async def load_sample(servers: Servers, services: ServiceTable, size: str) -> None:
    """Load the sample, whatever was there before, with bars."""
    say(f"Loading the sample {size} ...")
    with bars() as progress:
        await seeding.load(servers.postgres_url, servers.redis_url, services, size, progress)


async def prepare(options: Options, servers: Servers) -> tuple[KeyFiles, bool]:
    """Everything that services need before they start; answers the keys, and whether there is a sample."""
    await check_servers(options)
    keys = make_keys(options.data)
    await prepare_databases(servers, options.services)
    has_sample = await prepare_sample(servers, options)
    await let_services_in(servers, options.services)
    return keys, has_sample
