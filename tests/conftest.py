"""What all tests share: real servers, and how the tests are spread over the workers.

Each worker starts a PostgreSQL and a Valkey of its own when a test needs them, so databases, roles and the
numbers of Valkey's databases cannot collide.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from subgraphs.platform.postgres import start_postgres
from subgraphs.platform.valkey import start_valkey

ROOT = Path(__file__).parents[1]
# These groups begin first, the longest in front: a long one that begins last leaves the other workers idle.
LONGEST = (
    "system",  # one group for each way of running the platform
    "gateway/compose/test_composition_oracle.py",
    "subgraphs/platform/test_run.py",
    "system/test_crash.py",
    "conformance/test_peers_load.py",
    "fuzz/test_fuzz.py",
    "subgraphs/platform/test_seed.py",
    "subgraphs/kit/queue/test_survival.py",
    "subgraphs/kit/event_store/test_event_store_machine.py",
    "gateway/bombs/test_bombs.py",
    "gateway/test_cli.py",
    "subgraphs/platform/test_roles.py",
    "subgraphs/kit/queue/test_processes.py",
    "subgraphs/orchestration/test_dashboard.py",
    "subgraphs/read_side/test_fallback.py",
    "subgraphs/platform/test_sample_reads.py",
    "gateway/test_reload.py",
    "subgraphs/sync/test_consistency.py",
)


def group_of(item: pytest.Item) -> str:
    """The name of the group that goes to one worker: a file, or all tests of one running platform."""
    call = getattr(item, "callspec", None)
    if "platform" in getattr(item, "fixturenames", ()) and call is not None and "platform" in call.params:
        return f"system {call.params['platform']}"
    return item.path.relative_to(ROOT / "tests").as_posix()


@pytest.hookimpl(tryfirst=True)  # the plugin reads the groups afterwards
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Group the tests for `--dist loadgroup` and put the longest groups first; do nothing without workers."""
    if not hasattr(config, "workerinput"):
        return
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    groups = {item: group_of(item) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: ranks.get(groups[item], ranks.get(groups[item].split()[0], len(ranks))))


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
