"""The public cases of persisted documents (SHARED/conformance/policies): where ids are, when they are
required, manifests and remote stores.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, ClassVar

import httpx
import pytest

from gateway.answering import Gateway
from gateway.app import GatewayApp, create_gateway
from gateway.core.clock import FakeClock
from gateway.core.context import RequestContext
from gateway.core.errors import RequestError, SettingsError
from gateway.documents.manifest_source import ManifestSource
from gateway.documents.remote import document_key
from gateway.documents.selectors import DocumentSelectors, RequestParts, read_parameters
from gateway.guards.documents import DocumentGuard
from gateway.observe.observer import Observer
from gateway.request.graphql_request import DocumentReference, GraphQLRequest
from gateway.settings import (
    DocumentMode,
    DocumentSettings,
    HeaderSecret,
    HeaderValue,
    RemoteDocumentSettings,
    Secret,
    SelectorSettings,
    Settings,
)
from tests.conformance.suites import ABSENT, FOLDER
from tests.conformance.test_demand_control import MockSubgraph

FILE = FOLDER / "policies" / "persisted-documents.json"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason=ABSENT)
Case = Mapping[str, Any]


@cache
def document() -> Any:
    return json.loads(FILE.read_text()) if FILE.exists() else {"cases": [], "schemas": {}, "data": {}}


def cases(kind: str | None) -> list[Any]:
    """Return the cases of a table; for None those with steps."""
    every = document()["cases"]
    return [case for case in every if ("steps" in case if kind is None else case["kind"] == kind)]


def name_of(case: Case) -> str:
    return str(case["name"])


class Origin(BaseHTTPRequestHandler):
    """The server of manifests and of single documents. A delayed reply waits for `together`."""

    files: ClassVar[dict[str, tuple[int, str, bool]]] = {}
    fetches: ClassVar[Counter[str]] = Counter()
    together: ClassVar[Event] = Event()

    def do_GET(self) -> None:
        Origin.fetches[self.path] += 1
        status, body, delayed = Origin.files.get(self.path, (404, "", False))
        if delayed:
            Origin.together.wait(10)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def origin(case: Case) -> Iterator[str]:
    """Run the server; yield its URL."""
    Origin.fetches.clear()
    Origin.together.clear()
    answers = case.get("remote", {}).get("answers", {})
    Origin.files = {
        path: (one["status"], one.get("body", ""), "delay_ms" in one) for path, one in answers.items()
    }
    if "manifest" in case:
        Origin.files["/manifest"] = (200, manifest_of(case["manifest"]), False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    thread = Thread(target=server.serve_forever, args=(0.01,))  # seconds until it sees the shutdown
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        Origin.together.set()
        server.shutdown()
        server.server_close()
        thread.join()


def manifest_of(given: Mapping[str, Any]) -> str:
    return given["content"] if given["format"] == "raw" else json.dumps(given["content"])


class Lift:
    """A plugin that lets texts run, or does not."""

    def __init__(self, value: bool) -> None:
        self.value = value

    def on_text(self, context: RequestContext, request: GraphQLRequest) -> bool:
        return self.value


def requirement(given: Any, settings: DocumentSettings) -> DocumentSettings:
    """Return the settings with the requirement of a case."""
    if isinstance(given, bool):
        return replace(settings, mode="require" if given else "prefer")
    if "when_header" in given:
        when = HeaderValue(given["when_header"], given["equals"])
        return replace(settings, mode="require", required_when=when)
    secret = given["equals_secret"] and Secret(given["equals_secret"])
    return replace(settings, mode="require", lifted_by=HeaderSecret(given["unless_header"], secret))


def settings_of(case: Case, url: str, folder: Path) -> DocumentSettings:
    """Return the settings of a case in the gateway's own terms. `url`: the URL of the server."""
    given = case["settings"]
    settings = requirement(given["require_id"], DocumentSettings())
    if "selectors" in given:
        settings = replace(settings, selectors=tuple(SelectorSettings(**one) for one in given["selectors"]))
    store = given.get("store", {"kind": "file"})
    if store["kind"] == "remote":
        misses = store["negative_cache_ms"] / 1000
        remote = RemoteDocumentSettings(url + store["url"], retries=store["retries"], misses=misses)
        return replace(settings, remote=remote)
    if store["kind"] == "object-store":
        where = url if store.get("reachable", True) else "http://127.0.0.1:1"
        poll = store.get("poll_ms", 10_000) / 1000
        return replace(settings, manifest_url=f"{where}/manifest", poll=poll)
    file = folder / "manifest.json"
    file.write_text(manifest_of(case["manifest"]))
    return replace(settings, manifest=str(file))


def gateway_of(case: Case, documents: DocumentSettings, clock: FakeClock) -> Gateway:
    lift = case.get("settings", {}).get("lift_requirement")
    data = document()["data"]
    names = ("accounts", "inventory", "products", "reviews")
    return create_gateway(
        document()["schemas"]["shop"]["supergraph"],
        Settings(documents=documents),
        {name: MockSubgraph(data.get(name, {})).execute for name in names},
        observer=Observer(),
        plugins=[Lift(lift["value"])] if lift else [],
        clock=clock,
    )


@asynccontextmanager
async def client_of(gateway: Gateway, endpoint: str) -> AsyncIterator[httpx.AsyncClient]:
    """Serve a gateway behind a proxy that has it at `endpoint`."""
    routes = GatewayApp(gateway).routes

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        path = "/graphql" + scope["path"].removeprefix(endpoint)
        await routes({**scope, "path": path}, receive, send)

    gateway.start()
    try:
        transport = httpx.ASGITransport(proxy)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            yield client
    finally:
        await gateway.close()


