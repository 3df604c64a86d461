"""What the tests of the platform share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.folders import temporary_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the database's own user can reach."""
    with temporary_folder("mussikon-test-") as made:
        yield made
