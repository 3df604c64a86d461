"""Processes of servers: ended with their parent, found again after it was killed, stopped for certain.

A server must not outlive the launcher, even after `kill -9`: the kernel sends it a signal when its parent
dies (PR_SET_PDEATHSIG). That setting is lost when a process changes its user, so it is made last, just before
exec. What has no such kernel, or was started otherwise, is found on the next start by its working directory,
which is its data.
"""

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from subgraphs.platform.errors import LaunchError

_PR_SET_PDEATHSIG = 1
_MARK = "MUSSIKON_DATA"
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(ending: signal.Signals) -> Callable[[], None]:
    """What a child runs before exec: it gets this signal when its parent dies."""
    parent = os.getpid()

    def prepare() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(ending))
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def spawn(
    command: Sequence[str],
    folder: Path,
    log: Path,
    ending: signal.Signals,
    user: tuple[int, int] | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server in its data folder, its words in a log, in a session of its own.

    Ctrl-C does not reach it.
    """
    uid, gid = user or (None, None)
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment) if environment is not None else None,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            user=uid,
            group=gid,
            extra_groups=[] if user else None,
            preexec_fn=die_with_parent(ending),
        )


def alive(pid: int) -> bool:
    """Whether a process of this number runs, and is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return not Path("/proc/self").exists()


def works_in(pid: int, folder: Path) -> bool:
    """Whether this process has that folder as its working directory: a server of ours on its data."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder.resolve()
    except OSError:
        return False


def marked(data: Path) -> dict[str, str]:
    """The environment by which a process of this data folder is known again."""
    return {**os.environ, _MARK: str(data.resolve())}


def end_marked(data: Path) -> None:
    """End what a launcher that was killed, with its own children at once, has left of this data folder."""
    mark = f"{_MARK}={data.resolve()}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            left = int(entry.name) != os.getpid() and mark in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if left:
            end(int(entry.name), (signal.SIGKILL,), 5)


def wait_until_gone(pid: int, seconds: float) -> bool:
    """Wait for the end of a process that need not be our child."""
    end = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def end(pid: int, signals: Sequence[signal.Signals], patience: float = 15) -> None:
    """End a process that need not be our child, the next signal if the one before was not enough."""
    for ending in signals:
        try:
            os.kill(pid, ending)
        except ProcessLookupError:
            return
        except PermissionError as error:
            raise LaunchError(
                f"Process {pid} serves this data folder and belongs to another user.",
                f"Stop it: sudo kill {pid}",
            ) from error
        if wait_until_gone(pid, patience):
            return


def stop(process: subprocess.Popen[bytes], signals: Sequence[signal.Signals], patience: float = 15) -> None:
    """End our child and reap it."""
    for ending in signals:
        if process.poll() is not None:
            return
        process.send_signal(ending)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A loopback port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def http_status(host: str, port: int, path: str) -> int | None:
    """The status of the answer at this address; None while nobody answers."""
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            parts = (await reader.readline()).split()
            return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else None
    except (OSError, TimeoutError):
        return None
    finally:
        if writer is not None:
            writer.close()


_TELLING = ("FATAL", "PANIC", "ERROR", "Fatal", "Bad file", "Can't", "Error")


def last_words(log: Path) -> str:
    """The lines of a log that most likely say why a server ended."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    telling = [line for line in lines if any(mark in line for mark in _TELLING)]
    return "\n".join((telling or lines)[-4:])
