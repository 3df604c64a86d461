"""The five services in one process over HTTP.

`python -m bench.sagas.services`, told where by the environment. Both engines ask them alike.
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
    """Serve each service under its name until terminated."""
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
