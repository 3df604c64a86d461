"""Fixture of the platform's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.folders import temporary_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the server's own user (not root) can enter."""
    with temporary_folder("mussikon-test-") as made:
        yield made
