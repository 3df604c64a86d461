"""Tests of the page that serves pictures, of the port for it, and of the settings."""

import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from subgraphs.kit.settings import ServiceSettings, ServiceSettingsError
from subgraphs.users.pictures.folder import FolderStore
from subgraphs.users.pictures.formats import picture_of
from subgraphs.users.pictures.page import PicturesPage
from subgraphs.users.pictures.s3 import S3Store
from subgraphs.users.pictures.s3_address import S3Address, WrongAddress
from subgraphs.users.pictures.server import PicturesServer
from subgraphs.users.pictures.settings import PictureSettings
from subgraphs.users.pictures.stores import NoPictures
from tests.subgraphs.users.pictures.conftest import Gallery
from tests.subgraphs.users.pictures.samples import jpeg, png, webp

PICTURES = {
    f"image/{kind}": picture_of(make(), "picture")
    for kind, make in (("png", png), ("jpeg", jpeg), ("webp", webp))
}
SAFE = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'",
    "cross-origin-resource-policy": "cross-origin",
}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a page with three pictures, beside a secret file."""
    store = FolderStore(tmp_path / "pictures")
    for picture in PICTURES.values():
        await store.put(picture)
    (tmp_path / "secret.png").write_bytes(b"secret")
    (tmp_path / "pictures" / "secret.png").write_bytes(b"secret")
    transport = httpx.ASGITransport(PicturesPage(None, store))
    async with httpx.AsyncClient(transport=transport, base_url="http://users") as found:
        yield found


@pytest.mark.parametrize("kind", PICTURES)
async def test_a_picture_is_served(http: httpx.AsyncClient, kind: str) -> None:
    """A picture has our media type, may be kept for ever, and is nothing but a picture for the browser."""
    path = f"/pictures/{PICTURES[kind].name}"
    answer = await http.get(path)
    assert (answer.status_code, answer.content) == (200, PICTURES[kind].content)
    expected = SAFE | {"content-type": kind, "cache-control": "public, max-age=31536000, immutable"}
    assert expected.items() <= dict(answer.headers).items()
    head = await http.head(path)
    assert (head.content, dict(head.headers)) == (b"", dict(answer.headers))
    for known in (answer.headers["etag"], f'"x", W/{answer.headers["etag"]}', "*"):
        again = await http.get(path, headers={"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    assert (await http.get(path, headers={"if-none-match": '"x"'})).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/pictures/",
        "/pictures",
        "/",
        "/graphql",
        "/pictures/secret.png",
        "/pictures/../secret.png",
        "/pictures/..%2fsecret.png",
        "/pictures/%2e%2e/secret.png",
        "/pictures/.drafts",
        f"/pictures/{'0' * 64}.png",
        f"/pictures/{'0' * 64}.html",
        f"/pictures/{PICTURES['image/png'].name}%00",
        f"/pictures/{PICTURES['image/png'].name}%0a",
        f"/pictures/{PICTURES['image/png'].name}/",
        f"/pictures//{PICTURES['image/png'].name}",
        f"/pictures/{PICTURES['image/png'].name.upper()}",
    ],
)
async def test_nothing_else_is_served(http: httpx.AsyncClient, path: str) -> None:
    """Other names are not found, wherever they lead, and that is not kept."""
    url = httpx.URL("http://users").copy_with(raw_path=path.encode())
    answer = await http.get(url)
    assert answer.status_code == 404
    assert b"secret" not in answer.content
    assert SAFE.items() <= dict(answer.headers).items()
    assert answer.headers["cache-control"] == "no-store"


async def test_pictures_can_be_read_only(http: httpx.AsyncClient) -> None:
    """Other methods are refused."""
    for method in ("PUT", "POST", "DELETE", "OPTIONS"):
        answer = await http.request(method, f"/pictures/{PICTURES['image/png'].name}")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_a_store_that_does_not_answer() -> None:
    """The page says to try again, and nobody keeps that."""
    transport = httpx.ASGITransport(PicturesPage(None, NoPictures()))
    async with httpx.AsyncClient(transport=transport, base_url="http://users") as http:
        answer = await http.get(f"/pictures/{PICTURES['image/png'].name}")
    assert (answer.status_code, answer.headers["cache-control"]) == (503, "no-store")
    assert "USERS_" not in answer.text


async def test_the_service_serves_its_pictures(gallery: Gallery) -> None:
    """The users service has the page beside its endpoint."""
    assert (await gallery.http.get(f"/pictures/{'0' * 64}.png")).text == "There is no such picture.\n"
    assert (await gallery.http.get("/health/live")).status_code == 200
    assert (await gallery.http.get("/graphql")).status_code == 405


async def test_a_port_for_pictures_only(tmp_path: Path) -> None:
    """The port has the pictures and no GraphQL; a port that is in use is an error that says so."""
    store = FolderStore(tmp_path)
    await store.put(PICTURES["image/png"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = PicturesServer(PicturesPage(None, store), "127.0.0.1", port)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            assert (await http.get(f"/pictures/{PICTURES['image/png'].name}")).status_code == 200
            assert (await http.post("/graphql", json={"query": "{ __typename }"})).status_code == 404
        with pytest.raises(
            ServiceSettingsError, match=f"USERS_PICTURES_PORT must be a free port .* got {port}"
        ):
            await PicturesServer(PicturesPage(None, store), "127.0.0.1", port).start()
    finally:
        await server.stop()
    again = PicturesServer(PicturesPage(None, store), "127.0.0.1", port)
    await again.start()
    await again.stop()


PLAIN = ServiceSettings("users", "d", "r", Path("p"), port=4001)


def settings(host: str = "127.0.0.1", **own: str) -> PictureSettings:
    """Return the settings for variables that begin with USERS_PICTURES."""
    given = {f"PICTURES_{name}".removesuffix("_FOLDER"): value for name, value in own.items()}
    return PictureSettings.of(replace(PLAIN, host=host, own=given))


def test_where_browsers_get_pictures() -> None:
    """The default is the service's own address on this machine, or that of the port for pictures."""
    assert settings().public_url == "http://127.0.0.1:4001/pictures/"
    assert settings("0.0.0.0").public_url == "http://127.0.0.1:4001/pictures/"
    assert settings("::").public_url == "http://[::1]:4001/pictures/"
    assert settings(PORT="4080").public_url == "http://127.0.0.1:4080/pictures/"
    assert settings(PUBLIC_URL="https://cdn.example/of").public_url == "https://cdn.example/of/"
    assert settings(PUBLIC_URL="https://cdn.example/").public_url == "https://cdn.example/"
    for wrong in ("cdn.example", "javascript:alert(1)", "https://"):
        with pytest.raises(
            ServiceSettingsError, match="USERS_PICTURES_PUBLIC_URL must be an http or https URL"
        ):
            settings(PUBLIC_URL=wrong)