@pytest.mark.parametrize("case", cases(None), ids=name_of)
async def test_steps(case: Case, tmp_path: Path) -> None:
    """Each step of a case has the status, data and code of the case, and the server the number of fetches."""
    clock = FakeClock()
    with origin(case) as url:
        documents = settings_of(case, url, tmp_path)
        assert list(documents.problems()) == []
        if case["steps"] == [{"start": "fails"}]:
            with pytest.raises(SettingsError):
                await asyncio.to_thread(gateway_of, case, documents, clock)
            return
        gateway = await asyncio.to_thread(gateway_of, case, documents, clock)
        async with client_of(gateway, case["settings"].get("endpoint", "/graphql")) as client:
            for step in case["steps"]:
                await take(step, client, gateway, clock)
        for path, count in case.get("end", {}).get("store_fetches", {}).items():
            assert Origin.fetches[path] == count


async def take(step: Case, client: httpx.AsyncClient, gateway: Gateway, clock: FakeClock) -> None:
    """Do one step of a case."""
    if "replace_manifest" in step:
        Origin.files["/manifest"] = (200, manifest_of(step["replace_manifest"]), False)
    elif "wait_ms" in step:
        await reloaded(gateway, clock, step["wait_ms"] / 1000)
    elif "at_the_same_time" in step:
        every = asyncio.gather(*(ask(one, client) for one in step["at_the_same_time"]))
        while not Origin.fetches:  # noqa: ASYNC110 - the server is in a thread
            await asyncio.sleep(0.001)
        Origin.together.set()
        await every
    else:
        await ask(step, client)


async def reloaded(gateway: Gateway, clock: FakeClock, seconds: float) -> None:
    """Advance the clock, and return when the manifest was read again."""
    (guard,) = (one for one in gateway.guards.all if isinstance(one, DocumentGuard))
    source = guard.trusted
    assert isinstance(source, ManifestSource)
    before = source.documents
    await clock.advance(seconds)
    async with asyncio.timeout(30):
        while source.documents is before:  # noqa: ASYNC110 - a thread reads
            await asyncio.sleep(0.001)


async def ask(step: Case, client: httpx.AsyncClient) -> None:
    """Send a request, and compare the reply."""
    given, expected = step["request"], step["expect"]
    body = json.dumps(given["body"]).encode() if "body" in given else None
    reply = await client.request(given["method"], given["url"], headers=given["headers"], content=body)
    answer = reply.json()
    assert reply.status_code == expected["status"], answer
    assert answer.get("data") == expected.get("data")
    assert [one["extensions"]["code"] for one in answer.get("errors", ())] == (
        [expected["code"]] if "code" in expected else []
    )


@pytest.mark.parametrize("case", cases("query-string"), ids=name_of)
def test_query_string(case: Case) -> None:
    """The first value of a parameter is the id, unless it is empty."""
    selectors = DocumentSelectors([SelectorSettings(query_param=case["parameter"])])
    parameters = read_parameters(case["query_string"].encode())
    assert selectors.find(RequestParts({}, parameters, "")) == case["value"]


@pytest.mark.parametrize("case", cases("remote-key"), ids=name_of)
def test_remote_key(case: Case) -> None:
    """An id is completed by the client's name and version, or refused."""
    client = case["client"]
    if "key" in case:
        assert document_key(case["id"], client["name"], client["version"]) == case["key"]
        return
    with pytest.raises(RequestError) as raised:
        document_key(case["id"], client["name"], client["version"])
    assert raised.value.code == case["expect"]["code"]


@pytest.mark.parametrize("case", cases("policy-table"), ids=name_of)
async def test_policy(case: Case, tmp_path: Path) -> None:
    """The table says which of a text and an id a request uses."""
    (tmp_path / "manifest.json").write_text('{"1": "{ byId: me { id } }"}')
    mode: DocumentMode = "off" if not case["enabled"] else "require" if case["require_id"] else "prefer"
    documents = DocumentSettings(mode, str(tmp_path / "manifest.json"))
    lifted = {"settings": {"lift_requirement": {"value": case["requirement_lifted"]}}}
    gateway = gateway_of(lifted, documents, FakeClock())
    has = case["request_has"]
    reference = DocumentReference("1") if has["id"] else None
    text = "{ byText: me { id } }" if has["query"] else ""
    envelope = await gateway.answer(GraphQLRequest(text, document=reference), {})
    uses = {"query": b"byText", "id": b"byId", "error id-required": b"PERSISTED_DOCUMENT_ID_REQUIRED"}
    response = envelope.response
    encoded = response if isinstance(response, bytes) else json.dumps(response).encode()
    assert uses[case["uses"]] in encoded


@pytest.mark.parametrize("case", cases("settings-validation"), ids=name_of)
def test_settings(case: Case) -> None:
    """Selectors that can't work are refused."""
    if "selector" in case:
        problems = list(SelectorSettings(**case["selector"]).problems())
    else:
        selectors = tuple(SelectorSettings(**one) for one in case["settings"]["selectors"])
        problems = list(DocumentSettings("prefer", "manifest.json", selectors=selectors).problems())
    assert (not problems) == case["valid"]


def test_every_case_is_tested() -> None:
    """Each case belongs to one of the tests above."""
    tables = ("query-string", "remote-key", "policy-table", "settings-validation")
    tested = sum(len(cases(kind)) for kind in (None, *tables))
    sys.stdout.write(f"persisted documents: {tested} cases\n")
    assert tested == len(document()["cases"])
