"""The contract of the stores of pictures: a folder, and buckets of real servers that speak S3."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import obstore
import pytest
from obstore.store import S3Store as LibraryStore

from subgraphs.users.pictures.folder import FolderStore
from subgraphs.users.pictures.formats import Picture, picture_of
from subgraphs.users.pictures.s3 import S3Store
from subgraphs.users.pictures.s3_address import S3Address
from subgraphs.users.pictures.stores import NoPictures, PictureStore, StoreUnavailable
from tests.s3.servers import BUCKET, SERVERS, S3Server, running_s3
from tests.subgraphs.users.pictures.samples import jpeg, png

SECONDS = 1.5
"""How long a request to a bucket may take in these tests."""
PNG, JPEG = picture_of(png(), "picture"), picture_of(jpeg(), "picture")


@dataclass
class World:
    """A store, and what it has stored, seen from outside; `breaks` makes it fail, `heals` ends that."""

    store: PictureStore
    stored: Callable[[], Mapping[str, bytes]]
    breaks: Callable[[], None]
    heals: Callable[[], None]


def folder_world(folder: Path) -> World:
    """A folder, which breaks by being a file."""
    place = folder / "pictures"

    def breaks() -> None:
        if place.exists():
            place.rename(folder / "aside")
        place.write_bytes(b"")

    def heals() -> None:
        place.unlink()
        if (folder / "aside").exists():
            (folder / "aside").rename(place)

    def stored() -> Mapping[str, bytes]:
        return {path.name: path.read_bytes() for path in place.glob("*") if path.is_file()}

    return World(FolderStore(place), stored, breaks, heals)


def bucket(server: S3Server) -> S3Store:
    """Return the store of a server's bucket."""
    return S3Store(S3Address.of(server.url, server.own), SECONDS)


