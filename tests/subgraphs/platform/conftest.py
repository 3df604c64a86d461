"""What the tests of the platform share."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the database's own user can reach."""
    made = Path(tempfile.mkdtemp(prefix="mussikon-test-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)
