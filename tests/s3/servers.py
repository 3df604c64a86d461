"""Servers that speak S3, as processes: nanio always, and versitygw if the variable S3_SERVERS is `all`.

Both check signatures, and have a folder per bucket and a file per object. nanio is a package of Python, which
is installed in seconds; versitygw is compiled by Go, which takes minutes the first time.
"""

import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.environments import folder_of_programs
from tests.folders import temporary_folder

BUCKET = "pictures"
KEY_ID = "tester"
VERSITY = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
SERVERS = ("nanio", "versitygw") if os.environ.get("S3_SERVERS") == "all" else ("nanio",)


@cache
def _versitygw() -> Path:
    """Return the program, which is compiled at the first call."""
    home = Path(sys.prefix) / "versitygw"
    home.mkdir(exist_ok=True)
    with (home / ".installing").open("w") as waiting:
        fcntl.flock(waiting, fcntl.LOCK_EX)  # workers of one test run come at the same time
        if not (home / "versitygw").exists():
            environment = {**os.environ, "GOBIN": str(home)}
            subprocess.run(["go", "install", VERSITY], env=environment, check=True, timeout=900)
    return home / "versitygw"


class S3Server:
    """One server with one bucket. It can be stopped, paused and started again, with the same data."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.secret = secrets.token_hex(16)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        (folder / BUCKET).mkdir()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of the bucket, with a prefix."""
        return f"s3://{BUCKET}/of/users?endpoint=http://127.0.0.1:{self.port}&region=eu-test-1"

    @property
    def own(self) -> dict[str, str]:
        """The keys, as the service's own variables."""
        return {"PICTURES_KEY_ID": KEY_ID, "PICTURES_SECRET": self.secret}

    @property
    def objects(self) -> dict[str, bytes]:
        """The objects in the bucket, by the last part of their names."""
        files = (self.folder / BUCKET / "of" / "users").glob("*.*")
        return {
            path.name: path.read_bytes() for path in files if path.is_file() and not path.name.startswith(".")
        }

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        if self.kind == "nanio":
            program = [str(folder_of_programs("s3", Path(__file__).parent) / "nanio"), "serve"]
            program += ["--host", "127.0.0.1", "--port", str(self.port), "--region", "eu-test-1"]
            program += ["--data-dir", str(self.folder)]
            environment = {"NANIO_ACCESS_KEY": KEY_ID, "NANIO_SECRET_KEY": self.secret}
        else:
            program = [str(_versitygw()), "--port", f"127.0.0.1:{self.port}", "--region", "eu-test-1"]
            program += ["posix", str(self.folder)]
            environment = {"ROOT_ACCESS_KEY": KEY_ID, "ROOT_SECRET_KEY": self.secret}
        with (self.folder.parent / "log").open("ab") as log:
            self._process = subprocess.Popen(
                program, env={**os.environ, **environment}, stdout=log, stderr=log
            )
        end = time.monotonic() + 30
        while True:
            assert self._process.poll() is None and time.monotonic() < end, (
                self.folder.parent / "log"
            ).read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        """Send the server a signal, such as SIGSTOP to make it slow."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        """Kill the server."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running_s3(kind: str) -> Iterator[S3Server]:
    """Run a server with an empty bucket."""
    with temporary_folder("mussikon-s3-") as folder:
        (folder / "data").mkdir()
        server = S3Server(kind, folder / "data")
        server.start()
        try:
            yield server
        finally:
            server.stop()