@pytest.fixture(scope="module", params=["folder", *SERVERS])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One store of each kind."""
    with ExitStack() as stack:
        if request.param == "folder":
            yield folder_world(tmp_path_factory.mktemp("pictures"))
        else:
            server = stack.enter_context(running_s3(request.param))
            yield World(bucket(server), lambda: server.objects, server.stop, server.start)


@pytest.fixture
async def world(place: World) -> AsyncIterator[World]:
    """The store, empty."""
    yield place
    for picture in (PNG, JPEG):
        await place.store.delete(picture.name)


async def test_what_is_put_is_there(world: World) -> None:
    """A picture is found under its name, with the same bytes, and others are not."""
    assert await world.store.get(PNG.name) is None
    await world.store.put(PNG)
    assert await world.store.get(PNG.name) == PNG.content
    assert await world.store.get(JPEG.name) is None
    assert world.stored() == {PNG.name: PNG.content}


async def test_a_repetition_changes_nothing(world: World) -> None:
    """The same picture is stored once, whoever puts it how often."""
    await asyncio.gather(*[world.store.put(one) for one in (PNG, JPEG) * 5])
    assert world.stored() == {PNG.name: PNG.content, JPEG.name: JPEG.content}


async def test_what_is_deleted_is_gone(world: World) -> None:
    """A deleted picture is not found, a second deletion is no error, and it may be put again."""
    await world.store.put(PNG)
    await world.store.put(JPEG)
    for _ in range(2):
        await world.store.delete(PNG.name)
        assert await world.store.get(PNG.name) is None
    assert world.stored() == {JPEG.name: JPEG.content}
    await world.store.put(PNG)
    assert await world.store.get(PNG.name) == PNG.content


async def test_large_pictures(world: World) -> None:
    """Five million bytes come back as they were."""
    large = Picture(PNG.name, bytes(range(256)) * 19_531)
    await world.store.put(large)
    assert await world.store.get(PNG.name) == large.content


@pytest.mark.parametrize(
    "name", ["", "..", "../secret.png", "/etc/passwd", f"{'0' * 64}.svg", f"a/{PNG.name}"]
)
async def test_no_other_names(world: World, name: str) -> None:
    """A name that no picture has never reaches the store."""
    for request in (world.store.get(name), world.store.delete(name), world.store.put(Picture(name, b""))):
        with pytest.raises(ValueError, match="expected the name of a picture"):
            await request


async def test_a_broken_store_says_so(world: World) -> None:
    """While a store does not work, every method fails with the same error; afterwards what was there is
    there.
    """
    await world.store.put(PNG)
    world.breaks()
    try:
        for request in (world.store.put(JPEG), world.store.get(PNG.name), world.store.delete(PNG.name)):
            with pytest.raises(StoreUnavailable, match="does not answer; try again") as failed:
                await request
            assert failed.value.code == "SERVER_UNAVAILABLE"
            assert failed.value.reason
    finally:
        world.heals()
    assert await world.store.get(PNG.name) == PNG.content
    await world.store.put(JPEG)
    assert await world.store.get(JPEG.name) == JPEG.content


async def test_no_store() -> None:
    """A service without a store refuses everything."""
    store = NoPictures()
    for request in (store.put(PNG), store.get(PNG.name), store.delete(PNG.name)):
        with pytest.raises(StoreUnavailable) as failed:
            await request
        assert "USERS_PICTURES" in failed.value.reason


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[S3Server]:
    """A server that speaks S3."""
    with running_s3(request.param) as found:
        yield found


async def test_a_slow_store_is_given_up(server: S3Server) -> None:
    """A server that is silent fails a request; when it goes on, the store works."""
    store = bucket(server)
    server.signal(signal.SIGSTOP)
    try:
        for request in (store.put(PNG), store.get(PNG.name), store.delete(PNG.name)):
            with pytest.raises(StoreUnavailable) as failed:
                await request
            assert server.secret not in failed.value.reason
    finally:
        server.signal(signal.SIGCONT)
    await store.put(PNG)
    assert await store.get(PNG.name) == PNG.content
    await store.delete(PNG.name)


async def test_a_restart_in_the_middle(server: S3Server) -> None:
    """Requests that a restart hits succeed or fail; a repetition succeeds, and no object is there in part."""
    store = bucket(server)
    large = [Picture(f"{number:064x}.png", bytes([number]) * 2_000_000) for number in range(12)]
    putting = asyncio.gather(*[store.put(one) for one in large], return_exceptions=True)
    while not server.objects:  # noqa: ASYNC110 - a process of others makes them
        await asyncio.sleep(0.001)
    server.stop()
    server.start()
    outcomes = await putting
    assert all(one is None or isinstance(one, StoreUnavailable) for one in outcomes)
    whole = {one.name: one.content for one in large}
    for name, content in server.objects.items():
        assert content == whole[name]
    for one in large:
        await store.put(one)
        assert await store.get(one.name) == one.content
    assert server.objects == whole
    for one in large:
        await store.delete(one.name)
    assert server.objects == {}


async def test_objects_say_what_they_are(server: S3Server) -> None:
    """An object has its media type and its lifetime, for browsers that get it from the bucket."""
    store, address = bucket(server), S3Address.of(server.url, server.own)
    await store.put(JPEG)
    reader = LibraryStore(
        BUCKET,
        config={
            "endpoint": address.endpoint,
            "region": address.region,
            "access_key_id": address.key_id,
            "secret_access_key": address.secret,
        },
        client_options={"allow_http": True},
    )
    found = await obstore.get_async(reader, f"of/users/{JPEG.name}")
    assert found.attributes["Content-Type"] == "image/jpeg"
    assert found.attributes["Cache-Control"] == "public, max-age=31536000, immutable"
    await store.delete(JPEG.name)


@pytest.mark.parametrize("own", [{"PICTURES_SECRET": "wrong"}, {"PICTURES_KEY_ID": "nobody"}])
async def test_wrong_keys(server: S3Server, own: dict[str, str]) -> None:
    """The server refuses wrong keys; the error has neither them nor the signature."""
    store = S3Store(S3Address.of(server.url, server.own | own), SECONDS)
    with pytest.raises(StoreUnavailable) as failed:
        await store.put(PNG)
    assert server.secret not in failed.value.reason + repr(store)
    assert "wrong" not in failed.value.reason
    assert server.objects == {}


async def test_a_missing_bucket(server: S3Server) -> None:
    """A bucket that is not there is an error, not an empty store."""
    store = S3Store(S3Address.of(server.url.replace(BUCKET, "nowhere"), server.own), SECONDS)
    for request in (store.put(PNG), store.get(PNG.name), store.delete(PNG.name)):
        with pytest.raises(StoreUnavailable):
            await request


def test_the_server_is_real(server: S3Server) -> None:
    """Without a signature the server refuses everything."""
    answer = httpx.put(f"http://127.0.0.1:{server.port}/{BUCKET}/of/users/{PNG.name}", content=PNG.content)
    assert answer.status_code in (400, 403)
