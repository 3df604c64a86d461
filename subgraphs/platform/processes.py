"""Starts, finds and stops the launcher's child processes, which must end when the launcher ends.

A server must not outlive the launcher, even after `kill -9`: the kernel sends it a signal when its parent
ends (PR_SET_PDEATHSIG). The setting is lost when a process changes its user, so the child sets it last, just
before exec. On systems without this setting the next start finds the processes that were left: a server by
its working directory, which is its data folder, and others by the environment variable MUSSIKON_DATA.
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
    """Return a function for a child process to call before exec.

    It makes the kernel send the signal `ending` to the child when the present process ends.
    """
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
    """Start a process in a session of its own, so that Ctrl-C in the terminal does not end it.

    `folder`: its working directory; `log`: the file for its output; `ending`: the signal that it receives
    when the launcher ends; `user`: its user and group id (None: the present ones); `environment`: its
    variables (None: the present ones).
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
    """Return whether a process with this id runs and is not a zombie."""
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


def has_working_directory(pid: int, folder: Path) -> bool:
    """Return whether a process has this working directory; an embedded server has its data folder."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder.resolve()
    except OSError:
        return False


def marked_environment(data: Path) -> dict[str, str]:
    """Return this process's environment and a variable by which `end_marked` finds processes of the
    folder.
    """
    return {**os.environ, _MARK: str(data.resolve())}


def end_marked(data: Path) -> None:
    """Kill the processes with the environment of `marked_environment`, which a killed launcher has left."""
    mark = f"{_MARK}={data.resolve()}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            is_marked = mark in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if is_marked and int(entry.name) != os.getpid():
            end(int(entry.name), (signal.SIGKILL,), 5)


def wait_until_gone(pid: int, seconds: float) -> bool:
    """Wait at most `seconds` for the end of a process, also of one that is no child; return whether
    it ended.
    """
    end = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def end(pid: int, signals: Sequence[signal.Signals], timeout: float = 15) -> None:
    """Send the signals one after the other until the process has ended, and wait `timeout` seconds
    after each.

    The process need not be a child. Raises LaunchError if it belongs to another user.
    """
    for ending in signals:
        try:
            os.kill(pid, ending)
        except ProcessLookupError:
            return
        except PermissionError as error:
            raise LaunchError(
                f"Process {pid} uses this data folder and belongs to another user.",
                f"Stop it: sudo kill {pid}",
            ) from error
        if wait_until_gone(pid, timeout):
            return


def stop(process: subprocess.Popen[bytes], signals: Sequence[signal.Signals], timeout: float = 15) -> None:
    """Send the signals one after the other until the child has ended; wait `timeout` seconds after each."""
    for ending in signals:
        if process.poll() is not None:
            return
        process.send_signal(ending)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            continue


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether a server could listen on a port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def http_status(host: str, port: int, path: str) -> int | None:
    """Return the HTTP status of the response to a GET request; None without a response within 5 seconds."""
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


_ERROR_MARKS = ("FATAL", "PANIC", "ERROR", "Fatal", "Bad file", "Can't", "Error")


def error_lines(log: Path) -> str:
    """Return the last four lines of a log with a word such as ERROR; without such lines, the last
    four lines.
    """
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    marked = [line for line in lines if any(mark in line for mark in _ERROR_MARKS)]
    return "\n".join((marked or lines)[-4:])
