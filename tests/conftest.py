"""Real servers for the whole test session: PostgreSQL and Valkey out of their wheels, in a folder of their own."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from subgraphs.platform.postgres import start_postgres
from subgraphs.platform.valkey import start_valkey


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """A folder that the server's own user can reach, too (pytest's are closed to everyone else)."""
    folder = Path(tempfile.mkdtemp(prefix="mussikon-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(servers_folder: Path) -> Iterator[str]:
    """A PostgreSQL without durability; the address is that of its database `postgres`."""
    server = start_postgres(servers_folder / "postgres", durable=False)
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def redis_url(servers_folder: Path) -> Iterator[str]:
    """A Valkey without durability; the address is that of its database 0."""
    server = start_valkey(servers_folder / "valkey", durable=False)
    yield server.url
    server.stop()
