"""Tests of profile pictures in the users service: upload, replace, remove, close; and what failures leave."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from structlog.testing import capture_logs

from subgraphs.kit.testing import ApiUser
from subgraphs.users import handlers
from subgraphs.users.pictures.folder import FolderStore
from subgraphs.users.pictures.formats import MOST_BYTES, Picture, picture_of
from subgraphs.users.pictures.handlers import PictureHandlers
from tests.subgraphs.users.conftest import PASSWORD, Register
from tests.subgraphs.users.pictures import samples
from tests.subgraphs.users.pictures.conftest import PUBLIC, REMOVE, UPDATE, Gallery
from tests.subgraphs.users.pictures.samples import SECRET

Put = Callable[[FolderStore, Picture], Awaitable[None]]
_seeds = itertools.count(10)
CLOSE = "mutation($p: String!) { closeAccount(password: $p) { user { profile { profilePictureUrl } } } }"
ACTIVE = "mutation($id: ID!, $on: Boolean!) { setUserActive(id: $id, isActive: $on) { user { isActive } } }"


@pytest.fixture
def photo() -> bytes:
    """A photo that no other test has."""
    return samples.jpeg(seed=next(_seeds))


@pytest.fixture
async def person(register: Register) -> ApiUser:
    """Somebody with an account and no picture."""
    return await register()


@pytest.fixture(autouse=True)
async def nothing_is_left(gallery: Gallery) -> AsyncIterator[None]:
    """After each test the store has exactly the pictures of the profiles."""
    yield
    await gallery.let_time_pass()
    used = await gallery.service.database.fetch_all(
        text("SELECT DISTINCT picture FROM user_profiles WHERE picture IS NOT NULL")
    )
    assert set(gallery.stored) == {row.picture for row in used} == set(await gallery.rows())
    assert not any((await gallery.rows()).values())


async def test_an_upload(gallery: Gallery, person: ApiUser, photo: bytes) -> None:
    """The picture is stored without its metadata, its URL is the profile's, and an event is published."""
    name = await gallery.upload(person, photo)
    assert name == picture_of(photo, "picture").name
    assert SECRET not in gallery.stored[name]
    assert samples.pixels(gallery.stored[name]) == samples.pixels(photo)
    assert await gallery.seen(person) == PUBLIC + name
    assert await gallery.events(person) == ["UserRegistered", "UserUpdated"]


async def test_a_replaced_picture_is_deleted(gallery: Gallery, person: ApiUser, photo: bytes) -> None:
    """The new picture counts at once, and the old file is deleted."""
    old = await gallery.upload(person, photo)
    new = await gallery.upload(person, samples.png(seed=next(_seeds)))
    assert await gallery.seen(person) == PUBLIC + new
    assert await gallery.cleaner.clean() == 1
    assert new in gallery.stored
    assert old not in gallery.stored
    assert await gallery.events(person) == ["UserRegistered", "UserUpdated", "UserUpdated"]


async def test_a_removed_picture_is_deleted(gallery: Gallery, person: ApiUser, photo: bytes) -> None:
    """The profile has no URL, and the file is deleted; a second removal changes nothing."""
    await gallery.upload(person, photo)
    for _ in range(2):
        answer = await gallery.client.data(REMOVE, person)
        assert answer["removeProfilePicture"]["user"]["profile"]["profilePictureUrl"] is None
    assert await gallery.cleaner.clean() == 1
    assert await gallery.events(person) == ["UserRegistered", "UserUpdated", "UserUpdated"]


async def test_what_others_have_stays(gallery: Gallery, register: Register, photo: bytes) -> None:
    """The same picture of several users is one file, until the last one drops it."""
    people = [await register() for _ in range(3)]
    assert len({await gallery.upload(one, photo) for one in people}) == 1
    for left, one in zip((2, 1, 0), people, strict=True):
        await gallery.client.data(REMOVE, one)
        assert await gallery.cleaner.clean() == (left == 0)


@pytest.mark.parametrize("way", ["owner", "admin", "sql"])
async def test_a_closed_account(
    gallery: Gallery, person: ApiUser, admin: ApiUser, photo: bytes, way: str
) -> None:
    """Its picture is deleted, whoever closes it; it does not come back with the account."""
    await gallery.upload(person, photo)
    if way == "owner":
        await gallery.client.data(CLOSE, person, p=PASSWORD)
    elif way == "admin":
        await gallery.client.data(ACTIVE, admin, id=str(person.id), on=False)
    else:
        statement = text("UPDATE users SET is_active = false WHERE id = :id").bindparams(id=person.id)
        await gallery.service.database.execute(statement)
    assert await gallery.seen(person) is None
    assert await gallery.cleaner.clean() == 1
    assert (await gallery.events(person))[2:] == ["UserUpdated", "AccountClosed"]
    await gallery.client.data(ACTIVE, admin, id=str(person.id), on=True)
    assert await gallery.seen(person) is None


