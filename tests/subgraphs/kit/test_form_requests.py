"""Tests of a service's endpoint with files: forms become operations with files, wrong ones are refused."""

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import strawberry

from gateway.settings import UploadSettings
from gateway.uploads.files import UploadedFile, UploadFailed, UploadReader, Uploads
from subgraphs.kit import form_requests
from subgraphs.kit.bus import Bus
from subgraphs.kit.database import Database
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.graphql import Schema, object_type, resolver
from subgraphs.kit.http_requests import BODY_LIMIT
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.service import Service, ServiceContext
from subgraphs.kit.testing import SigningKeys
from subgraphs.kit.uploads import FileNotReceived, Upload, read_file

LIMITS = UploadSettings(files=3, size=100_000, at_once=2)
ONE = "query($file: Upload!) { said(file: $file) }"
KIND = {"content-type": "multipart/form-data; boundary=x"}


@strawberry.input
class Album:
    """Files in an input."""

    cover: Upload | None = None
    rest: list[Upload] = strawberry.field(default_factory=list)


@object_type()
class Query:
    """Questions about files."""

    @resolver
    async def said(self, file: Upload) -> str | None:
        """The name, the type and the content of a file."""
        content = await read_file(file, "file", 50_000)
        return f"{file.filename} {file.content_type} {len(content)} {content[:10].decode('latin-1')}"

    @resolver
    async def album(self, album: Album) -> list[str] | None:
        """The contents of several files."""
        files = [*([album.cover] if album.cover else []), *album.rest]
        return [(await one.read()).decode() for one in files]


def service_of(keys: SigningKeys, uploads: UploadSettings | None) -> Service:
    """Return a service that needs no database."""
    database = Database("postgresql://somebody@127.0.0.1:1/nothing")
    bus = Bus(database, {})
    return Service(
        "files",
        schema=Schema(Query),
        context=lambda caller: ServiceContext(caller, database, bus),
        verifier=TokenVerifier(keys.public),
        database=database,
        migrations=Path(__file__).parent,
        uploads=uploads,
    )


