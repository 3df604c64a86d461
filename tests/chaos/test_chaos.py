"""A part of `make chaos`: nothing is lost or doubled while everything is killed and started again."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_nothing_is_lost_or_doubled() -> None:
    """Clients with cursors have each event once, those of a key in order; the others learn of each gap."""
    command = [sys.executable, "-m", "tests.chaos.run", "--seconds", "6", "--clients", "10", "--seed", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    last = (done.stdout.strip().splitlines() or [""])[-1]
    found = re.fullmatch(
        r"(\d+) events, faults: .*; lost 0, doubled 0, out of order 0, gaps without a word 0; .*", last
    )
    assert found, done.stdout + done.stderr
    assert int(found[1]) > 60
