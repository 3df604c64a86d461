"""Pictures as files of a folder, each under its name. A file is there whole or not at all.

Several processes may use the folder at the same time.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from subgraphs.users.pictures.formats import Picture, checked_name
from subgraphs.users.pictures.stores import StoreUnavailable

Parameters = ParamSpec("Parameters")
Value = TypeVar("Value")
_DRAFTS: Final = ".drafts"
_OLD_SECONDS: Final = 3600.0


class FolderStore:
    """The folder, which is made at the first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_swept = False

    def __repr__(self) -> str:
        return f"FolderStore({str(self._folder)!r})"

    async def put(self, picture: Picture) -> None:
        await _run(self._put, self._path(picture.name), picture.content)

    async def get(self, name: str) -> bytes | None:
        return await _run(_read, self._path(name))

    async def delete(self, name: str) -> None:
        await _run(_delete, self._path(name))

    def _path(self, name: str) -> Path:
        return self._folder / checked_name(name)

    def _put(self, path: Path, content: bytes) -> None:
        drafts = self._folder / _DRAFTS
        drafts.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweep(drafts)
        descriptor, draft = tempfile.mkstemp(dir=drafts)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        _sync(self._folder)

    def _sweep(self, drafts: Path) -> None:
        """Delete the drafts of processes that ended while they wrote; once in a process."""
        if self._is_swept:
            return
        self._is_swept = True
        for draft in drafts.iterdir():
            if draft.stat().st_mtime < time.time() - _OLD_SECONDS:
                draft.unlink(missing_ok=True)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Write the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def _run(
    function: Callable[Parameters, Value], *args: Parameters.args, **named: Parameters.kwargs
) -> Value:
    """Run a function in a thread. Raises StoreUnavailable for an error of the file system."""
    try:
        return await asyncio.to_thread(function, *args, **named)
    except OSError as error:
        raise StoreUnavailable(f"the folder of pictures: {error}") from error
