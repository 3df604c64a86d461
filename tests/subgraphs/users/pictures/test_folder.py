"""Tests of the folder of pictures beyond the contract of stores: what failures leave in it."""

import os
import time
from pathlib import Path

import pytest

from subgraphs.users.pictures.folder import FolderStore
from subgraphs.users.pictures.formats import picture_of
from subgraphs.users.pictures.stores import StoreUnavailable
from tests.subgraphs.users.pictures.samples import png

PICTURE = picture_of(png(), "picture")


def files_in(folder: Path) -> list[Path]:
    """Return all files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that can't be written whole is not there, and no draft of it."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    store = FolderStore(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(StoreUnavailable) as failed:
            await store.put(PICTURE)
    assert "No space left" in failed.value.reason
    assert files_in(tmp_path) == []
    await store.put(PICTURE)
    assert await store.get(PICTURE.name) == PICTURE.content


async def test_old_drafts_are_deleted(tmp_path: Path) -> None:
    """Drafts of a process that ended while it wrote are deleted an hour later by the next process."""
    drafts = tmp_path / ".drafts"
    drafts.mkdir()
    for name, age in (("old", 4_000), ("new", 10)):
        (drafts / name).write_bytes(b"half")
        os.utime(drafts / name, (time.time() - age,) * 2)
    await FolderStore(tmp_path).put(PICTURE)
    assert [path.name for path in drafts.iterdir()] == ["new"]


async def test_only_the_owner_reads_the_folder(tmp_path: Path) -> None:
    """Drafts and files are closed to other users of the machine."""
    await FolderStore(tmp_path / "pictures").put(PICTURE)
    assert (tmp_path / "pictures" / PICTURE.name).stat().st_mode & 0o077 == 0
    assert (tmp_path / "pictures" / ".drafts").stat().st_mode & 0o077 == 0
