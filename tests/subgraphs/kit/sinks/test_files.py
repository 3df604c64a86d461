"""An example of a target: a folder of JSON files.

It passes the contract's tests, and touches no other files.
"""

import asyncio
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from subgraphs.kit.sinks.target import Stored, TargetUnavailable, Write
from tests.contracts.sinks import KEYS, SinkContract, TargetContract


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TargetUnavailable(str(error)) from error


class FilesTarget:
    """A target in a folder: `<folder>/<generation>/<kind>/<key>.json` has a write, and the link
    `<folder>/current` leads to the serving generation.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def prepare(self, generation: int) -> None:
        """Make the folder of a generation, in the existing folder of the target."""
        with _reachable():
            await asyncio.to_thread((self.folder / str(generation)).mkdir, exist_ok=True)

    async def write(self, generation: int, writes: Sequence[Write]) -> None:
        """Write a file for each key; a rename makes it visible as a whole."""
        await asyncio.to_thread(self._write, generation, writes)

    def _write(self, generation: int, writes: Sequence[Write]) -> None:
        with _reachable():
            for write in writes:
                path = self._path(generation, write.kind, write.key)
                known = self._read(path)
                if known is None or known.version <= write.version:
                    path.parent.mkdir(exist_ok=True)
                    path.with_suffix(".new").write_bytes(msgspec.json.encode(write))
                    path.with_suffix(".new").replace(path)

    def _path(self, generation: int, kind: str, key: UUID) -> Path:
        return self.folder / str(generation) / kind / f"{key}.json"

    def _read(self, path: Path) -> Write | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=Write)
        except FileNotFoundError:
            return None

    async def versions(
        self, generation: int, kind: str, after: UUID | None, limit: int
    ) -> Sequence[tuple[UUID, int]]:
        """Read the file names, whose order is that of the keys."""
        return await asyncio.to_thread(self._versions, generation, kind, after, limit)

    def _versions(
        self, generation: int, kind: str, after: UUID | None, limit: int
    ) -> Sequence[tuple[UUID, int]]:
        with _reachable():
            paths = sorted((self.folder / str(generation) / kind).glob("*.json"))
            found = [
                one for path in paths if after is None or path.stem > str(after) if (one := self._read(path))
            ]
        return [(one.key, one.version) for one in found if one.document is not None][:limit]

    async def read(self, generation: int, kind: str, keys: Sequence[UUID]) -> Mapping[UUID, Stored]:
        """Read the files of these keys."""
        with _reachable():
            paths = [self._path(generation, kind, key) for key in keys]
            found = [one for path in paths if (one := await asyncio.to_thread(self._read, path))]
        return {one.key: Stored(one.version, one.document) for one in found if one.document is not None}

    async def serve(self, generation: int) -> None:
        """Replace the link in one step."""
        with _reachable():
            draft = self.folder / "current.new"
            draft.unlink(missing_ok=True)
            draft.symlink_to(str(generation))
            draft.replace(self.folder / "current")

    async def discard(self, generation: int) -> None:
        """Remove the folder of a generation."""
        await asyncio.to_thread(shutil.rmtree, self.folder / str(generation), ignore_errors=True)


@pytest.fixture
def target(tmp_path: Path) -> FilesTarget:
    """A target in an empty folder."""
    return FilesTarget(tmp_path)


class TestTarget(TargetContract):
    """The contract of targets."""


class TestSink(SinkContract):
    """The contract of sinks, with events from a real queue."""


async def test_readers_see_the_link(target: FilesTarget) -> None:
    """Readers find the serving generation under one name."""
    await target.prepare(1)
    await target.write(1, [Write("item", KEYS[0], 3, {"times": 1})])
    await target.serve(1)
    shown = msgspec.json.decode((target.folder / "current" / "item" / f"{KEYS[0]}.json").read_bytes())
    assert (shown["version"], shown["document"]) == (3, {"times": 1})


async def test_a_folder_that_is_gone_is_a_target_that_is_away(tmp_path: Path) -> None:
    """Every error of the file system is TargetUnavailable, for which the inbox waits."""
    target = FilesTarget(tmp_path / "none")
    with pytest.raises(TargetUnavailable):
        await target.prepare(1)
    with pytest.raises(TargetUnavailable):
        await target.write(1, [Write("item", KEYS[0], 1, {})])
