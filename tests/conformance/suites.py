"""The suites of the public federation audit (SHARED/conformance): served, run through the gateway, and
compared with the requests of other gateways.
"""

import importlib.util
import json
import os
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from gateway.core.errors import RequestError
from gateway.settings import Settings
from gateway.transport.base import Call, Done, Handle, Transport
from gateway.transport.http import HttpTransport
from gateway.transport.local import LocalExecutor, LocalTransport
from tests.gateway.support import ask, engine_of
from tests.validity import RequestChecker

FOLDER = Path(os.environ.get("SHARED", "../shared")) / "conformance"
SUITES = sorted(path.stem for path in (FOLDER / "suites").glob("*.json"))
ABSENT = "no SHARED/conformance: the public audit (26 suites, 129 tests) is left out; say SHARED=DIR"
SOURCES = ("given", "composed")
WAYS = ("local", "http", "exact")
PEERS = ("apollo_gateway", "hive_gateway", "hive_rust")


@dataclass(frozen=True, slots=True)
class Served:
    """The suites' subgraphs, as objects and over HTTP."""

    subgraphs: dict[str, Any]
    port: int

    def url(self, suite: str, subgraph: str) -> str:
        """The URL of one subgraph."""
        return f"http://127.0.0.1:{self.port}/{suite}/{subgraph}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one test: the error of the response (None if there is none), and the subgraphs that were
    called.
    """

    wrong: str | None
    asked: tuple[str, ...]


def read(name: str) -> Any:
    """A suite's document."""
    return json.loads((FOLDER / "suites" / f"{name}.json").read_text())


def read_peers() -> Any:
    """The results of other gateways, by suite and test."""
    return json.loads((FOLDER / "peers.json").read_text())["suites"]


@cache
def subgraphs_module() -> Any:
    """Return the module that serves subgraphs from data."""
    spec = importlib.util.spec_from_file_location("conformance_subgraphs", FOLDER / "subgraphs.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def serve() -> Iterator[Served]:
    """Run the suites' server in this process, on a free port."""
    sys.path.insert(0, str(FOLDER))
    module = subgraphs_module()
    suites = module.load(FOLDER / "suites")
    server = module.serve(suites, 0)
    server.RequestHandlerClass.disable_nagle_algorithm = True  # else every answer waits 40 ms for its body
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Served(suites, server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        sys.path.remove(str(FOLDER))


class Counting:
    """A transport that records the called subgraphs and the requests that are not valid for them."""

    def __init__(self, inner: Transport, sdls: Mapping[str, str]) -> None:
        self.inner = inner
        self.checker = RequestChecker(sdls)
        self.asked: list[str] = []
        self.invalid: list[str] = []

    def post(self, call: Call, done: Done) -> Handle:
        """Record the call, and pass it on."""
        self.asked.append(call.subgraph)
        if problem := self.checker.problem(call.subgraph, call.query):
            self.invalid.append(problem)
        return self.inner.post(call, done)

    async def close(self) -> None:
        """Close the inner transport."""
        await self.inner.close()


def local_executor(subgraph: Any) -> LocalExecutor:
    """One of the suites' subgraphs as a function in this process."""

    async def execute(query: str, variables: Any, operation_name: str | None, _: Any) -> Any:
        # its own copy: what executes a representation may take it apart
        body = {
            "query": query,
            "variables": json.loads(json.dumps(variables or {})),
            "operationName": operation_name,
        }
        return subgraph.execute(body)

    return execute


def sources(name: str, served: Served) -> list[SubgraphSource]:
    """A suite's subgraphs for composition, with their URLs."""
    return [
        SubgraphSource(one["name"], served.url(name, one["name"]), one["sdl"])
        for one in read(name)["subgraphs"]
    ]


def instance(test: Any) -> tuple[str, Any]:
    """A test's query and expected response, with a new token where the suite has state."""
    token = uuid.uuid4().hex
    expected = json.loads(json.dumps(test["expected"]).replace("__RANDOM_ID__", token))
    return test["query"].replace("__RANDOM_ID__", token), expected


def judge(answer: Any, expected: Any) -> str | None:
    """The error of a response; None if it is the expected one."""
    if answer.get("data") != expected.get("data"):
        return f"data is {answer.get('data')}, errors {answer.get('errors')}"
    if isinstance(expected.get("errors"), bool) and bool(answer.get("errors")) != expected["errors"]:
        return f"errors are {answer.get('errors')}"
    return None


async def run_suite(name: str, source: str, way: str, served: Served) -> list[Outcome]:
    """Run every test of a suite, over the `given` supergraph or a `composed` one, `local`ly or by `http`;
    `exact`: without compiled plans.
    """
    suite = read(name)
    supergraph = suite["supergraph"] if source == "given" else compose(sources(name, served)).supergraph
    subgraphs = served.subgraphs[name]
    inner: Transport
    if way != "http":
        inner = LocalTransport({one: local_executor(subgraph) for one, subgraph in subgraphs.items()})
    else:
        inner = HttpTransport({one: served.url(name, one) for one in subgraphs})
    transport = Counting(inner, {one["name"]: one["sdl"] for one in suite["subgraphs"]})
    engine = engine_of(supergraph, transport, Settings(compile=way != "exact"))
    outcomes = []
    for test in suite["tests"]:
        query, expected = instance(test)
        transport.asked.clear()
        try:
            answer = await ask(engine, query)
        except RequestError as error:
            answer = {"data": None, "errors": [error.formatted()]}
        wrong = judge(answer, expected) or next(iter(transport.invalid), None)
        outcomes.append(Outcome(wrong, tuple(transport.asked)))
    await transport.close()
    return outcomes


def best(peers: Any) -> int | None:
    """The fewest subgraph requests of the other gateways that pass a test; None if none does."""
    return min((len(one["fetches"]) for one in peers.values() if one["pass"]), default=None)
