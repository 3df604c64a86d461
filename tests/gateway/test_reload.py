"""SIGHUP loads another supergraph: no connection is closed, no request fails, and an invalid supergraph
changes nothing.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.support import supergraph_of

ROOT = Path(__file__).parent.parent.parent
BEFORE = supergraph_of({"a": "type Query { before: String }"})
AFTER = supergraph_of({"a": "type Query { before: String after: String }"})
FIELDS = '{ __type(name: "Query") { fields { name } } }'


class Client:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.connection.connect()
        self.address = self.connection.sock.getsockname()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def ask(self, query: str) -> Any:
        """Return a response over the same connection; fail if it was closed."""
        assert self.connection.sock is not None, "the server has closed the connection"
        assert self.connection.sock.getsockname() == self.address
        self.connection.request(
            "POST", "/graphql", json.dumps({"query": query}), {"content-type": "application/json"}
        )
        return json.loads(self.connection.getresponse().read())

    def fields(self) -> list[str]:
        """Return the fields of the current query type."""
        return [one["name"] for one in self.ask(FIELDS)["data"]["__type"]["fields"]]


def until(there: Any) -> None:
    """Wait until a condition holds, for 60 s at most."""
    deadline = time.monotonic() + 60
    while not there():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


def answers(port: int) -> bool:
    """Return whether a port has a listener."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def served(file: Path, workers: int, log: Path) -> Iterator[tuple[int, int]]:
    """Yield the process id and the port of a gateway over a file."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gateway.cli", "serve", "--supergraph", str(file), "--port", str(port)]
    command += ["--subgraph-url", "a=http://127.0.0.1:9/"]  # nobody is there
    with log.open("w") as errors:
        process = subprocess.Popen([*command, "--workers", str(workers)], cwd=ROOT, stderr=errors)
    try:
        until(lambda: answers(port) and "startup" not in log.read_text())
        yield process.pid, port
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)
    assert not answers(port)


@pytest.mark.parametrize("workers", [1, 2])
def test_another_supergraph(tmp_path: Path, workers: int) -> None:
    """Every connection stays open and gets the new supergraph; an invalid one is refused with a code."""
    file, log = tmp_path / "supergraph.graphql", tmp_path / "log"
    file.write_text(BEFORE)
    with served(file, workers, log) as (pid, port), ExitStack() as stack:
        clients = [stack.enter_context(Client(port)) for _ in range(8)]
        assert [client.fields() for client in clients] == [["before"]] * 8
        file.write_text("type Query {")
        os.kill(pid, signal.SIGHUP)
        until(lambda: "not reloaded" in log.read_text())
        assert "INVALID_" in log.read_text()
        assert [client.fields() for client in clients] == [["before"]] * 8
        file.write_text(AFTER)
        os.kill(pid, signal.SIGHUP)
        for client in clients:
            until(lambda client=client: client.fields() == ["before", "after"])
        assert stack.enter_context(Client(port)).fields() == ["before", "after"]


def test_no_request_fails_meanwhile(tmp_path: Path) -> None:
    """While supergraphs are replaced repeatedly, every request on open connections is answered."""
    file, log = tmp_path / "supergraph.graphql", tmp_path / "log"
    file.write_text(BEFORE)
    with served(file, 1, log) as (pid, port):
        done, wrong, stop = [0], list[Any](), threading.Event()

        def work() -> None:
            with Client(port) as client:
                while not stop.is_set():
                    answer = client.ask("{ __typename before }")
                    done[0] += 1
                    if answer["data"] != {"__typename": "Query", "before": None}:
                        wrong.append(answer)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(6):
            before = done[0]
            file.write_text(AFTER if number % 2 == 0 else BEFORE)
            os.kill(pid, signal.SIGHUP)
            until(lambda number=number: log.read_text().count("reloaded") > number)
            until(lambda before=before: done[0] > before + 20)
        stop.set()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        assert wrong == []
