"""The state machine of `machine`, for a few seconds; and that it sees what a missing fence does."""

import os
from pathlib import Path

import pytest

from tests.gateway.cache.machine import play
from tests.gateway.cache.machine_play import Stale

RUNS = int(os.environ.get("CACHE_MACHINE_RUNS", "16"))


def test_answers_are_never_older_than_declared(tmp_path: Path) -> None:
    counts = play(tmp_path / "valkey", RUNS, 40)
    assert counts["runs"] >= RUNS // 2
    assert counts["stale"] > 0  # the machine reaches values that only the cache has
    assert counts["queries"] > counts["calls"] / 3


@pytest.mark.parametrize("fence", ["local", "shared"])
def test_the_machine_sees_a_missing_fence(tmp_path: Path, fence: str) -> None:
    with pytest.raises(Stale):
        play(tmp_path / "valkey", RUNS, 40, forgotten=fence)
