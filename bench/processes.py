"""Starts the processes that are measured, on a core of their own, and reads their CPU time and memory from
/proc.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.data import ROOT, WORK

TICK = os.sysconf("SC_CLK_TCK")  # /proc counts CPU time in ticks: this number per second
CORES = sorted(os.sched_getaffinity(0))
PINNED = len(CORES) > 1 and shutil.which("taskset") is not None
"""Whether the measured gateway has the last core alone."""


def pin_self() -> None:
    """Restrict this process to all cores except the last one, which the measured gateways use.

    Processes that it starts inherit this, except those of `running` with `gateway`.
    """
    if PINNED:
        os.sched_setaffinity(0, set(CORES[:-1]))


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Return whether a port of the loopback interface is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@contextmanager
def running(
    name: str, command: Sequence[str], environment: Mapping[str, str] | None = None, *, gateway: bool = True
) -> Iterator[int]:
    """Run a program while the `with` block runs, and yield its process id.

    `name`: the name of its log; `environment`: further variables; `gateway`: run it on the last core alone.
    """
    WORK.mkdir(parents=True, exist_ok=True)
    prefix = ["taskset", "-c", str(CORES[-1])] if PINNED and gateway else []
    with (WORK / f"{name.replace(' ', '-')}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            [*prefix, *command], cwd=ROOT, env={**os.environ, **(environment or {})}, stdout=log, stderr=log
        )
        try:
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(name: str, url: str, seconds: float = 40.0) -> None:
    """Wait until a POST to a URL gets a response with status 200.

    Exit with the end of the log of the program `name` if there is none within `seconds`.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if httpx.post(url, json={"query": "{__typename}"}, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    log = WORK / f"{name.replace(' ', '-')}.log"
    sys.exit(f"bench: {name} does not answer at {url}:\n{log.read_text()[-2000:] if log.exists() else ''}")


def family(pid: int) -> list[int]:
    """Return the ids of a process and of all its descendants."""
    found = [pid]
    for parent in found:
        for thread in Path(f"/proc/{parent}/task").glob("*"):
            found.extend(map(int, (thread / "children").read_text().split()))
    return found


def cpu_ms(pid: int) -> float:
    """Return the user and system time of a process and its descendants since their start, in ms."""
    ticks = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks * 1000 / TICK


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process and its descendants, in MB."""
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def listener(port: int) -> int:
    """Return the lowest id of the processes that listen on a port; exit if none is found."""
    wanted = f":{port:04X}"
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()
    ]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(wanted) and row[3] == "0A"}
    holders = []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) in sockets:
                holders.append(int(link.parts[2]))
        except OSError:  # the process belongs to another user, or has just ended
            continue
    if not holders:
        sys.exit(f"bench: no process of this user listens on port {port}, so its CPU time cannot be read")
    return min(holders)