async def test_a_closed_account_gets_no_picture(gallery: Gallery, person: ApiUser, photo: bytes) -> None:
    """A token that is still known somewhere is of no use."""
    statement = text("UPDATE users SET is_active = false WHERE id = :id").bindparams(id=person.id)
    await gallery.service.database.execute(statement)
    answer = await gallery.send(person, photo)
    assert [error["extensions"]["code"] for error in answer["errors"]] in (["FORBIDDEN"], ["UNAUTHENTICATED"])
    assert await gallery.seen(person) is None


async def test_only_users_with_an_account(gallery: Gallery, bob: ApiUser, photo: bytes) -> None:
    """A token is needed, and an account."""
    answer = await gallery.send(None, photo)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAUTHENTICATED"]
    payload = (await gallery.send(bob, photo))["data"]["uploadProfilePicture"]
    assert [error["code"] for error in payload["userErrors"]] == ["NOT_FOUND"]
    assert [await gallery.client.codes(query, None) for query in (REMOVE,)] == [["UNAUTHENTICATED"]]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "an empty one"),
        (b"a" * (MOST_BYTES + 1), "at most 5,000,000 bytes"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "PNG, JPEG or WebP"),
        (samples.png()[:-20], "cut off"),
        (samples.png_of(8_001, 1), "8,001 x 1"),
    ],
)
async def test_mistakes(gallery: Gallery, person: ApiUser, content: bytes, problem: str) -> None:
    """What is no picture, or too large, is the user's mistake; nothing is stored."""
    before = gallery.stored
    payload = (await gallery.send(person, content))["data"]["uploadProfilePicture"]
    assert payload["user"] is None
    assert [(one["code"], one["field"]) for one in payload["userErrors"]] == [("BAD_USER_INPUT", "picture")]
    assert problem in payload["userErrors"][0]["message"]
    assert gallery.stored == before


async def test_five_megabytes_are_allowed(gallery: Gallery, person: ApiUser, photo: bytes) -> None:
    """The limit counts the file as it is sent: with metadata, and what follows it."""
    name = await gallery.upload(person, photo + b"\0" * (MOST_BYTES - len(photo)))
    assert len(gallery.stored[name]) < len(photo)


def noted(real: Put, put: list[str]) -> Put:
    """Return a method that puts a picture as `real`, and notes its name."""

    async def noting(store: FolderStore, picture: Picture) -> None:
        put.append(picture.name)
        await real(store, picture)

    return noting


