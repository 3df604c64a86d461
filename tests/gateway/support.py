"""Helpers of the gateway tests: engines over small supergraphs, and running a query."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from gateway.answering import Gateway
from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from gateway.engine import Engine, make_engine
from gateway.execute.inputs import ExecutionInputs
from gateway.execution import execute
from gateway.pipeline import check, pick, prepare, variables_for
from gateway.settings import Settings
from gateway.supergraph.load import load_supergraph
from gateway.transport.base import Call, Transport, call_for, send_and_read
from gateway.transport.fake import FakeTransport, Replying
from gateway.transport.headers import NO_HEADERS, Headers
from tests.validity import RequestChecker

LINK = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", '
    'import: ["@key", "@shareable", "@external", '
    '"@requires", "@provides", "@override", "@inaccessible", "@tag", "@interfaceObject"])\n'
)

INVALID_REQUESTS: list[str] = []  # of the test that runs; `tests/gateway/conftest.py` looks after each


def supergraph_of(sdls: Mapping[str, str], linked: bool = True) -> str:
    """Compose small SDLs; `linked`: whether to add the link to Federation 2 to each."""
    sources = [
        SubgraphSource(name, f"http://{name}", (LINK if linked else "") + sdl) for name, sdl in sdls.items()
    ]
    return compose(sources).supergraph


def engine_of(supergraph: str, transport: Transport, settings: Settings | None = None) -> Engine:
    """Return an engine over a supergraph SDL."""
    return make_engine(load_supergraph(supergraph), transport, settings or Settings())


def inputs_of(
    engine: Engine,
    variables: Mapping[str, Any] | None = None,
    headers: Headers = NO_HEADERS,
    timeout: float = 30.0,
) -> ExecutionInputs:
    """Return the execution inputs of a request that did not come over HTTP."""
    return ExecutionInputs(variables or {}, headers, timeout, engine.context({}))


def gateway_of(sdls: Mapping[str, str], transport: Transport, settings: Settings | None = None) -> Gateway:
    """Return a gateway over small SDLs and a transport."""
    return Gateway(engine_of(supergraph_of(sdls), transport, settings))


def fake_engine(
    sdls: Mapping[str, str], replying: Replying, settings: Settings | None = None
) -> tuple[Engine, FakeTransport]:
    """Return an engine over small SDLs whose subgraphs reply by a function; each request must be valid for
    them.
    """
    checker = RequestChecker({name: LINK + sdl for name, sdl in sdls.items()})

    def checked(call: Call) -> Any:
        if problem := checker.problem(call.subgraph, call.query):
            INVALID_REQUESTS.append(problem)
        return replying(call)

    transport = FakeTransport(checked)
    return engine_of(supergraph_of(sdls), transport, settings), transport


async def ask(engine: Engine, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Run one operation, and return the response."""
    checked = check(engine, query)
    node = pick(checked, None)
    values = variables_for(engine, node, variables or {})
    prepared = prepare(engine, checked, node, values)
    written = (await execute(engine, prepared, inputs_of(engine, values))).response
    response: Any = orjson.loads(written) if isinstance(written, bytes) else written
    return dict(response)


async def payload_from(
    transport: Transport,
    timeout: float = 5.0,
    *,
    subgraph: str = "a",
    query: str = "{x}",
    repeatable: bool = True,
    headers: Headers = NO_HEADERS,
) -> Any:
    """Return the JSON of a subgraph's reply to a single call; `timeout` in seconds."""
    call = call_for(subgraph, query, headers=headers, repeatable=repeatable, timeout=timeout)
    return await send_and_read(transport, call)


async def until(there: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(60):
        while not there():  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0.001)
