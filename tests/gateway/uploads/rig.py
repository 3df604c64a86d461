"""Subgraphs that receive files on sockets, a gateway before them, and forms as clients send them."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import httpx
import orjson
import uvicorn
from multipart import MultipartParser, parse_options_header

from gateway.settings import Settings, UploadSettings
from tests.gateway.real import GUARD, Answer, Door, Upstream, door, listening

SDLS = {
    "a": "scalar Upload input Album { cover: Upload title: String } type Query { one(file: Upload): String } "
    "type Mutation { keep(file: Upload, files: [Upload], album: Album): String }",
    "b": "scalar Upload type Query { b: Int } type Mutation { also(file: Upload!): String }",
}
ON = UploadSettings(enabled=True)
KEEP = "mutation($file: Upload, $files: [Upload]) { keep(file: $file, files: $files) }"


class SentFile(NamedTuple):
    """A file as a subgraph got it."""

    name: str
    kind: str
    content: bytes


@dataclass
class FileSubgraph:
    """An ASGI application that keeps what it gets, and replies with the names of the files.

    - `reads`: cleared to read no further. `first`: set when it has the first byte of a body; `size`: how many
      it has. `cut`: set when a body ended early.
    - `refuses`: whether it replies at the first byte, and closes the connection.
    """

    operations: list[Any] = field(default_factory=list)
    maps: list[Mapping[str, Sequence[str]]] = field(default_factory=list)
    files: list[SentFile] = field(default_factory=list)
    heads: list[dict[bytes, bytes]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    size: int = 0
    refuses: bool = False
    first: asyncio.Event = field(default_factory=asyncio.Event)
    cut: asyncio.Event = field(default_factory=asyncio.Event)
    reads: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Read by default."""
        self.reads.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        headers = dict(scope["headers"])
        self.heads.append(headers)
        body = b""
        more = True
        while more and not (self.refuses and body):
            await self.reads.wait()
            message = await receive()
            if message["type"] == "http.disconnect":
                self.cut.set()
                return
            body += message.get("body", b"")
            self.size = len(body)
            if body:
                self.first.set()
            more = message.get("more_body", False)
        status, reply = (
            (413, {"errors": [{"message": "no"}]}) if self.refuses else (200, self.answer(headers, body))
        )
        kind = [(b"content-type", b"application/json"), (b"connection", b"close")][: 1 + self.refuses]
        await send({"type": "http.response.start", "status": status, "headers": kind})
        await send({"type": "http.response.body", "body": orjson.dumps(reply)})

    def answer(self, headers: Mapping[bytes, bytes], body: bytes) -> Any:
        """Return the reply to a complete request."""
        self.bodies.append(body)
        names = []
        if headers[b"content-type"].startswith(b"multipart/form-data"):
            _, options = parse_options_header(headers[b"content-type"].decode())
            parts = list(MultipartParser(io.BytesIO(body), options["boundary"], strict=True))
            assert [one.name for one in parts[:2]] == ["operations", "map"]
            self.operations.append(orjson.loads(parts[0].raw))
            self.maps.append(orjson.loads(parts[1].raw))
            found = [SentFile(one.filename or "", one.content_type, one.raw) for one in parts[2:]]
            self.files += found
            for one in parts:
                one.close()
            names = [f"{one.name}:{len(one.content)}" for one in found]
        else:
            self.operations.append(orjson.loads(body))
        query = self.operations[-1]["query"]
        fields = [
            name for name in ("keep", "also", "one", "b") if f"{name}(" in query or f"{{{name}" in query
        ]
        return {"data": {name: ",".join(names) for name in fields}}


@dataclass
class Rig:
    """A gateway and its two subgraphs."""

    door: Door
    a: FileSubgraph
    b: FileSubgraph
    client: httpx.AsyncClient

    async def post(self, form: bytes, kind: str = "multipart/form-data; boundary=x", **headers: str) -> Any:
        """Send a form, and return the status and the response."""
        given = {"content-type": kind} | {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [(name.encode(), value.encode()) for name, value in given.items()]
        found = await self.client.post("/graphql", content=form, headers=lines)
        return found.status_code, found.json()

    async def refused(
        self, form: bytes, kind: str = "multipart/form-data; boundary=x", **headers: str
    ) -> Any:
        """Send a form that is refused; return status, code and message. No subgraph is called."""
        status, response = await self.post(form, kind, **headers)
        assert not self.a.heads
        assert "data" not in response
        (error,) = response["errors"]
        return status, error["extensions"]["code"], error["message"]


@asynccontextmanager
async def rig(uploads: UploadSettings = ON, settings: Settings | None = None) -> AsyncIterator[Rig]:
    """Yield a gateway over two subgraphs that receive files."""
    async with AsyncExitStack() as stack:
        first, second = FileSubgraph(), FileSubgraph()
        urls = {}
        for name, one in (("a", first), ("b", second)):
            quiet: dict[str, Any] = {"log_config": None, "log_level": 60, "access_log": False}
            config = uvicorn.Config(one, lifespan="off", timeout_graceful_shutdown=1, **quiet)
            port, _ = await stack.enter_async_context(listening(config))
            urls[name] = Upstream(lambda _: Answer(None), f"http://127.0.0.1:{port}/graphql")
        made = replace(settings or Settings(), uploads=uploads)
        served = await stack.enter_async_context(door(SDLS, urls, made))
        base = f"http://127.0.0.1:{served.port}"
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=base, timeout=GUARD))
        yield Rig(served, first, second, client)


def part(name: str, content: bytes | Any, *, filename: str | None = None, kind: str = "") -> bytes:
    """Return one part of a form."""
    value = content if isinstance(content, bytes) else orjson.dumps(content)
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
    line = f"content-type: {kind}\r\n" if kind else ""
    return f"--x\r\ncontent-disposition: {disposition}\r\n{line}\r\n".encode() + value + b"\r\n"


def request(query: str = KEEP, **variables: Any) -> dict[str, Any]:
    """Return a GraphQL request."""
    return {"query": query, "variables": variables}


def form(operations: Any, mapping: Any, *files: tuple[str, bytes]) -> bytes:
    """Return a form; each file has a name (that of its part and of itself) and content."""
    named = [
        one if isinstance(one, bytes) else part(one[0], one[1], filename=f"{one[0]}.png", kind="image/png")
        for one in files
    ]
    return b"".join([part("operations", operations), part("map", mapping), *named, b"--x--\r\n"])
