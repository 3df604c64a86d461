"""The public federation audit's suites: from the given supergraph and from our own composition, in process and over HTTP."""

import importlib.util
import json
import os
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from gateway.core.errors import RequestError
from gateway.transport.base import SubgraphReply, SubgraphRequest, Transport
from gateway.transport.http import HttpTransport
from gateway.transport.local import LocalExecutor, LocalTransport
from tests.gateway.support import ask, engine_of

FOLDER = Path(os.environ.get("SHARED", "../shared")) / "conformance"
SUITES = sorted(path.stem for path in (FOLDER / "suites").glob("*.json"))
pytestmark = pytest.mark.skipif(not SUITES, reason="no SHARED/conformance: say SHARED=DIR")


def read(name: str) -> Any:
    """A suite's document."""
    return json.loads((FOLDER / "suites" / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[dict[str, Any], int]]:
    """The suites' subgraphs: as objects, and over HTTP on a port."""
    sys.path.insert(0, str(FOLDER))
    spec = importlib.util.spec_from_file_location("conformance_subgraphs", FOLDER / "subgraphs.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    suites = module.load(FOLDER / "suites")
    server = module.serve(suites, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield suites, server.server_address[1]
    server.shutdown()
    server.server_close()
    sys.path.remove(str(FOLDER))


class Counting:
    """A transport that notes which subgraphs were asked."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.asked: list[str] = []

    async def send(self, request: SubgraphRequest, timeout: float) -> SubgraphReply:
        """Note and pass on."""
        self.asked.append(request.subgraph)
        return await self.inner.send(request, timeout)

    async def close(self) -> None:
        """Pass on."""
        await self.inner.close()


def local_executor(subgraph: Any) -> LocalExecutor:
    """One of the suites' subgraphs as a function in this process."""

    async def execute(query: str, variables: Any, operation_name: str | None, _: Any) -> Any:
        # its own copy: what executes a representation may take it apart
        body = {"query": query, "variables": json.loads(json.dumps(variables or {})), "operationName": operation_name}
        return subgraph.execute(body)

    return execute


@pytest.mark.parametrize("way", ["local", "http"])
@pytest.mark.parametrize("source", ["given", "composed"])
@pytest.mark.parametrize("name", SUITES)
async def test_suite(name: str, source: str, way: str, served: tuple[dict[str, Any], int]) -> None:
    """Every answer of the suite is as expected, with no more subgraph requests than the best peer that passes."""
    suite, (suites, port) = read(name), served
    peers = json.loads((FOLDER / "peers.json").read_text())["suites"][name]
    sources = [SubgraphSource(one["name"], f"http://{one['name']}", one["sdl"]) for one in suite["subgraphs"]]
    supergraph = suite["supergraph"] if source == "given" else compose(sources).supergraph
    inner: Transport
    if way == "local":
        inner = LocalTransport({one: local_executor(subgraph) for one, subgraph in suites[name].items()})
    else:
        inner = HttpTransport({one: f"http://127.0.0.1:{port}/{name}/{one}" for one in suites[name]})
    transport = Counting(inner)
    engine = engine_of(supergraph, transport)
    for index, test in enumerate(suite["tests"]):
        token = uuid.uuid4().hex
        expected = json.loads(json.dumps(test["expected"]).replace("__RANDOM_ID__", token))
        transport.asked.clear()
        try:
            response = await ask(engine, test["query"].replace("__RANDOM_ID__", token))
        except RequestError as error:
            response = {"data": None, "errors": [error.formatted()]}
        assert response["data"] == expected.get("data"), f"{name} {index}"
        if isinstance(expected.get("errors"), bool):
            assert bool(response.get("errors")) == expected["errors"], f"{name} {index}"
        best = min((len(one["fetches"]) for one in peers[str(index)].values() if one["pass"]), default=None)
        assert best is None or len(transport.asked) <= best, f"{name} {index}: {transport.asked}"
    await transport.close()
