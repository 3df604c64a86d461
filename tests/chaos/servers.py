"""The servers of the chaos run: Valkey, a subgraph, and a gateway with several workers."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import IO

from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from subgraphs.platform.valkey import ValkeyServer, start_valkey

ROOT = Path(__file__).parents[2]
LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])\n'
SDLS = {
    "live": LINK
    + """type Subscription { tick: Thing }
type Thing @key(fields: "id", resolvable: false) { id: ID! }""",
    "things": LINK + 'type Query { x: Int } type Thing @key(fields: "id") { id: ID! name: String }',
}
CONFIG = """supergraph: {schema}
server: {{port: {port}, workers: {workers}}}
timeout: 2s
subscriptions:
  redis:
    url: {redis}
    block: 0.3
    fields:
      tick:
        streams: ["ticks:{{0..3}}"]
        value: '{{"__typename": "Thing", "id": "{{payload.id}}"}}'
        id: event_id
"""


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Servers:
    """The servers. Each can be killed and started again, with the same address and data."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.log: IO[bytes] = (folder / "log.txt").open("ab")
        self.redis: ValkeyServer = start_valkey(folder / "valkey")
        self.things_port, self.port = free_port(), free_port()
        self.things = self._start("-m", "bench.things", str(self.things_port))
        schema, self.file = folder / "live.graphql", folder / "gateway.yaml"
        sources = [SubgraphSource("live", "", SDLS["live"])]
        sources.append(
            SubgraphSource("things", f"http://127.0.0.1:{self.things_port}/things", SDLS["things"])
        )
        schema.write_text(compose(sources).supergraph)
        self.file.write_text(
            CONFIG.format(schema=schema, port=self.port, workers=workers, redis=self.redis.url)
        )
        self.gateway = self._gateway()
        self.wait()

    def _start(self, *words: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=self.log, stderr=self.log)

    def _gateway(self) -> "subprocess.Popen[bytes]":
        return self._start("-m", "gateway.cli", "serve", "--config", str(self.file))

    def wait(self) -> None:
        """Wait until the gateway answers."""
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/live", timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the gateway does not answer")

    def workers(self) -> list[int]:
        """Return the process ids of the gateway's workers."""
        path = Path(f"/proc/{self.gateway.pid}/task/{self.gateway.pid}/children")
        found = [int(one) for one in path.read_text().split()] if path.exists() else []
        return [one for one in found if b"resource_tracker" not in Path(f"/proc/{one}/cmdline").read_bytes()]

    def kill_worker(self, number: int) -> None:
        """Kill one of the workers; the supervisor starts another one."""
        workers = self.workers()
        if workers:
            os.kill(workers[number % len(workers)], signal.SIGKILL)

    def restart_gateway(self, sign: signal.Signals) -> None:
        """End the whole gateway, and start it again."""
        workers = self.workers()
        self.gateway.send_signal(sign)
        for one in workers if sign == signal.SIGKILL else []:
            os.kill(one, signal.SIGKILL)
        self.gateway.wait(timeout=30)
        self.gateway = self._gateway()

    def restart_things(self) -> None:
        """Kill the subgraph, and start it again."""
        self.things.kill()
        self.things.wait()
        self.things = self._start("-m", "bench.things", str(self.things_port))

    def restart_redis(self) -> None:
        """Stop Valkey, and start it again with its data, at the same address."""
        url = self.redis.url
        self.redis.stop()
        self.redis = start_valkey(self.folder / "valkey")
        if self.redis.url != url:
            raise RuntimeError("Valkey has another address")

    def close(self) -> None:
        """End everything."""
        workers = self.workers()
        self.gateway.terminate()
        try:
            self.gateway.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.gateway.kill()
            for one in workers:
                os.kill(one, signal.SIGKILL)
        self.things.kill()
        self.redis.stop()
        self.log.close()
