"""Tests of typed records and of the statements that the services share."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, Uuid, select, text

from subgraphs.kit.database import Database
from subgraphs.kit.errors import NotFound
from subgraphs.kit.pagination import Order, Page
from subgraphs.kit.records import RecordTable, grouped, upsert_newer, values_of
from subgraphs.kit.testing import counted_statements, fresh_database
from subgraphs.kit.unit_of_work import UnitOfWork

songs = Table(
    "songs",
    MetaData(),
    Column("id", Uuid, primary_key=True),
    Column("band_id", Uuid),
    Column("title", Text),
    Column("place", Integer),
)
BY_PLACE = Order("songs_place", songs.c.place, int, songs.c.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """A row of the table."""

    id: UUID
    band_id: UUID
    title: str
    place: int


SONGS = RecordTable(songs, Song)


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """A database with an empty table of songs; a title is unique."""
    async with fresh_database(postgres_url, "kit") as url:
        database = Database(url)
        await database.execute(
            text("CREATE TABLE songs (id uuid PRIMARY KEY, band_id uuid, title text UNIQUE, place int)")
        )
        yield database
        await database.close()


async def add(database: Database, band: UUID, title: str, place: int) -> Song:
    """Insert a song."""
    values: dict[str, Any] = {"id": uuid4(), "band_id": band, "title": title, "place": place}
    song = await SONGS.insert(database, values)
    assert song == Song(**values)
    return song


def test_a_record_has_the_columns_of_its_table() -> None:
    """A field without a column and a column without a field raise a TypeError that names them."""

    @dataclass(frozen=True, slots=True)
    class Wrong:
        id: UUID
        band_id: UUID
        title: str
        length: int

    with pytest.raises(TypeError, match=r"\['length', 'place'\]"):
        RecordTable(songs, Wrong)


async def test_records_by_id(database: Database) -> None:
    """`by_ids` uses one statement with the same text for any number of ids, also for another column."""
    band, other = uuid4(), uuid4()
    one, two = await add(database, band, "one", 1), await add(database, other, "two", 2)
    with counted_statements(database) as statements:
        assert await SONGS.by_ids(database, [one.id, two.id, uuid4()]) == {one.id: one, two.id: two}
        assert await SONGS.by_ids(database, [two.id]) == {two.id: two}
    assert len(statements) == 2
    assert len(set(statements)) == 1
    assert await SONGS.by_ids(database, [other], "band_id") == {other: two}
    assert await SONGS.get(database, one.id) == one
    assert await SONGS.get(database, uuid4()) is None
    assert await SONGS.fetch_one(database, select(songs).where(songs.c.title == "none")) is None


async def test_a_row_that_violates_a_constraint_is_not_inserted(database: Database) -> None:
    """`insert` returns None, and the table has only the first row."""
    first = await add(database, uuid4(), "one", 1)
    again = {"id": uuid4(), "band_id": uuid4(), "title": "one", "place": 2}
    assert await SONGS.insert(database, again) is None
    assert await SONGS.fetch_all(database, select(songs)) == [first]


async def test_locked_records(database: Database) -> None:
    """A locked row cannot be locked by another transaction; an unknown id raises NotFound with the given
    message.
    """
    song = await add(database, uuid4(), "one", 1)
    waiting = select(songs.c.id).where(songs.c.id == song.id).with_for_update(skip_locked=True)
    async with UnitOfWork(database) as uow:
        assert await SONGS.lock(uow, song.id, "There is no song") == song
        async with UnitOfWork(database) as other:
            assert await other.fetch_one(waiting) is None
        with pytest.raises(NotFound, match="There is no song"):
            await SONGS.lock(uow, uuid4(), "There is no song")
        assert await SONGS.lock_first(uow, songs.c.title == "one", songs.c.place == 1) == song
        assert await SONGS.lock_first(uow, songs.c.title == "one", songs.c.place == 2) is None


async def test_pages_and_counts_of_each_parent(database: Database) -> None:
    """One statement returns each parent's page or count; a parent without rows is absent."""
    bands = [uuid4(), uuid4(), uuid4()]
    made = [await add(database, bands[place % 2], str(place), place) for place in range(6)]
    page = Page.of(BY_PLACE, 1)
    with counted_statements(database) as statements:
        pages = await SONGS.page_of_each(database, "band_id", bands, page)
        counts = await SONGS.count_of_each(database, "band_id", bands, [songs.c.place > 1])
    assert len(statements) == 2
    assert pages == {bands[0]: [made[0], made[2]], bands[1]: [made[1], made[3]]}
    assert counts == {bands[0]: 2, bands[1]: 2}
    high = [songs.c.place >= 3]
    assert await SONGS.page(database, page, high) == [made[3], made[4]]
    assert await SONGS.count(database, high) == 3
    assert await SONGS.count(database) == 6
    assert grouped(made, "band_id") == {bands[0]: made[::2], bands[1]: made[1::2]}