@pytest.fixture
async def http(keys: SigningKeys) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that takes files."""
    transport = httpx.ASGITransport(service_of(keys, LIMITS).asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://files") as found:
        yield found


def form(operations: Any, places: Any, *files: tuple[str, bytes]) -> bytes:
    """Return a form with the boundary `x`, as a gateway sends it."""
    parts = [("operations", operations), ("map", places)]
    texts = [
        (f'name="{name}"', value if isinstance(value, bytes) else json.dumps(value).encode())
        for name, value in parts
    ]
    texts += [(f'name="{name}"; filename="{name}.png"', content) for name, content in files]
    lines = [
        b"--x\r\ncontent-disposition: form-data; " + head.encode() + b"\r\n\r\n" + value
        for head, value in texts
    ]
    return b"\r\n".join([*lines, b"--x--\r\n"])


def operation(query: str = ONE, **variables: Any) -> dict[str, Any]:
    """Return an operation whose variable `file` is null unless another is given."""
    return {"query": query, "variables": variables or {"file": None}}


RIGHT = form(operation(), {"0": ["variables.file"]}, ("0", b"hello"))


async def test_a_client_sends_a_file(http: httpx.AsyncClient) -> None:
    """A form of an ordinary client is executed; the name has no folders, and says nothing about the
    content.
    """
    data = {"operations": json.dumps(operation()), "map": '{"0": ["variables.file"]}'}
    files = {"0": ("../../etc/a.png", b"hello" * 2_000, "image/png")}
    answer = await http.post("/graphql", data=data, files=files)
    assert (answer.status_code, answer.json()) == (
        200,
        {"data": {"said": "a.png image/png 10000 hellohello"}},
    )


async def test_several_files(http: httpx.AsyncClient) -> None:
    """Files are found in inputs and lists; one file may be in several places, and is read in each."""
    query = "query($album: Album!) { album(album: $album) }"
    operations = operation(query, album={"cover": None, "rest": [None, None]})
    places = {"a": ["variables.album.cover", "variables.album.rest.1"], "b": ["variables.album.rest.0"]}
    body = form(operations, places, ("a", b"one"), ("b", b"two"))
    answer = await http.post("/graphql", content=body, headers=KIND)
    assert answer.json() == {"data": {"album": ["one", "two", "one"]}}


async def test_pieces_of_any_size(http: httpx.AsyncClient) -> None:
    """However the body is cut into pieces, the result is the same."""
    chance = random.Random(5)
    content = bytes(chance.randrange(256) for _ in range(3_000)) + b"\r\n--y\r\n--"
    body = form(operation(), {"0": ["variables.file"]}, ("0", b"0123456789" + content))
    for _ in range(30):
        cuts = sorted(
            {0, len(body), *(chance.randrange(len(body)) for _ in range(chance.choice((1, 5, 400))))}
        )

        async def pieces(cuts: list[int] = cuts) -> AsyncIterator[bytes]:
            for start, end in itertools.pairwise(cuts):
                yield body[start:end]

        answer = await http.post("/graphql", content=pieces(), headers=KIND)
        assert (
            answer.json()["data"]["said"] == f"0.png application/octet-stream {len(content) + 10} 0123456789"
        )


NULL = operation()
HERE = {"0": ["variables.file"]}


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        (b"", 400, "ends before its fields"),
        (b"no form", 400, "can't be read"),
        (form(b"{", HERE), 400, "not JSON"),
        (form(b"[" * 100_000, HERE), 400, "not JSON"),
        (form([NULL], {"0": ["0.variables.file"]}, ("0", b"a")), 400, "an object with a string 'query'"),
        (form({"variables": {"file": None}}, HERE, ("0", b"a")), 400, "an object with a string 'query'"),
        (form({**NULL, "operationName": 1}, HERE, ("0", b"a")), 400, "'operationName'"),
        (form(NULL, {"0": ["query"]}, ("0", b"a")), 400, "path of a variable"),
        (form(NULL, {"0": ["variables.other"]}, ("0", b"a")), 400, "path of a variable"),
        (form(NULL, {"0": []}, ("0", b"a")), 400, "list of places"),
        (form(operation(file="a text"), HERE, ("0", b"a")), 400, "expected null"),
        (form(NULL, HERE), 400, "ends before the end of the file"),
        (form(NULL, HERE, ("1", b"a")), 400, "its map does not name"),
        (RIGHT[:-30], 400, "ends before the end of the file"),
        (form(NULL, HERE, ("0", b"a" * 100_001)), 413, "at most 100,000 bytes"),
        (form(NULL, {str(n): ["variables.file"] for n in range(4)}), 413, "at most 3 files"),
        (form(operation(ONE + " " * BODY_LIMIT), HERE, ("0", b"a")), 413, "at most 1,000,000 bytes"),
    ],
)
async def test_wrong_forms(http: httpx.AsyncClient, body: bytes, status: int, problem: str) -> None:
    """A form that is not right is refused with a reason, and nothing is executed."""
    answer = await http.post("/graphql", content=body, headers=KIND)
    assert answer.status_code == status
    [error] = answer.json()["errors"]
    assert problem in error["message"]
    assert error["extensions"] == {"code": "BAD_REQUEST"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "multipart/form-data"}, 400),
        ({"content-type": "multipart/form-data; boundary=" + "x" * 71}, 400),
        (KIND | {"content-encoding": "gzip"}, 415),
        (KIND | {"content-length": "99999999"}, 413),
        ({"content-type": "multipart/mixed; boundary=x"}, 415),
    ],
)
async def test_wrong_headers(http: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    """What the head already shows to be wrong is refused."""
    assert (await http.post("/graphql", content=RIGHT, headers=headers)).status_code == status


async def test_an_endless_form_is_refused(http: httpx.AsyncClient) -> None:
    """A body without a length is read up to the limit of all files."""
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        yield RIGHT
        while sent < 50_000_000:
            sent += 100_000
            yield b" " * 100_000

    assert (await http.post("/graphql", content=pieces(), headers=KIND)).status_code == 413
    assert sent < 5_000_000


async def test_only_services_with_files_take_forms(keys: SigningKeys) -> None:
    """Other services refuse a form as any body that is not JSON."""
    transport = httpx.ASGITransport(service_of(keys, None).asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://files") as plain:
        answer = await plain.post("/graphql", content=RIGHT, headers=KIND)
    assert answer.status_code == 415
    assert "application/json, got multipart/form-data" in answer.json()["errors"][0]["message"]


async def test_a_text_is_no_file(http: httpx.AsyncClient) -> None:
    """Neither a text in JSON, nor one in the document, passes as a file."""
    for body in (
        {"query": ONE, "variables": {"file": "upload:abc"}},
        {"query": '{ said(file: "upload:abc") }'},
    ):
        answer = (await http.post("/graphql", json=body)).json()
        assert "expected a file" in answer["errors"][0]["message"]


async def test_sizes_of_one_field(http: httpx.AsyncClient) -> None:
    """A resolver has a limit of its own, and refuses files without a content."""
    for content, problem in ((b"", "an empty one"), (b"a" * 50_001, "at most 50,000 bytes")):
        answer = await http.post("/graphql", content=form(NULL, HERE, ("0", content)), headers=KIND)
        [error] = answer.json()["errors"]
        assert problem in error["message"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": "file"}


def sent(*messages: dict[str, Any]) -> Any:
    """Return an ASGI server's `receive` that sends these messages and is silent then."""
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else await asyncio.Future()

    return receive


