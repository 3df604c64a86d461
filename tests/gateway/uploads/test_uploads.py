"""Files by the GraphQL multipart request specification: where they go, when, and what is refused."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from gql import Client, FileVar, gql
from gql.transport.httpx import HTTPXAsyncTransport

from gateway.app import create_gateway
from gateway.core.context import RequestContext
from gateway.core.errors import SubgraphError
from gateway.core.headers import RequestHeaders
from gateway.observe.observer import Observer
from gateway.request.graphql_request import GraphQLRequest
from gateway.saga.definition import Definitions
from gateway.security.signatures import SignableRequest, Verifier
from gateway.settings import Limits, Secret, Settings, SigningSettings
from gateway.transport.base import call_for
from gateway.transport.base import send as sent
from gateway.transport.fake import FakeTransport
from gateway.triggers import Sagas, Trigger, TriggeringTransport
from gateway.uploads.files import UploadedFile, Uploads
from gateway.uploads.form import plain_name
from tests.gateway.real import GUARD
from tests.gateway.support import supergraph_of
from tests.gateway.uploads.rig import KEEP, ON, SDLS, Rig, SentFile, form, part, request, rig

NULL = request(file=None)
FILE = {"0": ["variables.file"]}
ONE = form(NULL, FILE, ("0", b"hello"))


async def test_one_file() -> None:
    """A file arrives at its subgraph with its name and type, in the place of the variable."""
    async with rig() as found:
        assert await found.post(ONE) == (200, {"data": {"keep": "0.png:5"}})
        assert found.a.files == [SentFile("0.png", "image/png", b"hello")]
        assert found.a.operations[0]["variables"] == {"file": None}
        assert found.a.maps == [{"0": ["variables.file"]}]
        assert b"content-length" not in found.a.heads[0]


async def test_places() -> None:
    """Files in lists and input objects, one file in two places, and one that is used by no call."""
    query = (
        "mutation($fs: [Upload], $al: Album, $no: Upload) { keep(files: $fs, album: $al) "
        "n: keep(file: $no) @skip(if: true) }"
    )
    variables = {"fs": [None, None], "al": {"cover": None, "title": "é"}, "no": None}
    mapping = {"p": ["variables.fs.1", "variables.al.cover"], "q": ["variables.fs.0"], "r": ["variables.no"]}
    async with rig() as found:
        files = (("p", b"1"), ("q", b"22"), ("r", b"333"))
        status, response = await found.post(form(request(query, **variables), mapping, *files))
        assert (status, response) == (200, {"data": {"keep": "p.png:1,q.png:2"}})
        assert found.a.maps == [{"0": ["variables.fs.1", "variables.al.cover"], "1": ["variables.fs.0"]}]
        sent = found.a.operations[0]["variables"]
        assert sent == {"fs": [None, None], "al": {"cover": None, "title": "é"}}


async def test_two_subgraphs() -> None:
    """Each subgraph gets its file, also if the first call needs the last file; one file may go to both."""
    query = "mutation($x: Upload!, $y: Upload) { also(file: $x) keep(file: $y, files: [$x]) }"
    mapping = {"0": ["variables.y"], "1": ["variables.x"]}
    async with rig() as found:
        sent = form(request(query, x=None, y=None), mapping, ("0", b"y" * 300_000), ("1", b"x"))
        _, response = await found.post(sent)
        assert response == {"data": {"also": "1.png:1", "keep": "0.png:300000,1.png:1"}}
        assert [one.content for one in found.a.files] == [b"y" * 300_000, b"x"]


async def test_other_calls_have_no_form() -> None:
    """The calls of a request that need none of its files are sent as JSON."""
    query = "mutation($x: Upload!) { keep(file: null) also(file: $x) }"
    async with rig() as found:
        await found.post(form(request(query, x=None), {"0": ["variables.x"]}, ("0", b"x")))
        assert found.a.heads[0][b"content-type"] == b"application/json"
        assert found.b.files == [SentFile("0.png", "image/png", b"x")]


async def test_a_list_of_requests() -> None:
    """The operations of a list have their own files."""
    async with rig(settings=Settings(limits=Limits(batch=3))) as found:
        operations = [request(file=None), request(files=[None])]
        mapping = {"a": ["0.variables.file"], "b": ["1.variables.files.0"]}
        _, response = await found.post(form(operations, mapping, ("a", b"1"), ("b", b"22")))
        assert response == [{"data": {"keep": "a.png:1"}}, {"data": {"keep": "b.png:2"}}]


async def test_a_query() -> None:
    """A query may have a file, too; two equal ones are executed apart."""
    async with rig() as found:
        sent = form(
            request("query($f: Upload) { one(file: $f) }", f=None), {"0": ["variables.f"]}, ("0", b"1")
        )
        both = await asyncio.gather(found.post(sent), found.post(sent))
        assert [one[1] for one in both] == [{"data": {"one": "0.png:1"}}] * 2
        assert len(found.a.files) == 2


async def arriving(*pieces: bytes | asyncio.Event) -> AsyncIterator[bytes]:
    """Yield the pieces of a body; wait for events between them."""
    for one in pieces:
        if isinstance(one, asyncio.Event):
            await one.wait()
        else:
            yield one


async def send(found: Rig, *pieces: bytes | asyncio.Event) -> Any:
    """Send a form that arrives in pieces."""
    headers = {"content-type": "multipart/form-data; boundary=x"}
    return (await found.client.post("/graphql", content=arriving(*pieces), headers=headers)).json()


async def test_a_file_goes_on_while_it_arrives() -> None:
    """The subgraph has the beginning of a file before the client has sent its end."""
    async with rig() as found, asyncio.timeout(GUARD):
        sent = form(NULL, FILE, ("0", b"a" * 100_000 + b"b" * 100_000))
        cut = sent.index(b"bbb")
        assert (await send(found, sent[:cut], found.a.first, sent[cut:]))["data"]["keep"] == "0.png:200000"


async def test_any_pieces() -> None:
    """A form may arrive in pieces of any size."""
    async with rig() as found:
        for step in (1, 7, 64):
            pieces = [ONE[place : place + step] for place in range(0, len(ONE), step)]
            assert await send(found, *pieces) == {"data": {"keep": "0.png:5"}}
        assert found.a.files == [SentFile("0.png", "image/png", b"hello")] * 3


async def test_a_client_that_leaves() -> None:
    """The call of a client that leaves in the middle of its file is cut, and the gateway goes on."""
    async with rig() as found, asyncio.timeout(GUARD):
        sent = form(NULL, FILE, ("0", b"a" * 200_000))
        sending = asyncio.create_task(send(found, sent[:150_000], asyncio.Event()))
        await found.a.first.wait()
        sending.cancel()
        await found.a.cut.wait()
        assert await found.post(ONE) == (200, {"data": {"keep": "0.png:5"}})
        assert not found.a.files[1:]


async def test_a_subgraph_that_refuses() -> None:
    """A subgraph may reply before it has the whole file."""
    async with rig() as found:
        found.a.refuses = True
        sent = form(NULL, FILE, ("0", b"a" * 3_000_000))
        _, response = await found.post(sent)
        assert response["data"] == {"keep": None}
        found.a.refuses = False
        assert await found.post(ONE) == (200, {"data": {"keep": "0.png:5"}})


async def test_a_subgraph_that_reads_slowly() -> None:
    """What a subgraph has not read waits on disk, not in the memory of the connection."""
    async with rig() as found, asyncio.timeout(GUARD):
        found.a.reads.clear()
        sent = form(NULL, FILE, ("0", b"a" * 9_000_000))
        sending = asyncio.create_task(found.post(sent))
        await asyncio.sleep(0.5)
        assert found.a.size == 0
        found.a.reads.set()
        assert await sending == (200, {"data": {"keep": "0.png:9000000"}})


LISTED = request(files=[None])
NO_MAP = part("operations", request(file=None))
REFUSED: dict[str, tuple[bytes, int, str, str]] = {
    "empty": (b"", 400, "BAD_REQUEST", "ends before its fields"),
    "no parts": (b"--x--\r\n", 400, "BAD_REQUEST", "ends before its fields"),
    "noise": (b"\x00" * 500, 400, "BAD_REQUEST", "can't be read"),
    "another boundary": (ONE.replace(b"--x", b"--y"), 400, "BAD_REQUEST", "can't be read"),
    "no map": (NO_MAP + b"--x--\r\n", 400, "BAD_REQUEST", "ends before its fields"),
    "cut in operations": (NO_MAP[:-30], 400, "BAD_REQUEST", "ends before its fields"),
    "map first": (part("map", {}) + NO_MAP + b"--x--", 400, "BAD_REQUEST", "then `map`"),
    "a file first": (part("0", b"", filename="f") + NO_MAP, 400, "BAD_REQUEST", "then `map`"),
    "twice": (NO_MAP + NO_MAP, 400, "BAD_REQUEST", "then `map`"),
    "no name": (b"--x\r\ncontent-disposition: form-data\r\n\r\n\r\n--x--",
        400, "BAD_REQUEST", "can't be read"),
    "not JSON": (form(b"{", {}), 400, "INVALID_JSON", "the field operations is not JSON"),
    "a text": (form(b'"x"', {}), 400, "BAD_REQUEST", "object in the field operations"),
    "map not JSON": (form(request(), b"[1"), 400, "INVALID_JSON", "the field map is not JSON"),
    "a list as map": (form(request(), []), 400, "BAD_REQUEST", "object in the field map"),
    "places": (form(request(), {"0": "variables.file"}), 400, "BAD_REQUEST", "expected a list of places"),
    "no places": (form(request(), {"0": []}), 400, "BAD_REQUEST", "expected a list of places"),
    "a number": (form(request(), {"0": [1]}), 400, "BAD_REQUEST", "the path of a variable"),
    "no variable": (form(request(), FILE), 400, "BAD_REQUEST", "the path of a variable"),
    "no variables": (form(request() | {"q": None}, {"0": ["q"]}), 400, "BAD_REQUEST", "path of a"),
    "the query": (form(request() | {"query": None}, {"0": ["query"]}), 400, "BAD_REQUEST", "path of a"),
    "an index": (form(LISTED, {"0": ["variables.files.7"]}), 400, "BAD_REQUEST", "path of a"),
    "minus": (form(LISTED, {"0": ["variables.files.-1"]}), 400, "BAD_REQUEST", "path of a"),
    "inside": (form(NULL, {"0": ["variables.file.x"]}), 400, "BAD_REQUEST", "path of a"),
    "not null": (form(request(file="x"), {"0": ["variables.file"]}), 400, "BAD_REQUEST", "expected null at"),
    "same place": (
        form(NULL, FILE | {"1": ["variables.file"]}), 400, "BAD_REQUEST", "null at",
    ),
    "many": (
        form(request(files=[None] * 11), {str(n): [f"variables.files.{n}"] for n in range(11)}),
        413, "REQUEST_TOO_LARGE", "at most 10 files",
    ),
    "large fields": (form(request(x="y" * 2_000_000), {}), 413, "REQUEST_TOO_LARGE", "in the field"),
    "long header": (b"--x\r\nx: " + b"y" * 9_000, 413, "REQUEST_TOO_LARGE", "short headers"),
    "no operation": (form({"variables": {}}, {}), 400, "BAD_REQUEST", "`query` is missing"),
    "a list": (form([request()], {}), 400, "BAD_REQUEST", "send one operation at a time"),
}  # fmt: skip


async def test_what_is_refused() -> None:
    """A form without an operation that can run gets a clear error, and calls no subgraph."""
    async with rig() as found:
        for name, (sent, status, code, words) in REFUSED.items():
            given = await found.refused(sent)
            assert given[:2] == (status, code), name
            assert words in given[2], name


async def test_boundaries() -> None:
    """A form needs a boundary."""
    async with rig() as found:
        for end in ("", "; boundary=", "; boundary=" + "x" * 71, "; boundary=é", "; boundary"):
            assert (await found.refused(ONE, f"multipart/form-data{end}"))[:2] == (400, "BAD_REQUEST"), end


FAILED: dict[str, tuple[bytes, str, str]] = {
    "no file": (form(NULL, FILE), "UPLOAD_INCOMPLETE", "before the end of the file"),
    "cut": (ONE[:-12], "UPLOAD_INCOMPLETE", "before the end of the file"),
    "another file": (
        form(NULL, FILE, ("1", b"")), "BAD_REQUEST", "that its map does not name",
    ),
    "too large": (
        form(NULL, FILE, ("0", b"x" * 11_000_000)), "REQUEST_TOO_LARGE", "at most 10,000,000",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILED)
async def test_files_that_do_not_arrive(name: str) -> None:
    """The field of a file that does not arrive whole fails; its subgraph does not get it as if whole."""
    sent, code, words = FAILED[name]
    async with rig() as found:
        status, response = await found.post(sent)
        assert status == 200
        assert response["data"] == {"keep": None}
        (error,) = response["errors"]
        assert error["extensions"]["code"] == code
        assert words in error["message"]
        assert not found.a.files


async def test_not_a_file() -> None:
    """A file can't be the value of a type that is not a scalar of its own."""
    async with rig() as found:
        sent = form(
            request("mutation($t: String) { keep(album: {title: $t}) }", t=None),
            {"0": ["variables.t"]},
            ("0", b""),
        )
        status, code, message = await found.refused(sent)
        assert (status, code) == (200, "BAD_USER_INPUT")
        assert "String cannot represent" in message


