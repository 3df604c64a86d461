"""The /cache endpoints, and the `gateway cache` commands of a gateway that serves."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.answering import Gateway
from gateway.app import GatewayApp
from gateway.cache.redis_nodes import Nodes, make_nodes
from gateway.core.clock import SYSTEM_CLOCK
from gateway.settings import CacheSettings, InvalidationSettings, RedisSettings, Secret, Settings
from subgraphs.platform.processes import free_port
from tests.gateway.execute.cached.town import Town
from tests.gateway.real import wait_for
from tests.gateway.support import supergraph_of

WITH_SECRET = CacheSettings(enabled=True, invalidation=InvalidationSettings(secret=Secret("s3cret")))
RIGHT = {"authorization": "Bearer s3cret"}


def client_of(
    caching: CacheSettings = WITH_SECRET, nodes: Nodes | None = None
) -> tuple[Town, httpx.AsyncClient]:
    """Return a town and a client of its gateway. `nodes`: its Redis, with the system's clock."""
    clock = None if nodes is None else SYSTEM_CLOCK
    town = Town(caching, Settings(cache=caching), clock=clock, nodes=nodes)
    town.gateway = Gateway(town.engine)
    transport = httpx.ASGITransport(GatewayApp(town.gateway).routes)
    return town, httpx.AsyncClient(transport=transport, base_url="http://gateway")


async def test_without_a_secret_there_is_no_endpoint() -> None:
    _, client = client_of(CacheSettings(enabled=True))
    assert (await client.post("/cache/invalidate", json=[])).status_code == 404


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic s3cret", "Bearer s3cret2", "s3cret"])
async def test_a_wrong_secret_is_refused(header: str) -> None:
    _, client = client_of()
    for method, path in (
        ("POST", "invalidate"),
        ("POST", "explain"),
        ("GET", "stats"),
        ("GET", "operations"),
    ):
        reply = await client.request(method, f"/cache/{path}", headers={"authorization": header})
        assert reply.status_code == 401
        assert reply.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("entry", "asked"),
    [
        ({"kind": "subgraph", "subgraph": "info"}, 2),
        ({"kind": "subgraph", "subgraphs": ["shop"]}, 1),
        ({"kind": "type", "type": "Thing"}, 2),
        ({"kind": "type", "type": "Thing", "subgraph": "shop"}, 1),
        ({"kind": "entity", "type": "Thing", "key": {"id": "1"}}, 2),
        ({"kind": "entity", "type": "Thing", "key": {"id": "2"}}, 1),
        ({"kind": "tag", "tags": ["nothing"]}, 1),
    ],
)
async def test_what_is_named_is_invalid(entry: dict[str, Any], asked: int) -> None:
    town, client = client_of()
    await town.answer(ids=["1"])
    reply = await client.post("/cache/invalidate", json=entry, headers=RIGHT)
    assert reply.status_code == 200
    assert reply.json()["tags"] >= 1
    await town.answer(ids=["1"])
    assert len(town.asked) == asked


async def test_counts_do_not_include_what_has_become_invalid() -> None:
    """router#9666: the count was wrong when entries had expired."""
    town, client = client_of()
    await town.answer(ids=["1", "2"])
    body = {"kind": "type", "type": "Thing", "subgraph": "info"}
    first = await client.post("/cache/invalidate", json=body, headers=RIGHT)
    second = await client.post("/cache/invalidate", json=body, headers=RIGHT)
    assert (first.json()["entries"], second.json()["entries"]) == (3, 0)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", "INVALID_JSON", "JSON"),
        (b"[", "INVALID_JSON", "JSON"),
        (b"[]", "BAD_REQUEST", "at least one entry"),
        (b"[1, {}]", "BAD_REQUEST", "entry 1: expected an object, got int; entry 2: expected a kind"),
        (b'{"kind": "subgraph", "subgraph": "infos"}', "BAD_REQUEST", "there is no subgraph 'infos'"),
        (b'{"kind": "type", "type": "Thong"}', "BAD_REQUEST", "there is no type 'Thong'"),
        (b'{"kind": "entity", "type": "Thing"}', "BAD_REQUEST", "expected the key"),
        (b'{"kind": "entity", "type": "Thing", "key": {}}', "BAD_REQUEST", "expected the key"),
        (b'{"kind": "tag", "tags": [1]}', "BAD_REQUEST", "expected tags as texts"),
        (b'{"kind": "tag", "tag": "' + b"x" * 2_000 + b'"}', "BAD_REQUEST", "at most 1,024 characters"),
        (b"[" * 100_000, "INVALID_JSON", "JSON"),
        (b" " * 1_000_001, "REQUEST_TOO_LARGE", "1,000,000 bytes"),
    ],
    ids=lambda value: value[:30].decode() if isinstance(value, bytes) else None,
)
async def test_mistakes_are_named(body: bytes, code: str, words: str) -> None:
    _, client = client_of()
    reply = await client.post("/cache/invalidate", content=body, headers=RIGHT)
    error = reply.json()["errors"][0]
    assert error["extensions"]["code"] == code
    assert words in error["message"]


