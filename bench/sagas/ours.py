"""A worker process of our saga engine: `python -m bench.sagas.ours`.

Its settings are JSON in the environment variable SAGA_BENCH (`run.worker_environment`). It runs until it is
killed.
"""

import asyncio
import json
import os
from pathlib import Path

from gateway.transport.http import HttpTransport
from subgraphs.kit.client import ServiceClient, authorization
from subgraphs.orchestration.app import SELF
from subgraphs.orchestration.engine import SagaEngine
from subgraphs.orchestration.sagas import sagas
from tests.crash.services import SERVICES


async def main() -> None:
    """Execute sagas until the process is killed; print "ready" when it has begun."""
    told = json.loads(os.environ["SAGA_BENCH"])
    urls = {name: f"http://127.0.0.1:{told['port']}/{name}" for name in SERVICES}
    engine = SagaEngine(
        told["journal"], sagas(ServiceClient(HttpTransport(urls), authorization(Path(told["service"]), SELF)))
    )
    await engine.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