async def test_switched_off() -> None:
    """Without the setting a form is refused like any other type."""
    async with rig(replace(ON, enabled=False)) as found:
        status, code, message = await found.refused(ONE)
        assert (status, code) == (415, "UNSUPPORTED_MEDIA_TYPE")
        assert "uploads.enabled" in message


async def test_another_site() -> None:
    """A browser sends a form to any site without asking, so it needs the header that proves a preflight."""
    async with rig() as found:
        assert (await found.refused(ONE, origin="https://other.example"))[1] == "CSRF_PREVENTED"
        given = await found.post(ONE, origin="https://other.example", graphql_require_preflight="1")
        assert given[0] == 200


async def test_too_many_at_once() -> None:
    """The gateway receives a bounded number of forms at the same time."""
    async with rig(replace(ON, at_once=1)) as found, asyncio.timeout(GUARD):
        go = asyncio.Event()
        sending = asyncio.create_task(send(found, ONE[:-12], go, ONE[-12:]))
        await found.a.first.wait()
        found.a.heads.clear()
        assert (await found.refused(ONE))[:2] == (503, "UPLOAD_LIMIT")
        go.set()
        await sending
        assert (await found.post(ONE))[0] == 200


async def test_encodings() -> None:
    """A form with a content encoding is refused."""
    async with rig() as found:
        assert (await found.refused(ONE, content_encoding="gzip"))[0] == 415


