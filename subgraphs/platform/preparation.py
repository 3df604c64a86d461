"""Preparation before services start: data folder, ports, keys, databases, migrations, sample data.

`cli`, `launcher` and `in_process` call it; each function prints what it does and raises LaunchError.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.security.api_keys import KeyFile, write_keys
from subgraphs.kit.identity import SERVICE_PRIVATE, SERVICE_PUBLIC
from subgraphs.kit.keys import make_key_pair, write_key_set
from subgraphs.platform import databases, seeding
from subgraphs.platform.console import progress_bars, say, step
from subgraphs.platform.errors import LaunchError
from subgraphs.platform.folder import FolderLock, make_folder
from subgraphs.platform.options import Options
from subgraphs.platform.processes import end_marked, port_is_free
from subgraphs.platform.servers import Servers, check_servers
from subgraphs.platform.tables import ServiceTable


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """The paths of the key files for tokens: `private` and `public` for users, `service` for services.

    For the gateway: `key_set` has the public key for users (JSON Web Key Set), `partners` the hashes of
    partners' API keys.
    """

    private: Path
    public: Path
    service: Path
    key_set: Path
    partners: Path


@contextmanager
def locked_folder(data: Path) -> Iterator[None]:
    """Create the data folder and lock it while the `with` block runs.

    Kill processes of this folder that a killed launcher has left running. Raises LaunchError if another
    launcher uses the folder.
    """
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
    """Raise LaunchError unless the ports of the gateway and the services are free."""
    names = [row.name for row in options.services if row.serves_folder or not options.in_process]
    if names and options.port + options.services.highest_offset > 65535:
        raise LaunchError(
            f"The services need {options.services.highest_offset} ports above {options.port}, up to 65535.",
            "Use a lower --port",
        )
    for name, host, port in [
        ("the gateway", options.host, options.port),
        *((f"the service {name}", "127.0.0.1", options.port_of(name)) for name in names),
    ]:
        try:
            free = _becomes_free(port, host)
        except PermissionError as error:
            raise LaunchError(
                f"You may not listen on port {port}.", "Use a port above 1023: --port 4000"
            ) from error
        if not free:
            raise LaunchError(
                f"Port {port} of {host}, for {name}, is in use or cannot be used.",
                f"Stop the process that uses it (ss -ltnp 'sport = :{port}' shows it),"
                f" or use another port: --port {port + 100}",
            )


def _becomes_free(port: int, host: str) -> bool:
    """Return whether a port becomes free within a second: processes of a killed platform may still
    be ending.
    """
    for _ in range(20):
        if port_is_free(port, host):
            return True
        time.sleep(0.05)
    return False


def check_schema(options: Options) -> None:
    """Raise LaunchError if there is no supergraph for the gateway."""
    if not (options.schema / "supergraph.graphql").exists():
        raise LaunchError(f"There is no supergraph in {options.schema}.", "Compose it: mussikon schema")


def make_keys(data: Path) -> KeyFiles:
    """Return the key files; make them if they do not exist. The key set always has the present key."""
    folder = make_folder(data / "keys", 0o700).resolve()
    keys = KeyFiles(
        folder / "jwt.pem",
        folder / "jwt.pub.pem",
        folder / SERVICE_PRIVATE,
        folder / "jwks.json",
        folder / "partners.json",
    )
    make_key_pair(keys.private, keys.public)
    make_key_pair(keys.service, folder / SERVICE_PUBLIC)
    write_key_set(keys.key_set, keys.public)
    if not keys.partners.exists():
        write_keys(keys.partners, KeyFile())
    return keys


async def prepare_databases(servers: Servers, services: ServiceTable) -> dict[str, list[str]]:
    """Create the databases and apply new migrations; return the names of the applied ones by service.

    Raises LaunchError.
    """
    with step("databases and migrations"):
        urls = await databases.create_databases(servers.postgres_url, services)
        return await databases.migrate_all(urls, services)


async def set_up_logins(servers: Servers, services: ServiceTable) -> None:
    """Give each service a role and password of its own, if the server's user may create roles.

    The passwords are stored in `servers.passwords`.
    """
    folder = servers.data / "roles"
    servers.passwords = await databases.set_up_logins(servers.postgres_url, folder, services)
    if not servers.passwords:
        say("The user of --postgres-url may not create roles (createrole): all services log in as this user.")


async def prepare_sample(servers: Servers, options: Options) -> bool:
    """Load the sample data, unless the databases have data; return whether they have sample data afterwards.

    An incomplete load is repeated. Raises LaunchError.
    """
    known = await seeding.stored_sample(servers.postgres_url)
    seeding.check_size(known, options.size)
    if known and known.is_whole:
        return True
    if known is None and (not options.sample or await seeding.has_own_data(servers.postgres_url)):
        return False
    if known:
        say(f"The sample data ({known.size}) was loaded only in part: loading it again.")
    size = options.size or (known.size if known else seeding.DEFAULT_SIZE)
    await load_sample(servers, options.services, size)
    return True


async def load_sample(servers: Servers, services: ServiceTable, size: str) -> None:
    """Delete all data of the services and load the sample data, with progress bars."""
    say(f"Loading the sample data ({size}) ...")
    with progress_bars() as progress:
        await seeding.load(servers.postgres_url, servers.redis_url, services, size, progress)


async def prepare(options: Options, servers: Servers) -> tuple[KeyFiles, bool]:
    """Prepare keys, databases, sample data and logins; return the key files, and whether there is
    sample data.

    The servers run already. Raises LaunchError.
    """
    await check_servers(options)
    keys = make_keys(options.data)
    await prepare_databases(servers, options.services)
    has_sample = await prepare_sample(servers, options)
    await set_up_logins(servers, options.services)
    return keys, has_sample
