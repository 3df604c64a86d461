"""What all tests share: real servers, and the spreading of tests over workers.

Each worker starts a PostgreSQL and a Valkey of its own when a test needs them, so databases, roles and the
numbers of Valkey's databases cannot collide.
"""

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from subgraphs.platform.postgres import start_postgres
from subgraphs.platform.valkey import start_valkey
from tests.folders import SEEDED, make_folder, temporary_folder
from tests.worker_groups import Groups, rank_of


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups | None:
    """With `--dist loadscope`, what a worker gets at once is one of our groups."""
    return Groups(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_configure(config: pytest.Config) -> None:
    """Collect garbage more rarely: documents and plans are many small objects, and most of them stay.

    The process that starts the workers also makes the folder for the data that they share.
    """
    gc.set_threshold(50_000, 20, 50)
    hypothesis.settings.register_profile(  # a busy machine is no fault of a test
        "quiet", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("quiet")
    if not hasattr(config, "workerinput"):
        os.environ[SEEDED] = str(make_folder("mussikon-seeded-"))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder that the workers shared."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(SEEDED), ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest groups first; do nothing without workers."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: rank_of(item.nodeid))


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """A folder that the server's own user can reach, too."""
    with temporary_folder("mussikon-test-") as folder:
        yield folder


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
