"""The audit of npm's graphql-http, against the gateway as it is served."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from gateway.app import create_app
from gateway.settings import Settings
from tests.gateway.support import supergraph_of
from tests.oracle.programs import NO_NODE, find_node, run

pytestmark = pytest.mark.skipif(find_node() is None, reason=NO_NODE)


async def subgraph(query: str, variables: Any, operation_name: str | None, headers: Any) -> dict[str, Any]:
    """Reply to nothing: the audit selects only __typename, which needs no subgraph."""
    raise AssertionError(query)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Yield the address of a gateway on loopback."""
    app = create_app(supergraph_of({"a": "type Query { hello: String }"}), Settings(), {"a": subgraph})
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/graphql"
    server.should_exit = True
    thread.join(10)


def test_every_audit_passes(url: str) -> None:
    """All 61 audits of GraphQL over HTTP pass: every MUST, SHOULD and MAY."""
    results = run("audit.mjs", url)
    assert [one for one in results if one["status"] != "ok"] == []
    assert len(results) == 61