def test_values_of_a_record() -> None:
    """`values_of` returns values by name, in the given order."""
    song = Song(id=uuid4(), band_id=uuid4(), title="one", place=1)
    assert values_of(song, "place", "title") == {"place": 1, "title": "one"}


async def test_hidden_columns_are_not_selected(database: Database) -> None:
    """Neither the dataclass nor the statements have them."""

    @dataclass(frozen=True, slots=True)
    class Title:
        id: UUID
        title: str

    titles = RecordTable(songs, Title, hidden=("band_id", "place"))
    song = await add(database, uuid4(), "one", 1)
    with counted_statements(database) as statements:
        assert await titles.get(database, song.id) == Title(song.id, "one")
    assert "band_id" not in statements[0]


async def test_a_copy_is_replaced_by_later_events_only(database: Database) -> None:
    """Events arrive repeatedly and in any order: the one with the highest position is stored."""
    copies = Table(
        "copies", MetaData(), Column("song_id", Uuid, primary_key=True), Column("title"), Column("position")
    )
    await database.execute(text("CREATE TABLE copies (song_id uuid PRIMARY KEY, title text, position int)"))
    song_id = uuid4()
    for position in (2, 1, 3, 3):
        await upsert_newer(
            database, copies, "song_id", {"song_id": song_id, "title": str(position), "position": position}
        )
        row = await database.fetch_one(select(copies.c.title, copies.c.position))
        assert row is not None
        assert tuple(row) == (str(max(position, 2)), max(position, 2))


@pytest.mark.parametrize("descending", [False, True])
async def test_pages_in_both_directions(database: Database, descending: bool) -> None:
    """Every window of a list, by `first` or `last`, behind and before any of its rows, is what a slice of
    the whole list is; equal values are ordered by id.
    """
    band, order = uuid4(), Order("songs_window", songs.c.place, int, songs.c.id, descending)
    for number in range(7):
        await add(database, band, f"Song {number}", number // 2)
    whole = sorted(await SONGS.fetch_all(database, select(songs)), key=lambda song: (song.place, song.id))
    whole = whole[::-1] if descending else whole
    cursors = [order.cursor(song.place, song.id) for song in whole]

    async def total() -> int:
        return len(whole)

    for start, end, size, backwards in product((None, 0, 3, 6), (None, 0, 4, 6), (1, 3, 10), (False, True)):
        after, before = (None if place is None else cursors[place] for place in (start, end))
        first, last = (None, size) if backwards else (size, None)
        page = Page.of(order, first, after, last, before)
        found = page.connection(
            await SONGS.page(database, page), lambda song: song, lambda song: (song.place, song.id), total
        )
        window = whole[0 if start is None else start + 1 : end]
        expected = window[-size:] if backwards else window[:size]
        assert [edge.node for edge in found.edges] == expected
        assert [edge.cursor for edge in found.edges] == [cursors[whole.index(song)] for song in expected]
        more = len(window) > size
        info = found.page_info
        assert (info.has_previous_page if backwards else info.has_next_page) is more
        each = await SONGS.page_of_each(database, "band_id", [band], page)
        nested = page.connection(
            each.get(band, []), lambda song: song, lambda song: (song.place, song.id), total
        )
        assert [edge.node for edge in nested.edges] == expected
