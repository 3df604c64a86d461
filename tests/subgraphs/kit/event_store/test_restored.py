"""Test of the documented program that renumbers the events of a restored database."""

import re
from pathlib import Path
from typing import Any

import pytest

from subgraphs.kit.database import Database
from subgraphs.kit.testing import fresh_database

PAGE = (Path(__file__).parents[4] / "docs" / "platform" / "operating.md").read_text()


async def test_the_documented_program_runs(
    postgres_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a database that was not restored the program changes nothing."""
    (program,) = [one for one in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "def renumber" in one]
    made: dict[str, Any] = {"__name__": "program"}
    exec(program, made)
    async with fresh_database(postgres_url, "restored") as url:
        database = Database(url)
        await database.migrate(tmp_path)
        await database.close()
        await made["renumber"](url)
    assert "nothing to do" in capsys.readouterr().out
