"""Test of the backup and the restore in the guide for operators, with the guide's own commands."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from subgraphs.platform.databases import url_of
from subgraphs.platform.postgres import start_postgres
from subgraphs.platform.tables import SERVICES
from tests.folders import copy_seeded_data

pytestmark = pytest.mark.system
ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "platform" / "operating.md").read_text()


async def count(url: str, service: str) -> tuple[int, ...]:
    """Return the numbers of events and of outbox rows in a service's database."""
    connection = await asyncpg.connect(url_of(url, service))
    try:
        return tuple(
            [await connection.fetchval(f"select count(*) from {table}") for table in ("events", "outbox")]
        )
    finally:
        await connection.close()


def dump(script: str, data: Path) -> str:
    """Run the guide's commands on a data folder; return the folder of the PostgreSQL programs that
    they use.
    """
    commands = script.replace(".venv/bin/python", sys.executable).replace(".data", str(data))
    shell = ["bash", "-euc", f'{commands}\necho "$BIN"']
    return subprocess.run(shell, cwd=data, check=True, capture_output=True, text=True).stdout.strip()


def load(programs: str, url: str, password: str, dumped: Path) -> None:
    """Load a dump into a server."""
    where = urlsplit(url)
    command = [f"{programs}/psql", "-q", "-h", str(where.hostname), "-p", str(where.port), "-U", "postgres"]
    environment = {**os.environ, "PGPASSWORD": password}
    subprocess.run(
        [*command, "-f", str(dumped), "postgres"], env=environment, check=True, capture_output=True
    )


async def test_the_documented_backup_is_restored(folder: Path) -> None:
    """A dump of a data folder with sample data, loaded into another server, has the same events."""
    data, other = folder / "data", folder / "other"
    copy_seeded_data(data)
    (script,) = re.findall(r"```sh\n(BIN=.*?)```", PAGE, re.DOTALL)
    (program,) = [one for one in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "renumber" in one]
    made: dict[str, Any] = {"__name__": "program"}
    exec(program, made)
    old = start_postgres(data / "postgres")
    try:
        programs = dump(script, data)
        before = {service: await count(old.url, service) for service in SERVICES.names}
    finally:
        old.stop()
    new = start_postgres(other, durable=False)
    try:
        load(programs, new.url, (other / "password").read_text().strip(), data / "dump.sql")
        for service in SERVICES.names:
            await made["renumber"](url_of(new.url, service))
        assert {service: await count(new.url, service) for service in SERVICES.names} == before
        assert before["read_side"][0] > 10_000
    finally:
        new.stop()
