"""Strawberry and httpx belong to the extra: the rest of the gateway works without them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "gateway" / "strawberry_subgraphs"
EXTRA = ("strawberry", "httpx", "cross_web")


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_who_imports_what() -> None:
    """Only the package imports strawberry; of the gateway it imports only `core`."""
    for path in (ROOT / "gateway").rglob("*.py"):
        names = imported(path)
        if path.is_relative_to(PACKAGE):
            own = {name for name in names if name.startswith("gateway")}
            allowed = ("gateway.core", "gateway.strawberry_subgraphs")
            assert {name for name in own if not name.startswith(allowed)} == set(), path
        else:
            others = (*EXTRA, "gateway.strawberry_subgraphs")
            assert {name for name in names if name.startswith(others)} == set(), path


@pytest.mark.parametrize("missing", ["strawberry", "httpx"])
def test_without_the_extra(missing: str) -> None:
    """The message says what to install."""
    program = f"import sys; sys.modules[{missing!r}] = None; import gateway.strawberry_subgraphs"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("pip install 'mussikon[strawberry]'")
