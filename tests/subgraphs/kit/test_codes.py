"""Tests of the table of the services' error codes."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import subgraphs
from gateway.core.codes import CODES as GATEWAY_CODES
from subgraphs.kit.codes import CODES
from subgraphs.kit.errors import DomainError

ROOT = Path(__file__).parents[3]


def subclasses(of: type[DomainError]) -> list[type[DomainError]]:
    """Return all classes that are derived from an error, directly or not."""
    return [found for direct in of.__subclasses__() for found in (direct, *subclasses(direct))]


def test_every_error_of_a_service_has_a_row() -> None:
    """The code of each DomainError in any service has a row with a meaning and what to do."""
    for module in pkgutil.walk_packages(subgraphs.__path__, "subgraphs."):
        if module.name.rpartition(".")[2] == "errors" or module.name.startswith("subgraphs.kit."):
            importlib.import_module(module.name)
    codes = {DomainError.code, *(one.code for one in subclasses(DomainError))}
    assert len(codes) > 8
    assert codes - CODES.keys() - GATEWAY_CODES.keys() == set()
    assert [code.name for code in CODES.values() if not (code.meaning and code.next_step)] == []


def test_the_page_is_current() -> None:
    """docs/errors.md is what `mussikon errors` prints."""
    command = [sys.executable, "-m", "subgraphs.platform.cli", "errors"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs" / "errors.md").read_text() == printed