async def test_a_signed_form() -> None:
    """A signed call has the digest of the whole form."""
    signing = SigningSettings(key=Secret("k" * 32))
    async with rig(settings=Settings(signing=signing)) as found:
        assert (await found.post(ONE))[0] == 200
        head, body = found.a.heads[0], found.a.bodies[0]
        signed = SignableRequest("POST", b"/graphql", b"", list(head.items()), body)
        Verifier({signing.key_id: "k" * 32}, "a").check(signed)


async def test_a_client_library() -> None:
    """gql uploads two files."""
    async with rig() as found:
        transport = HTTPXAsyncTransport(url=f"http://127.0.0.1:{found.door.port}/graphql")
        values = {"files": [FileVar(__file__), FileVar(__file__, content_type="text/x-python")]}
        async with Client(transport=transport) as session:
            query = gql(KEEP)
            query.variable_values = values
            await session.execute(query, upload_files=True)
        assert [one.kind for one in found.a.files][1] == "text/x-python"
        assert found.a.files[0].content == found.a.files[1].content


def test_names() -> None:
    """A name has no folders and no control characters."""
    assert plain_name("../../etc/passwd") == "passwd"
    assert plain_name("C:\\x\\y\r\n.png") == "y.png"
    assert plain_name("x" * 500 + ".png").endswith(".png")


