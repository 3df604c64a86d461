"""The zygote: a process that imports all services and then forks itself to start one of them.

The launcher runs it as `python -m subgraphs.platform.zygote FD PACKAGE...` (`forks`). The imports of a
service take two seconds of processor time, so ten processes would take twenty. The zygote imports once, while
the servers start, and can then start or restart a service at once. On the socket FD it receives orders and
sends reports, one JSON object per line. It ends with the launcher, and the services end with it.

Example: it receives {"id": 3, "name": "users", ...}, sends {"id": 3, "pid": 711} after the fork, and
{"id": 3, "exit": 0} when the service has ended.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from subgraphs.kit import serve
from subgraphs.kit.migrations import MigrationError
from subgraphs.kit.settings import ServiceSettingsError


def main(descriptor: int, packages: Sequence[str]) -> None:
    """Import the services' packages, report readiness, and execute orders until the socket is closed.

    `descriptor`: the file descriptor of the socket to the launcher.
    """
    orders = socket.socket(fileno=descriptor)
    for package in packages:
        importlib.import_module(f"{package}.app")
    gc.collect()
    gc.freeze()
    wake, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    _report(orders, ready=True)
    running: dict[int, int] = {}
    buffer = b""
    while True:
        readable, _, _ = select.select([orders, wake], [], [])
        if wake in readable:
            wake.recv(4096)
            _reap(orders, running)
        if orders in readable:
            received = orders.recv(65536)
            if not received:
                return
            *lines, buffer = (buffer + received).split(b"\n")
            for line in lines:
                order = json.loads(line)
                pid = _fork(order, [orders, wake, waker])
                running[pid] = order["id"]
                _report(orders, id=order["id"], pid=pid)


def _reap(orders: socket.socket, running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        _report(orders, id=running.pop(pid), exit=os.waitstatus_to_exitcode(status))


def _report(orders: socket.socket, **report: Any) -> None:
    orders.sendall(json.dumps(report).encode() + b"\n")


def _fork(order: dict[str, Any], ours: list[socket.socket]) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = _run_service(order, parent, ours)
    except BaseException as error:
        sys.stderr.write(f"{order['name']}: {error!r}\n")
    finally:
        sys.stderr.flush()
        os._exit(code)


def _run_service(order: dict[str, Any], parent: int, ours: list[socket.socket]) -> int:
    """Run the service of an order in the forked process; return its exit code.

    `parent`: the zygote's process id; `ours`: the zygote's sockets, which the forked process closes.
    """
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for inherited in ours:
        inherited.close()
    with Path(order["log"]).open("ab", buffering=0) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    serve.die_with_parent()
    if os.getppid() != parent:
        return 1
    try:
        serve.run(order["name"], order["environment"], order["package"])
    except (ServiceSettingsError, MigrationError, OSError) as error:
        sys.stderr.write(f"{order['name']}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
