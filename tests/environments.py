"""Python environments of their own, for packages whose needs are not the project's."""

import fcntl
import hashlib
import subprocess
import sys
from functools import cache
from pathlib import Path


@cache
def folder_of_programs(name: str, packages: Path) -> Path:
    """Return the folder of the programs (`python` and others) of an environment below .venv.

    `packages`: the folder with the `requirements.lock` that is installed in it.
    """
    uv = Path(sys.executable).parent / "uv"
    home = Path(sys.prefix) / name
    lock = packages / "requirements.lock"
    stamp = home / ".installed"
    written = hashlib.sha256(lock.read_bytes()).hexdigest()
    with (packages / ".installing").open("w") as waiting:
        fcntl.flock(waiting, fcntl.LOCK_EX)  # workers of one test run come at the same time
        if not stamp.exists() or stamp.read_text() != written:
            make: list[str | Path] = [uv, "venv", "-q", "--clear", "--python", sys.executable, home]
            subprocess.run(make, check=True, timeout=60)
            install: list[str | Path] = [uv, "pip", "install", "-q", "--python", home / "bin" / "python"]
            subprocess.run([*install, "--require-hashes", "-r", lock], check=True, timeout=300)
            stamp.write_text(written)
    return home / "bin"
