"""Parts of `make crash-test` and `make booking-machine`: some of the points, and some runs at random."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_nothing_is_lost_or_doubled_or_stuck() -> None:
    """Each effect happens once, and every saga ends, whatever is killed; a missing idempotency check would be
    found.
    """
    command = [sys.executable, "-m", "tests.crash.run", "--every", "97", "--sagas", "10"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    last = done.stdout.strip().splitlines()[-1]
    found = re.fullmatch(r"(\d+) points, (\d+) kills, lost 0, doubled 0, stuck 0, stranded 0", last)
    assert found, done.stdout + done.stderr
    assert int(found[1]) > 60
    assert int(found[2]) > 5
    assert done.returncode == 0, done.stdout


def test_no_money_evening_or_notice_is_stranded() -> None:
    """A part of `make booking-machine`: whatever users, time and failures do, every booking ends in order; a
    cancellation without its refund would be found.
    """
    command = [sys.executable, "-m", "tests.crash.life", "--runs", "1", "--steps", "40"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    last = done.stdout.strip().splitlines()[-1]
    found = re.fullmatch(r"2 runs, (\d+) steps, \d+ kills, \d+ restarts, 0 broken invariants", last)
    assert found, done.stdout + done.stderr
    assert int(found[1]) > 70
    assert done.returncode == 0, done.stdout