async def replied(service: Service, receive: Any) -> int:
    """Send a form to a service, and return the status of its reply."""
    statuses: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [(name.encode(), value.encode()) for name, value in KIND.items()]
    scope: Any = {"type": "http", "method": "POST", "path": "/graphql", "headers": headers}
    await service.asgi(scope, receive, send)
    return statuses[0]


async def test_clients_that_leave_or_are_silent(keys: SigningKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that leaves, or sends no next piece, ends the request; its place is free again."""
    monkeypatch.setattr(form_requests, "SILENCE_SECONDS", 0.01)
    service = service_of(keys, LIMITS)
    first = {"type": "http.request", "body": RIGHT[:200], "more_body": True}
    for _ in range(5):
        assert await replied(service, sent(first, {"type": "http.disconnect"})) == 400
        assert await replied(service, sent(first)) == 408
    assert await replied(service, sent({"type": "http.request", "body": RIGHT})) == 200


async def test_forms_at_once(keys: SigningKeys) -> None:
    """More forms than the limit at the same time are refused; afterwards others are accepted."""
    service, go = service_of(keys, LIMITS), asyncio.Event()

    async def late() -> dict[str, Any]:
        await go.wait()
        return {"type": "http.request", "body": RIGHT}

    slow = [asyncio.create_task(replied(service, late)) for _ in range(2)]
    await asyncio.sleep(0)
    assert await replied(service, sent({"type": "http.request", "body": RIGHT})) == 503
    go.set()
    assert await asyncio.gather(*slow) == [200, 200]
    assert await replied(service, sent({"type": "http.request", "body": RIGHT})) == 200


async def test_a_file_that_does_not_arrive() -> None:
    """In the same process a file may fail while a resolver reads it: the error has the gateway's code."""
    file = UploadedFile("variables.file")
    file.begin("a.png", "image/png")
    file.write(b"half")
    file.fail(UploadFailed("the client has left", "UPLOAD_INCOMPLETE"))
    with pytest.raises(FileNotReceived, match="the client has left") as failed:
        await read_file(UploadReader(file), "file", 100)
    assert failed.value.code == "UPLOAD_INCOMPLETE"
    whole = UploadedFile("variables.file")
    whole.begin("a.png", "image/png")
    whole.write(b"whole")
    whole.end()
    assert await read_file(UploadReader(whole), "file", 5) == b"whole"
    with pytest.raises(BadUserInput):
        await read_file(UploadReader(whole), "file", 4)
    Uploads((file, whole)).close()