def test_which_store(tmp_path: Path) -> None:
    """A bucket counts before a folder; without both there is no store."""
    assert isinstance(settings().store, NoPictures)
    assert isinstance(settings(FOLDER=str(tmp_path)).store, FolderStore)
    bucket = settings(
        FOLDER=str(tmp_path), URL="s3://pictures?endpoint=http://127.0.0.1:9", KEY_ID="me", SECRET="s3cr3t"
    ).store
    assert isinstance(bucket, S3Store)
    assert "s3cr3t" not in repr(bucket)


def test_addresses_of_buckets(tmp_path: Path) -> None:
    """A URL has bucket, prefix, endpoint and region; the keys come from variables or files."""
    (tmp_path / "secret").write_text("s3cr3t\n")
    own = {"PICTURES_KEY_ID": "me", "PICTURES_SECRET_FILE": str(tmp_path / "secret")}
    url = "s3://my.pictures/of/users/?endpoint=https://s3.example:9000/&region=eu-1"
    found = S3Address.of(url, own)
    assert found == S3Address("my.pictures", "of/users", "https://s3.example:9000", "eu-1", "me", "s3cr3t")
    assert "s3cr3t" not in repr(found)
    assert S3Address.of("s3://pictures", {}) == S3Address("pictures", "", "", "us-east-1")


@pytest.mark.parametrize(
    ("url", "own", "problem"),
    [
        ("https://pictures", {}, "it must be s3://BUCKET"),
        ("s3://me:s3cr3t@pictures", {}, "without keys"),
        ("s3://", {}, "it must be s3://BUCKET"),
        ("s3://UPPER", {}, "it must be s3://BUCKET"),
        ("s3://pictures/../other", {}, "its path"),
        ("s3://pictures/a b", {}, "its path"),
        ("s3://pictures?endpoint=ftp://x", {}, "its endpoint"),
        ("s3://pictures?endpoint=http://me:s3cr3t@x", {}, "its endpoint"),
        ("s3://pictures?secret=s3cr3t", {}, "its options are endpoint and region, got secret"),
        ("s3://pictures", {"PICTURES_KEY_ID": "me"}, "must be set together"),
        ("s3://pictures", {"PICTURES_SECRET": "s3cr3t"}, "must be set together"),
        ("s3://pictures", {"PICTURES_SECRET_FILE": "/none"}, "USERS_PICTURES_SECRET_FILE must name"),
    ],
)
def test_wrong_addresses(url: str, own: dict[str, str], problem: str) -> None:
    """What is wrong is said, without a secret."""
    with pytest.raises(WrongAddress, match=problem) as wrong:
        S3Address.of(url, own)
    assert "s3cr3t" not in str(wrong.value)
    with pytest.raises(ServiceSettingsError, match="USERS_PICTURES_URL is wrong"):
        PictureSettings.of(replace(PLAIN, own={"PICTURES_URL": url, **own}))
