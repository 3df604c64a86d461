"""Tests of the users service with its pictures in a bucket of a real server, which is stopped and started."""

import signal
from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import text

from subgraphs.kit.testing import Client, Running
from subgraphs.users.pictures import s3
from subgraphs.users.pictures.formats import picture_of
from tests.s3.servers import SERVERS, S3Server, running_s3
from tests.subgraphs.users.conftest import Register
from tests.subgraphs.users.pictures import samples
from tests.subgraphs.users.pictures.conftest import PUBLIC, REMOVE, Gallery, gallery_of


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[S3Server]:
    """A server that speaks S3."""
    with running_s3(request.param) as found:
        yield found


@pytest.fixture(scope="module")
async def gallery(running: Running, server: S3Server) -> AsyncIterator[Gallery]:
    """A users service whose pictures are in the bucket."""
    with pytest.MonkeyPatch.context() as impatient:
        impatient.setattr(s3, "SECONDS", 1.5)
        async with gallery_of(running, {"PICTURES_URL": server.url, **server.own}, server.folder) as found:
            yield found


@pytest.fixture(scope="module")
def client(gallery: Gallery) -> Client:
    """A client of the same service."""
    return gallery.client


async def test_pictures_in_a_bucket(gallery: Gallery, server: S3Server, register: Register) -> None:
    """A picture is put, served by the service, and deleted."""
    person = await register()
    name = await gallery.upload(person, samples.jpeg())
    assert server.objects == {name: picture_of(samples.jpeg(), "picture").content}
    assert (await gallery.http.get(f"/pictures/{name}")).content == server.objects[name]
    await gallery.client.data(REMOVE, person)
    assert await gallery.cleaner.clean() == 1
    assert server.objects == {}
    assert (await gallery.http.get(f"/pictures/{name}")).status_code == 404


@pytest.mark.parametrize("way", ["down", "slow"])
async def test_a_bucket_that_does_not_answer(
    gallery: Gallery, server: S3Server, register: Register, way: str
) -> None:
    """The mutation fails with an error that says to try again; with the same key it succeeds afterwards."""
    person = await register()
    old = await gallery.upload(person, samples.png())
    if way == "down":
        server.stop()
    else:
        server.signal(signal.SIGSTOP)
    answer = await gallery.send(person, samples.webp(), "mine")
    [error] = answer["errors"]
    assert (answer["data"], error["extensions"]["code"]) == (
        {"uploadProfilePicture": None},
        "SERVER_UNAVAILABLE",
    )
    assert (await gallery.http.get(f"/pictures/{old}")).status_code == 503
    assert await gallery.seen(person) == PUBLIC + old
    if way == "down":
        server.start()
    else:
        server.signal(signal.SIGCONT)
    new = await gallery.upload(person, samples.webp(), "mine")
    assert await gallery.seen(person) == PUBLIC + new
    assert await gallery.events(person) == ["UserRegistered", "UserUpdated", "UserUpdated"]
    await gallery.client.data(REMOVE, person)
    await gallery.let_time_pass()
    assert server.objects == {}


async def test_a_deletion_outlives_the_bucket(gallery: Gallery, server: S3Server, register: Register) -> None:
    """What is removed while the bucket is down is deleted when it is back."""
    person = await register()
    name = await gallery.upload(person, samples.png("RGBA"))
    server.stop()
    await gallery.client.data(REMOVE, person)
    assert await gallery.cleaner.clean() == 0
    server.start()
    assert set(server.objects) == {name}
    assert await gallery.cleaner.clean() == 0
    await gallery.let_time_pass()
    assert server.objects == {}
    left = await gallery.service.database.fetch_value(text("SELECT count(*) FROM pictures"))
    assert left == 0
