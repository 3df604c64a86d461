"""Tests that the page for frontend developers works as it says: its commands, run as they are printed."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.system.conftest import Platform

pytestmark = pytest.mark.system
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "platform" / "frontend.md").read_text()
ADDRESS = "http://127.0.0.1:4000"


def test_the_commands_work_as_printed(platform: Platform) -> None:
    """All shell commands of the page, in their order in one shell, print what the page says."""
    blocks: list[str] = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    script = "\n".join(["set -euo pipefail", *blocks]).replace(ADDRESS, platform.url)
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    mistakes = [error["field"] for error in json.loads(lines[2])]
    assert (lines[0], mistakes) == ("demo_client", ["title", "eventDate", "budgetMin"])
    assert lines[1] and lines[3] and int(lines[4]) > 0
    assert lines[5:] == [
        "2",
        "PENDING",
        "1",
        "COMPLETED",
        "CONFIRMED",
        "When do you come?",
        "1",
        "CANCELLED",
        "450.00",
        "CANCELLED",
        "[]",
        "200 image/png",
        "[]",
    ]


def test_every_operation_of_the_page_is_a_file() -> None:
    """Each `run NAME` of the page names a file in schema/operations."""
    names = set(re.findall(r"\brun ([a-z]\w+) ['\"]", PAGE))
    assert len(names) >= 15
    assert [name for name in names if not (ROOT / "schema/operations" / f"{name}.graphql").exists()] == []
