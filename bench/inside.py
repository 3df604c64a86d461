"""Serves our gateway with the four subgraphs in its own process, called without HTTP.

`python -m bench.inside PORT`; `bench.run` measures it as one of the systems. GET /counts returns the number
of requests of each subgraph, POST /reset sets it to 0, as `bench.subgraphs` does.
"""

import sys
from dataclasses import fields, replace
from typing import Any

import orjson
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from bench.answers import Subgraph, load_subgraphs
from bench.data import PORT, folder, supergraph
from gateway.app import create_app
from gateway.settings import Settings


def without_sharing(settings: Settings) -> Settings:
    """Return the settings without shared executions and batches.

    Older checkouts that are measured lack one of the two settings.
    """
    known = {field.name for field in fields(settings)} & {"share", "batch"}
    changes: Any = dict.fromkeys(known, False)
    return replace(settings, **changes)


def counting(app: ASGIApp, subgraphs: dict[str, Subgraph]) -> ASGIApp:
    """Return an application that serves /counts and /reset itself and passes other requests to `app`."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") not in ("/counts", "/reset"):
            await app(scope, receive, send)
            return
        body = orjson.dumps({name: one.requests for name, one in subgraphs.items()})
        if scope["path"] == "/reset":
            for one in subgraphs.values():
                one.requests = 0
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-length", b"%d" % len(body))],
            }
        )
        await send({"type": "http.response.body", "body": body})

    return serve


def main(port: int) -> None:
    """Serve on a port of the loopback interface until the process is terminated."""
    subgraphs = load_subgraphs(folder())
    local = {name: one.call for name, one in subgraphs.items()}
    app = create_app(supergraph(PORT), without_sharing(Settings(graphiql=False)), local)
    served = counting(app, subgraphs)
    uvicorn.run(
        served,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