async def test_in_process() -> None:
    """A subgraph in the same process gets an object that it reads like Starlette's."""
    got: list[Any] = []

    async def keep(_: str, variables: Any, *__: Any) -> dict[str, Any]:
        file = variables["file"]
        start = await file.read(2)
        got.extend([file.filename, file.content_type, start, await file.read(), await file.read()])
        return {"data": {"keep": "kept"}}

    file = UploadedFile("variables.file")
    gateway = create_gateway(supergraph_of(SDLS), Settings(uploads=ON), {"a": keep, "b": keep})
    context = gateway.context(RequestHeaders([], None))
    context.uploads = Uploads([file])
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    gateway.begin(GraphQLRequest(KEEP, {"file": file}), context, answer.set_result)
    file.begin("a.txt", "text/plain")
    file.write(b"hel")
    await asyncio.sleep(0)
    file.write(b"lo")
    file.end()
    assert (await answer).response == b'{"data":{"keep":"kept"}}'
    assert got == ["a.txt", "text/plain", b"he", b"llo", b""]
    context.uploads.close()
    await gateway.close()


async def test_sagas_take_no_files() -> None:
    """A mutation that starts a saga is refused if it has a file, and its subgraph is not called."""
    file = UploadedFile("variables.file")
    context = RequestContext({}, Observer())
    context.uploads = Uploads([file])
    call = call_for("a", KEEP, {"file": file, "files": None}, repeatable=False, context=context)
    rest = FakeTransport(lambda _: {"data": {}})
    journal: Any = None
    sagas = Sagas(journal, Definitions({}), [Trigger("keep", "booking")])
    with pytest.raises(SubgraphError, match="takes no files"):
        await sent(TriggeringTransport(rest, sagas), call)
    assert not rest.requests
