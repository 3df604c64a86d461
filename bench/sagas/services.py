"""Serves the five services that take part in the booking saga over HTTP, in one process.

`python -m bench.sagas.services`; its settings are JSON in the environment variable SAGA_BENCH. The workers of
both engines send their mutations to it.
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import uvicorn

from subgraphs.kit.testing import SigningKeys
from tests.crash.services import Town


async def main() -> None:
    """Serve each service at the path /<name> until the process is terminated."""
    told = json.loads(os.environ["SAGA_BENCH"])
    town = Town(told["services"], SigningKeys(Path(told["private"]), Path(told["public"])))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            name = scope["path"].strip("/")
            await town.services[name].asgi({**scope, "path": "/graphql"}, receive, send)

    config = uvicorn.Config(
        app, port=told["port"], lifespan="off", log_level="error", http="httptools", loop="none"
    )
    config.timeout_keep_alive = 3600
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(main())
