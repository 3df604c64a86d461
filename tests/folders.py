"""Folders for the data of test servers: in memory where there is room, and one seeded data folder to copy."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
SEEDED = "MUSSIKON_TEST_SEEDED"
"""The environment variable with the folder of the seeded data, which the workers of one run share."""

_MEMORY = Path("/dev/shm")  # a file system in memory: the servers' fsync takes no time there
_ROOM = 6 * 2**30  # bytes; all data folders of a run together need a quarter of them


def make_folder(prefix: str) -> Path:
    """A new folder that a server's own user can reach, too (pytest's are closed to everyone else)."""
    roomy = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM
    made = Path(tempfile.mkdtemp(prefix=prefix, dir=_MEMORY if roomy else None))
    made.chmod(0o711)
    return made


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A folder as `make_folder` makes it, removed at the end."""
    made = make_folder(prefix)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def copy_seeded_data(target: Path) -> None:
    """Copy a data folder with the small sample; the first caller of a test run makes it by `mussikon seed`.

    The servers of the copy choose ports of their own.
    """
    shared = Path(os.environ[SEEDED])
    data = shared / "data"
    with (shared / "lock").open("w") as waiting:
        fcntl.flock(waiting, fcntl.LOCK_EX)
        if not (shared / "done").exists():
            command = [sys.executable, "-m", "subgraphs.platform.cli", "seed", "--data", str(data)]
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
            (shared / "done").touch()
    subprocess.run(["cp", "-a", str(data), str(target)], check=True)
    for port in target.glob("*/port"):
        port.unlink()
