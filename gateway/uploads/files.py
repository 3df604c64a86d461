"""Files that clients upload: written while they arrive, and read by the calls to subgraphs meanwhile.

A file is a value of the request's variables. JSON has its marker there, a random text that no client can
guess, so that a transport finds it in the body of a call and sends the file itself in its place.
"""

import asyncio
import secrets
from collections.abc import Iterable
from tempfile import SpooledTemporaryFile
from typing import Any

from gateway.core.marked import MarkedValue

IN_MEMORY = 65_536  # bytes; a larger file goes to a temporary file on disk
PIECE = 65_536  # bytes that are read at once
OCTETS = "application/octet-stream"


class UploadFailed(Exception):
    """A file that has not arrived whole. `code`: the error code; the message says why."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class UploadedFile(MarkedValue):
    """A file that is still arriving, or has arrived.

    - `marker`: stands for it in JSON. `place`: where it is in the request, such as `variables.file`.
    - `filename`, `content_type`: as the client has named them, once the file has begun.
    - `size`: the bytes that have arrived. `is_complete`: whether they are all.
    """

    def __init__(self, place: str) -> None:
        self.marker = f"upload:{secrets.token_urlsafe(24)}"
        self.place = place
        self.filename = ""
        self.content_type = OCTETS
        self.size = 0
        self.has_begun = self.is_complete = False
        self._failure: UploadFailed | None = None
        self._content: SpooledTemporaryFile[bytes] | None = None
        self._waiting: list[asyncio.Future[None]] = []

    def __repr__(self) -> str:
        return f"UploadedFile({self.place}, {self.size} bytes)"

    # the writer

    def begin(self, filename: str, content_type: str) -> None:
        """The file begins to arrive."""
        self.filename, self.content_type = filename, content_type
        self._content = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
        self.has_begun = True
        self._wake()

    def write(self, data: bytes) -> None:
        """A piece of the file has arrived. A disk that is full makes the file fail."""
        if self._content is None or self._failure is not None:
            return
        try:
            self._content.seek(self.size)
            self._content.write(data)
        except OSError as error:
            self.fail(UploadFailed(f"the file at {self.place} can't be stored: {error}", "UPLOAD_LIMIT"))
            return
        self.size += len(data)
        self._wake()

    def end(self) -> None:
        """The file has arrived whole."""
        self.is_complete = True
        self._wake()

    def fail(self, failure: UploadFailed) -> None:
        """The file will not arrive whole; no effect on one that has."""
        if not self.is_complete and self._failure is None:
            self._failure = failure
            self._wake()

    def close(self) -> None:
        """Delete what has arrived."""
        self.is_complete = False
        self.fail(UploadFailed("the request has ended", "UPLOAD_INCOMPLETE"))
        if self._content is not None:
            self._content.close()
            self._content = None

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    # readers

    async def begun(self) -> None:
        """Wait until the file's name is known. Raises UploadFailed."""
        while not self.has_begun:
            await self._change()

    async def read_at(self, position: int, size: int = PIECE) -> bytes:
        """Return up to `size` bytes from a position, as soon as there are some; none at the end.

        Raises UploadFailed if the file does not arrive whole.
        """
        while position >= self.size and not self.is_complete:
            await self._change()
        if self._failure is not None:
            raise self._failure
        if self._content is None:
            return b""
        self._content.seek(position)
        return self._content.read(size)

    async def _change(self) -> None:
        """Wait for a change. Raises UploadFailed."""
        if self._failure is not None:
            raise self._failure
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(changed)
        await changed
        if self._failure is not None:
            raise self._failure


class Uploads:
    """The files of one request."""

    def __init__(self, files: Iterable[UploadedFile]) -> None:
        self.files = tuple(files)

    def used_in(self, body: bytes) -> bool:
        """Return whether the JSON of a call has a file."""
        return b'"upload:' in body and any(one.marker.encode() in body for one in self.files)

    def take_from(self, variables: Any, instead: Any = None) -> list[tuple[UploadedFile, str]]:
        """Replace the markers in decoded variables; return each file with its path (`variables.a.0`).

        `instead`: called with a file, returns what replaces it; None to put null there.
        """
        known = {one.marker: one for one in self.files}
        found: list[tuple[UploadedFile, str]] = []
        waiting: list[tuple[Any, str]] = [(variables, "variables")]
        while waiting:
            tree, path = waiting.pop()
            for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
                if isinstance(value, dict | list):
                    waiting.append((value, f"{path}.{key}"))
                elif isinstance(value, str) and (file := known.get(value)) is not None:
                    found.append((file, f"{path}.{key}"))
                    tree[key] = None if instead is None else instead(file)
        order = {one.marker: place for place, one in enumerate(self.files)}
        return sorted(found, key=lambda one: order[one[0].marker])

    async def read_in(self, variables: Any) -> None:
        """Replace the markers in decoded variables by UploadReaders, as soon as the files have names.

        Raises UploadFailed.
        """
        for file, _ in self.take_from(variables, UploadReader):
            await file.begun()

    def fail(self, failure: UploadFailed) -> None:
        """The files that have not arrived yet will not."""
        for one in self.files:
            one.fail(failure)

    def close(self) -> None:
        """Delete all files."""
        for one in self.files:
            one.close()


class UploadReader:
    """A file as a resolver in this process gets it: named and read as Starlette's `UploadFile`."""

    def __init__(self, file: UploadedFile) -> None:
        self.file = file
        self.position = 0

    @property
    def filename(self) -> str:
        """Return the name that the client has given it."""
        return self.file.filename

    @property
    def content_type(self) -> str:
        """Return the media type that the client has given it."""
        return self.file.content_type

    async def read(self, size: int = -1) -> bytes:
        """Return the next bytes, all that follow if `size` is negative; none at the end.

        Raises UploadFailed if the file does not arrive whole.
        """
        pieces: list[bytes] = []
        left = size if size >= 0 else None
        while left is None or left > 0:
            piece = await self.file.read_at(self.position, PIECE if left is None else min(PIECE, left))
            if not piece:
                break
            pieces.append(piece)
            self.position += len(piece)
            left = None if left is None else left - len(piece)
        return b"".join(pieces)
