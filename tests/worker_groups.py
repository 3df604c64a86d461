"""Distributing the tests over the workers of `make test`: which tests stay together, and which begin
first.
"""

import re

from xdist.scheduler import LoadScopeScheduling

# These groups begin first, the longest in front: a long one at the end leaves the other workers idle.
LONGEST = (
    "system processes",
    "tests/gateway/compose/test_composition_oracle.py",
    "tests/system/test_crash.py",
    "tests/fuzz/test_fuzz.py",
    "tests/subgraphs/platform/test_run.py",
    "system in-process",
    "tests/gateway/bombs/test_bombs.py",
    "tests/subgraphs/platform/test_seed.py",
    "tests/conformance/test_peers_load.py",
    "tests/docs/test_documents.py",
    "tests/conformance/test_http_cache.py",
    "tests/clients/test_stream_clients.py",
    "tests/gateway/http/test_corners.py",
    "tests/libraries/test_libraries.py",
    "tests/subgraphs/read_side/test_fallback.py",
    "tests/subgraphs/kit/queue/test_survival.py",
    "tests/gateway/test_cli.py",
    "tests/subgraphs/kit/event_store/test_event_store_machine.py",
    "tests/subgraphs/platform/test_sample_reads.py",
    "tests/test_house.py",
    "tests/subgraphs/kit/queue/test_leases.py",
    "tests/gateway/http/test_graphiql_page.py",
    "tests/subgraphs/orchestration/test_dashboard.py",
    "tests/subgraphs/orchestration/test_dashboard_page.py",
    "tests/subgraphs/users/test_accounts.py",
    "tests/subgraphs/kit/queue/test_processes.py",
    "tests/packaging/test_wheel.py",
)
_RANKS = {name: rank for rank, name in enumerate(LONGEST)}
_WAY = re.compile(r"tests/system/.*\[(?:.*-)?(processes|in-process)(?:-.*)?\]$")


def group_of(nodeid: str) -> str:
    """The group of a test: its file, so that fixtures are created once, or the platform that it uses."""
    way = _WAY.match(nodeid)
    return f"system {way[1]}" if way else nodeid.split("::", 1)[0]


def rank_of(nodeid: str) -> int:
    """The order of a test's group: the longest first, the others as collected."""
    return _RANKS.get(group_of(nodeid), len(LONGEST))


class Groups(LoadScopeScheduling):  # type: ignore[misc]  # the plugin has no types
    """Assign whole groups to workers: `--dist loadgroup` can't, since pytest 9.2 ignores its marks."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