async def test_an_invalidation_that_redis_did_not_get_is_no_success() -> None:
    """router#8813: a failed invalidation was reported as done."""
    town, client = client_of(WITH_SECRET, nodes=make_nodes(RedisSettings(url=Secret("redis://127.0.0.1:1"))))
    await town.answer(ids=["1"])
    body = {"kind": "type", "type": "Thing"}
    reply = await client.post("/cache/invalidate", json=body, headers=RIGHT)
    assert reply.status_code == 503
    error = reply.json()["errors"][0]
    assert error["extensions"]["code"] == "CACHE_NOT_INVALIDATED"
    assert "when Redis returns" in error["message"]
    await town.cache.close()


async def test_explain_shows_entries_and_hides_private_keys() -> None:
    town, client = client_of()
    await town.answer(ids=["1"])
    body = {"kind": "entity", "type": "Thing", "key": {"id": "1"}}
    found = (await client.post("/cache/explain", json=body, headers=RIGHT)).json()
    assert found["count"] == 3
    entity = next(one for one in found["entries"] if one["key"] == '{"__typename":"Thing","id":"1"}')
    assert (entity["valid"], entity["fresh_seconds"], entity["private"]) == (True, 60.0, False)
    town.headers["info"] = {"cache-control": "private, max-age=60"}
    await town.answer(ids=["2"], user="kim")
    body = {"kind": "entity", "type": "Thing", "key": {"id": "2"}}
    found = (await client.post("/cache/explain", json=body, headers=RIGHT)).json()
    assert "of one user" in {one["key"] for one in found["entries"]}


async def test_stats_count_levels_types_and_operations() -> None:
    town, client = client_of()
    query = "query Things($ids: [ID!]!) { things(ids: $ids) { id name } }"
    for ids in (["1"], ["1"], ["1", "2"]):
        await town.answer(query, ids=ids)
    found = (await client.get("/cache/stats", headers=RIGHT)).json()
    assert found["operations"] == {"Things": {"hits": 1, "misses": 2}}
    assert found["types"]["info: Thing"] == {"memory": 1, "shared": 0, "stale": 0, "fetched": 2}
    assert found["levels"] == {"memory": 1, "shared": 0, "stale": 0, "fetched": 4}
    assert found["hit_ratio"] == 0.2


CONFIG = """
supergraph: supergraph.graphql
server: {{port: {port}}}
cache: {{enabled: true, invalidation: {{secret: s3cret}}}}
"""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of a gateway in a process of its own."""
    (tmp_path / "supergraph.graphql").write_text(supergraph_of({"a": "type Query { x: Int }"}))
    port = free_port()
    file = tmp_path / "gateway.yaml"
    file.write_text(CONFIG.format(port=port))
    command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(file)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/health/live")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def run(*arguments: str, secret: str | None = "s3cret") -> tuple[int, str]:
    """Run `gateway cache`, and return its exit code and output."""
    environment = {} if secret is None else {"GATEWAY_CACHE_SECRET": secret}
    command = [sys.executable, "-m", "gateway.cli", "cache", *arguments]
    found = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return found.returncode, found.stdout + found.stderr


def test_the_commands(address: str, tmp_path: Path) -> None:
    file = tmp_path / "operations.json"
    file.write_text(json.dumps([{"query": "{ __typename }"}, {"query": "{ nothing }"}]))
    assert run("warm", str(file), "--url", address) == (0, "asked 2 queries, 1 had errors\n")
    assert "hit ratio: no values asked yet" in run("stats", "--url", address)[1]
    code, shown = run("invalidate", "subgraph:a", "tag:x", "--url", address)
    assert (code, shown) == (0, "2 tags are invalid; they concerned 0 entries of one process\n")
    assert json.loads(run("operations", "--url", address)[1]) == []
    assert json.loads(run("explain", "subgraph:a", "--url", address)[1])["count"] == 0
    code, shown = run("invalidate", "subgraph:b", "--url", address)
    assert code == 1
    assert "there is no subgraph 'b'; expected a (HTTP status 400)" in shown
    assert "expected subgraph:NAME" in run("invalidate", "everything", "--url", address)[1]
    assert "HTTP status 401" in run("stats", "--url", address, secret="wrong")[1]
    assert "GATEWAY_CACHE_SECRET" in run("stats", "--url", address, secret=None)[1]
    assert "does not reply" in run("stats", "--url", "http://127.0.0.1:1")[1]
