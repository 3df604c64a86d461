"""A process that has imported every service and becomes one by forking: `python -m subgraphs.platform.zygote
FD PACKAGE...`.

Importing what a service needs takes two seconds of processor time; ten processes that each do it take twenty.
Here it is done once, while the servers start, and a service is there, or there again, at once. It takes
orders and reports on a socket, a JSON object a line, and ends with the launcher, as the services do with it.
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
    """Import the services' packages, report that it is done, and obey until the socket closes."""
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


def _report(orders: socket.socket, **facts: Any) -> None:
    orders.sendall(json.dumps(facts).encode() + b"\n")


def _fork(order: dict[str, Any], ours: list[socket.socket]) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = _be(order, parent, ours)
    except BaseException as error:
        sys.stderr.write(f"{order['name']}: {error!r}\n")
    finally:
        sys.stderr.flush()
        os._exit(code)


def _be(order: dict[str, Any], parent: int, ours: list[socket.socket]) -> int:
    """Be the service that was ordered, in the process that was just forked."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for one in ours:
        one.close()
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
