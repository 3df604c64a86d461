"""Hostile input gets an error code or a response, and never anything else, within limits on memory and CPU
time.

All bombs run in one child process under RLIMIT_AS and RLIMIT_CPU, each with its own CPU limit: a bomb that
hangs or grows is ended by a signal, and the test names it.
"""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.app import create_app
from gateway.core.codes import CODES
from gateway.settings import Settings
from tests.gateway.bombs.child import bombs
from tests.gateway.support import supergraph_of

ROOT = Path(__file__).parents[3]
NAMES = [bomb.name for bomb in bombs()]


@pytest.fixture(scope="module")
def ends() -> dict[str, list[Any]]:
    """Return the outcome of each bomb; a single element for a bomb that began and did not end."""
    command = [sys.executable, "-m", "tests.gateway.bombs.child"]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = {line[0]: line for line in map(json.loads, child.stdout.splitlines())}
    assert found, child.stderr
    return found


def test_names_differ() -> None:
    """Each bomb has a name of its own, so that no result hides another."""
    assert len(set(NAMES)) == len(NAMES) >= 100


@pytest.mark.parametrize("name", NAMES)
def test_bomb(ends: dict[str, list[Any]], name: str) -> None:
    """The bomb is refused with its code or answered, within its CPU time and the child's memory."""
    assert name in ends, "the child ended before it"
    assert len(ends[name]) == 3, "the child ended on it, by the system's limits"
    _, expected, got = ends[name]
    assert got == expected


async def echo(query: str, variables: Any, operation_name: str | None, headers: Any) -> dict[str, Any]:
    """A subgraph with a simple and a deeply nested value."""
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    return {"data": {"hello": "x", "any": 1, **({"deep": deep} if "deep" in query else {})}}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the whole application, with the subgraph in the process."""
    sdl = "scalar Any type Query { hello: String any(a: Any): Int deep: Any }"
    app = create_app(supergraph_of({"a": sdl}), Settings(), {"a": echo})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        yield client


def nested(depth: int) -> bytes:
    """Return a request with a variable of nested lists."""
    return (
        b'{"query": "query($a: Any) { any(a: $a) }", "variables": {"a": '
        + b"[" * depth
        + b"]" * depth
        + b"}}"
    )


def asking(query: str) -> bytes:
    """Return a request with this query."""
    return json.dumps({"query": query}).encode()


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (asking("{" + "hello " * 300_000 + "}"), {}, 413, "REQUEST_TOO_LARGE"),
        (asking("{hello}"), {b"content-length": b"9" * 5000}, 413, "REQUEST_TOO_LARGE"),
        (asking("{" + "hello " * 20_000 + "}"), {}, 400, "MAX_TOKENS_LIMIT"),
        (asking("{" + "...{" * 3000 + "hello" + "}" * 3001), {}, 400, "MAX_DEPTH_LIMIT"),
        (asking("{...A} fragment A on Query {...A}"), {}, 400, "GRAPHQL_VALIDATION_FAILED"),
        (asking("{" + " ".join(f"z{i}" for i in range(90)) + "}"), {}, 400, "GRAPHQL_VALIDATION_FAILED"),
        (nested(300), {}, 400, "BAD_USER_INPUT"),
        (nested(5000), {}, 400, "INVALID_JSON"),
        (b"[" * 500_000, {}, 400, "INVALID_JSON"),
        (b'{"query": "\\ud800"}', {}, 400, "INVALID_JSON"),
        (b'{"query": "{any(a: 1)}", "variables": {"a": ' + b"9" * 500_000 + b"}}", {}, 400, "INVALID_JSON"),
    ],
)
async def test_bomb_at_the_door(
    client: httpx.AsyncClient, body: bytes, headers: dict[bytes, bytes], status: int, code: str
) -> None:
    """Over HTTP a bomb gets the status of its kind, and a body with the error code."""
    sent = {b"content-type": b"application/json", b"accept": b"application/graphql-response+json", **headers}
    response = await client.post("/graphql", content=body, headers=sent)
    assert response.status_code == status
    assert response.json()["errors"][0]["extensions"]["code"] == code


@pytest.mark.parametrize("length", [b"\xb2", b"-1", b"1e9"])
async def test_a_length_that_is_no_number(client: httpx.AsyncClient, length: bytes) -> None:
    """A Content-Length that is not a number is ignored: the body is measured while it arrives."""
    sent = {b"content-type": b"application/json", b"content-length": length}
    response = await client.post("/graphql", content=asking("{hello}"), headers=sent)
    assert response.json() == {"data": {"hello": "x"}}


async def test_an_answer_that_cannot_be_written(client: httpx.AsyncClient) -> None:
    """A subgraph's value that is nested too deeply for JSON gives an error with a code, not a broken
    connection.
    """
    response = await client.post("/graphql", json={"query": "{ hello deep }"})
    assert response.json()["errors"][0]["extensions"]["code"] in CODES
