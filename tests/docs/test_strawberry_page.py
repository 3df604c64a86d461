"""The page about strawberry subgraphs: its example runs, and does what the text says."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.compose.compose import compose
from gateway.compose.ingest import SubgraphSource
from gateway.config.load import settings_from
from gateway.strawberry_subgraphs import CallbackEmitter
from tests.docs.test_documents import ROOT, code
from tests.gateway.strawberry_subgraphs.callbacks import ACCEPT, FakeCallback

PAGE = (ROOT / "docs/gateway/strawberry.md").read_text()
ENTITIES = "query ($r: [_Any!]!) { _entities(representations: $r) { ... on Book { title } } }"
IDS = ("00000000-0000-0000-0000-000000000001", "x", "00000000-0000-0000-0000-000000000002")


@pytest.fixture
def example() -> dict[str, Any]:
    """The names that the example defines."""
    made: dict[str, Any] = {"__name__": __name__}
    exec(code(PAGE, "python")[0], made)
    return made


async def test_references(example: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """One statement; the wrong key is the error that the page shows."""
    transport = httpx.ASGITransport(example["app"])
    body = {"query": ENTITIES, "variables": {"r": [{"__typename": "Book", "id": one} for one in IDS]}}
    async with httpx.AsyncClient(transport=transport, base_url="http://books") as client:
        reply = (await client.post("/", json=body)).json()
    assert reply["data"] == {"_entities": [{"title": "Emma"}, None, {"title": "Persuasion"}]}
    assert capsys.readouterr().out == "one statement for 2 books\n"
    (error,) = reply["errors"]
    del error["locations"]
    shown = httpx.Response(200, content=code(PAGE, "json")[0]).json()
    assert error == shown


async def test_a_subscription(example: dict[str, Any]) -> None:
    """The events are posted to the URL in the page's settings, and to no other one."""
    settings = settings_from(code(PAGE, "yaml")[0], {}, Path("gateway.yaml"))
    url = settings.subscriptions.callback.url
    callback = FakeCallback()
    posting = httpx.AsyncClient(transport=callback)
    emitter = CallbackEmitter(example["schema"], allowed=[str(url)], client=posting)
    assert emitter.allowed.prefixes == example["app"].allowed.prefixes
    details = {"subscriptionId": "1", "verifier": "v", "heartbeatIntervalMs": 0}
    transport = httpx.ASGITransport(emitter)
    async with emitter.running(), httpx.AsyncClient(transport=transport, base_url="http://books") as client:
        for target, status in ((f"{url}/1", 200), ("http://127.0.0.1:5432/1", 403)):
            extensions = {"subscription": {**details, "callbackUrl": target}}
            body = {"query": "subscription { newTitles }", "extensions": extensions}
            assert (await client.post("/", json=body, headers=ACCEPT)).status_code == status
        await callback.has("check", "next", "next", "complete")


def test_it_composes(example: dict[str, Any]) -> None:
    """The gateway's composer accepts the SDL of the example."""
    supergraph = compose([SubgraphSource("books", "http://books", example["schema"].as_str())]).supergraph
    assert "newTitles" in supergraph


def test_other_python_on_the_page() -> None:
    """It is valid, and has the package's names."""
    _, converted, mounted = code(PAGE, "python")
    compile(mounted, "page", "exec")
    compile(f"class Book:\n{''.join(f'    {line}' for line in converted.splitlines(True))}", "page", "exec")
    assert "@converted_reference" in converted and hasattr(CallbackEmitter, "running")