async def test_a_repetition(
    gallery: Gallery, person: ApiUser, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same key and picture give the same result, also at the same time; it is stored once."""
    put: list[str] = []
    monkeypatch.setattr(FolderStore, "put", noted(FolderStore.put, put))
    names = [await gallery.upload(person, photo, "mine") for _ in range(3)]
    assert put == names[:1]
    assert len(set(names)) == 1
    assert await gallery.events(person) == ["UserRegistered", "UserUpdated"]
    other = samples.png(seed=next(_seeds))
    at_once = await asyncio.gather(*[gallery.upload(person, other, "yours") for _ in range(4)])
    assert len(set(at_once)) == 1
    assert await gallery.events(person) == ["UserRegistered", *["UserUpdated"] * 2]


async def test_a_repetition_after_a_removal(gallery: Gallery, person: ApiUser, photo: bytes) -> None:
    """A late repetition of an upload does not bring the picture back; nor does one remove a newer one."""
    await gallery.upload(person, photo, "up")
    await gallery.client.data(REMOVE, person, key="down")
    answer = await gallery.send(person, photo, "up")
    assert answer["data"]["uploadProfilePicture"]["user"]["profile"]["profilePictureUrl"] is None
    new = await gallery.upload(person, samples.png(seed=next(_seeds)), "again")
    await gallery.client.data(REMOVE, person, key="down")
    assert await gallery.seen(person) == PUBLIC + new


async def test_a_key_is_for_one_picture(gallery: Gallery, person: ApiUser, photo: bytes) -> None:
    """Another picture, and another mutation, need another key; a wrong file leaves the key free."""
    assert (await gallery.send(person, b"wrong", "mine"))["data"]["uploadProfilePicture"]["userErrors"]
    name = await gallery.upload(person, photo, "mine")
    other = samples.png(seed=next(_seeds))
    payload = (await gallery.send(person, other, "mine"))["data"]["uploadProfilePicture"]
    assert [one["code"] for one in payload["userErrors"]] == ["IDEMPOTENCY_KEY_REUSED"]
    assert await gallery.client.mistakes(REMOVE, person, key="mine") == [("IDEMPOTENCY_KEY_REUSED", None)]
    assert await gallery.seen(person) == PUBLIC + name
    assert picture_of(other, "picture").name not in gallery.stored
    payload = (await gallery.send(person, other, ""))["data"]["uploadProfilePicture"]
    assert [(one["code"], one["field"]) for one in payload["userErrors"]] == [
        ("BAD_USER_INPUT", "idempotencyKey")
    ]


async def test_a_url_elsewhere(gallery: Gallery, person: ApiUser, photo: bytes) -> None:
    """`updateProfile` sets the URL of a picture elsewhere; then a stored one is deleted, and the reverse."""
    await gallery.upload(person, photo)
    elsewhere = "https://elsewhere.example/a.jpg"
    await gallery.client.data(UPDATE, person, input={"profilePictureUrl": elsewhere})
    assert await gallery.seen(person) == elsewhere
    assert await gallery.cleaner.clean() == 1
    name = await gallery.upload(person, photo)
    assert await gallery.seen(person) == PUBLIC + name
    await gallery.client.data(UPDATE, person, input={"profilePictureUrl": None})
    assert await gallery.seen(person) is None
    assert await gallery.cleaner.clean() == 1
    await gallery.client.data(UPDATE, person, input={"profilePictureUrl": elsewhere})
    await gallery.client.data(REMOVE, person)
    assert await gallery.seen(person) is None


async def test_a_form_that_sends_all_fields_back(gallery: Gallery, person: ApiUser, photo: bytes) -> None:
    """A client that sends the URL as it has read it keeps the picture; other fields never touch it."""
    name = await gallery.upload(person, photo)
    for changes in ({"profilePictureUrl": PUBLIC + name, "firstName": "Ann"}, {"firstName": "Ann"}):
        answer = await gallery.client.data(UPDATE, person, input=changes)
        assert answer["updateProfile"]["user"]["profile"] == {
            "profilePictureUrl": PUBLIC + name,
            "firstName": "Ann",
        }
    assert name in gallery.stored


async def test_a_store_that_does_not_work(gallery: Gallery, person: ApiUser, photo: bytes) -> None:
    """The mutation fails with an error that says to try again, nothing changes, and the key is free."""
    old = await gallery.upload(person, samples.png(seed=next(_seeds)))
    aside = gallery.folder.rename(gallery.folder.with_name("aside"))
    gallery.folder.write_bytes(b"")
    with capture_logs() as logs:
        answer = await gallery.send(person, photo, "mine")
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "SERVER_UNAVAILABLE"
    assert "try again" in error["message"]
    assert str(gallery.folder) not in error["message"]
    assert str(gallery.folder) in logs[0]["reason"]
    assert await gallery.seen(person) == PUBLIC + old
    gallery.folder.unlink()
    aside.rename(gallery.folder)
    new = await gallery.upload(person, photo, "mine")
    assert await gallery.seen(person) == PUBLIC + new
    assert (await gallery.events(person))[1:] == ["UserUpdated", "UserUpdated"]


async def test_a_deletion_outlives_the_store(gallery: Gallery, person: ApiUser, photo: bytes) -> None:
    """A file that can't be deleted is deleted later, and the failure is logged once."""
    name = await gallery.upload(person, photo)
    await gallery.client.data(REMOVE, person)
    aside = gallery.folder.rename(gallery.folder.with_name("aside"))
    gallery.folder.write_bytes(b"")
    with capture_logs() as logs:
        for _ in range(3):
            assert [await gallery.cleaner.clean() for _ in range(2)] == [0, 0]  # later, not at once
            await gallery.service.database.execute(
                text("UPDATE pictures SET check_at = now() WHERE check_at > now()")
            )
    assert (await gallery.rows())[name]
    gallery.folder.unlink()
    aside.rename(gallery.folder)
    assert await gallery.cleaner.clean() == 1
    assert [entry["event"] for entry in logs] == ["a picture cannot be deleted; retrying"]


async def test_one_bad_file_holds_up_no_other(gallery: Gallery, register: Register) -> None:
    """A deletion that fails is repeated after the others."""
    people = [await register() for _ in range(3)]
    names = [await gallery.upload(one, samples.jpeg(seed=next(_seeds))) for one in people]
    for one in people:
        await gallery.client.data(REMOVE, one)
    (gallery.folder / names[0]).rename(gallery.folder / ".aside")
    (gallery.folder / names[0]).mkdir()  # can't be deleted as a file
    deleted = [await gallery.cleaner.clean() for _ in range(3)]
    assert sum(deleted) == 2
    (gallery.folder / names[0]).rmdir()
    (gallery.folder / ".aside").rename(gallery.folder / names[0])


async def test_a_process_that_ends_after_the_put(gallery: Gallery, person: ApiUser, photo: bytes) -> None:
    """A file that no profile refers to is deleted, but not while its upload may still go on."""

    async def ends(*_: Any) -> bool:
        raise RuntimeError("the process ends here")

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(handlers, "claim", ends)
        answer = await gallery.send(person, photo, "mine")
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    name = picture_of(photo, "picture").name
    assert await gallery.seen(person) is None
    assert await gallery.cleaner.clean() == 0
    assert name in gallery.stored
    await gallery.let_time_pass()
    assert name not in gallery.stored
    assert await gallery.upload(person, photo, "mine") == name


async def test_deletions_and_uploads_at_the_same_time(gallery: Gallery, register: Register) -> None:
    """People upload and remove the same few pictures while cleaners run: no profile loses its file."""
    people = [await register() for _ in range(4)]
    photos = [samples.jpeg(seed=next(_seeds)) for _ in range(2)]

    async def change(one: ApiUser, start: int) -> None:
        for number in range(start, start + 12):
            await gallery.upload(one, photos[number % 2])
            if number % 3 == 0:
                await gallery.client.data(REMOVE, one)

    async def clean() -> None:
        while not changing.done():
            await gallery.cleaner.clean()

    changing = asyncio.gather(*[change(one, number) for number, one in enumerate(people)])
    await asyncio.gather(changing, clean(), clean())
    for one in people:
        url = await gallery.seen(one)
        assert url is None or url.removeprefix(PUBLIC) in gallery.stored


async def test_an_upload_waits_for_a_deletion(gallery: Gallery, register: Register, photo: bytes) -> None:
    """The same picture uploaded while its file is being deleted is put after that, and is there."""
    first, second = await register(), await register()
    name = await gallery.upload(first, photo)
    await gallery.client.data(REMOVE, first)
    begun, go = asyncio.Event(), asyncio.Event()

    async def slowly(store: FolderStore, name: str) -> None:
        begun.set()
        await go.wait()
        await real(store, name)

    real = FolderStore.delete
    with pytest.MonkeyPatch.context() as slow:
        slow.setattr(FolderStore, "delete", slowly)
        cleaning = asyncio.create_task(gallery.cleaner.clean())
        await asyncio.wait_for(begun.wait(), 30)
        uploading = asyncio.create_task(gallery.upload(second, photo))
        await asyncio.wait([uploading], timeout=0.1)
        assert not uploading.done()
        go.set()
        assert (await cleaning, await uploading) == (1, name)
    assert name in gallery.stored


async def test_the_cleaner_waits_for_a_slow_upload(
    gallery: Gallery, register: Register, photo: bytes
) -> None:
    """The last user drops a picture while another one uploads it: its file stays."""
    first, second = await register(), await register()
    name = await gallery.upload(first, photo)
    begun, go = asyncio.Event(), asyncio.Event()

    async def slowly(store: FolderStore, picture: Picture) -> None:
        await real(store, picture)
        begun.set()
        await go.wait()

    real = FolderStore.put
    with pytest.MonkeyPatch.context() as slow:
        slow.setattr(FolderStore, "put", slowly)
        uploading = asyncio.create_task(gallery.upload(second, photo))
        await asyncio.wait_for(begun.wait(), 30)
        await gallery.client.data(REMOVE, first)
        assert await gallery.cleaner.clean() == 0
        go.set()
        assert await uploading == name
    assert name in gallery.stored


async def test_the_database_allows_no_other_names(gallery: Gallery, person: ApiUser) -> None:
    """By hand, too, a profile has only pictures that are known, and not two."""
    statements = (
        "INSERT INTO pictures VALUES ('../x.png')",
        "UPDATE user_profiles SET picture = repeat('0', 64) || '.png' WHERE user_id = :id",
    )
    for statement in statements:
        with pytest.raises(IntegrityError):
            query = text(statement)
            await gallery.service.database.execute(
                query.bindparams(id=person.id) if ":id" in statement else query
            )


def test_handlers_are_all_there() -> None:
    """Both commands have a handler."""
    assert len(PictureHandlers(FolderStore.__new__(FolderStore)).by_command()) == 2
