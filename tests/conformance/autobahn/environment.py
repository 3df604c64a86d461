"""Autobahn's test suite in an environment of its own, since it needs Python 2.7."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
NO_PYTHON = "no Python 2.7 on this machine (in PATH or pyenv): Autobahn's 500 tests of WebSocket are left out"
NO_PACKAGE = "pip cannot install autobahntestsuite (no registry?): its 500 tests of WebSocket are left out"
VIRTUALENV = "virtualenv==20.21.1"  # the last one that makes environments for Python 2.7
ACCELERATOR = "wsaccel==0.6.6"

_HOME = Path(sys.prefix) / "autobahn"


def find_python() -> str | None:
    """Return the command of Python 2.7; None if there is none."""
    versions = sorted((Path.home() / ".pyenv" / "versions").glob("2.7.*/bin/python2.7"))
    if versions:
        return str(versions[-1])
    found = shutil.which("python2.7")
    return None if found is None or "shims" in Path(found).parts else found


@cache
def install() -> Path:
    """Return the suite's program `wstest`, installed below .venv unless it is.

    Raises CalledProcessError or TimeoutExpired if that fails, which needs a registry only the first time.
    """
    python, lock = find_python(), HERE / "requirements.lock"
    if python is None:
        raise FileNotFoundError(NO_PYTHON)
    stamp, written = _HOME / ".installed", hashlib.sha256(lock.read_bytes()).hexdigest()
    with _HOME.with_suffix(".installing").open("w") as waiting:
        fcntl.flock(waiting, fcntl.LOCK_EX)  # workers of one test run come at the same time
        if not stamp.exists() or stamp.read_text() != written:
            uv = str(Path(sys.executable).parent / "uv")
            make = (
                uv,
                "tool",
                "run",
                "-q",
                "--from",
                VIRTUALENV,
                "virtualenv",
                "-q",
                "--clear",
                "-p",
                python,
            )
            subprocess.run([*make, _HOME], check=True, timeout=120)
            subprocess.run([*_pip(), "--no-deps", "--require-hashes", "-r", lock], check=True, timeout=300)
            stamp.write_text(written)
    return _HOME / "bin" / "wstest"


def _pip() -> tuple[str, ...]:
    """Return the command that installs packages, without its warnings about Python 2.7."""
    python = str(_HOME / "bin" / "python")
    return (
        python,
        "-W",
        "ignore",
        "-m",
        "pip",
        "-qqq",
        "install",
        "--disable-pip-version-check",
        "--no-compile",
    )


def accelerate() -> bool:
    """Install the compiled part of the suite; return whether there is a compiler for it.

    Without it the tests that send thousands of large messages take several times as long.
    """
    install()
    return (
        subprocess.run([*_pip(), ACCELERATOR], check=False, capture_output=True, timeout=300).returncode == 0
    )
