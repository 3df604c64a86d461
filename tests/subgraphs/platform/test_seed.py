"""Tests of `mussikon migrate` and `mussikon seed`, which need no running platform."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from subgraphs.platform.databases import url_of
from subgraphs.platform.errors import LaunchError
from subgraphs.platform.seeding import Sample, check_size, stored_sample
from subgraphs.platform.tables import SERVICES

pytestmark = pytest.mark.system
ROOT = Path(__file__).parents[3]


def command(*arguments: str) -> list[str]:
    """Return the command line of `mussikon`."""
    return [sys.executable, "-m", "subgraphs.platform.cli", *arguments]


def said(*arguments: str, code: int = 0) -> str:
    """Run a command and return its output."""
    done = subprocess.run(
        command(*arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


async def test_servers_elsewhere(folder: Path, postgres_url: str, redis_url: str) -> None:
    """With external servers a database per service is created there, once, and no embedded server
    is started.
    """
    options = (
        "migrate",
        "--data",
        str(folder / "data"),
        "--postgres-url",
        postgres_url,
        "--redis-url",
        redis_url,
    )
    first = said(*options)
    assert all(f"{service}: kit/" in first for service in SERVICES.names)
    assert "PostgreSQL" not in first
    assert said(*options).count("nothing new") == len(SERVICES)
    connection = await asyncpg.connect(url_of(postgres_url, "requests"))
    assert await connection.fetchval("select count(*) from musician_requests") == 0
    await connection.close()
    assert await stored_sample(postgres_url) is None


def test_half_a_sample_is_loaded_anew(folder: Path) -> None:
    """An interrupted load is repeated by the next command, a complete one is not; another size is refused
    with advice.
    """
    data = ("--data", str(folder / "data"))
    words = folder / "words"
    with words.open("wb") as file:
        loading = subprocess.Popen(command("seed", *data), cwd=ROOT, stdout=file, stderr=file)
    end = time.monotonic() + 60
    while "users: users" not in words.read_text():
        assert time.monotonic() < end, words.read_text()
        time.sleep(0.01)
    loading.send_signal(signal.SIGKILL)
    loading.wait()
    again = said("seed", *data)
    assert "users: users" in again
    assert "musicians: musician_profiles" in again
    assert "loaded already" in said("seed", *data)
    refused = said("seed", "--size", "large", *data, code=1)
    assert "the data folder has the size small" in refused
    assert "--replace" in refused


def test_sizes_are_compared() -> None:
    """Only complete sample data of another size than the requested one is an error."""
    check_size(None, "large")
    check_size(Sample("small", is_whole=True), None)
    check_size(Sample("small", is_whole=True), "small")
    check_size(Sample("small", is_whole=False), "large")
    with pytest.raises(LaunchError, match="size large was requested"):
        check_size(Sample("small", is_whole=True), "large")
