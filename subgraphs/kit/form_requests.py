"""Reads requests with files (GraphQL multipart request specification) for a service's endpoint.

A form is parsed while it arrives, and its files go to temporary files. The operation starts when the form has
arrived whole, so that a resolver never has half a file.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from gateway.core.errors import RequestError
from gateway.core.headers import RequestHeaders
from gateway.settings import UploadSettings
from gateway.uploads.files import UploadedFile, UploadFailed, UploadReader
from gateway.uploads.form import UploadForm
from subgraphs.kit.http_requests import BODY_LIMIT, Receive, Refused, check_length, checked_request

SILENCE_SECONDS: Final = 30.0
"""How long the next piece of a form may take."""
_STATUSES: Final = {
    "REQUEST_TOO_LARGE": 413,
    "UNSUPPORTED_CONTENT_ENCODING": 415,
    "UPLOAD_LIMIT": 503,
}


class FormReader:
    """Reads the forms that a service receives. `limits`: on files, and on forms at the same time."""

    def __init__(self, limits: UploadSettings) -> None:
        self._limits = limits
        self._most = limits.files * limits.size + 3 * BODY_LIMIT
        self._now = 0  # the forms that are being received or executed

    @asynccontextmanager
    async def read(self, headers: RequestHeaders, receive: Receive) -> AsyncIterator[dict[str, Any]]:
        """Yield the GraphQL request in a form, with UploadReaders in its variables; then delete the files.

        Raises Refused.
        """
        check_length(headers.get("content-length"), self._most)
        if self._now >= self._limits.at_once:
            raise Refused(503, "The service receives too many files at the moment: try again")
        self._now += 1
        form: UploadForm | None = None
        try:
            form = UploadForm(headers, self._limits, BODY_LIMIT)
            await self._receive(form, receive)
            for file in form.uploads.files:
                await _check_whole(file)
            request = checked_request(form.payload)
            _put_readers(request)
            yield request
        except (RequestError, UploadFailed) as error:
            raise Refused(_STATUSES.get(error.code, 400), f"The form is refused: {error}") from error
        finally:
            self._now -= 1
            if form is not None:
                form.uploads.close()

    async def _receive(self, form: UploadForm, receive: Receive) -> None:
        """Receive a form to its end. Raises RequestError and Refused."""
        size = 0
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    message = await receive()
            except TimeoutError:
                raise Refused(408, f"The next piece of the form must come in {SILENCE_SECONDS:g} s") from None
            if message["type"] == "http.disconnect":
                raise Refused(400, "The client disconnected before the end of the form")
            data = message.get("body", b"")
            size += len(data)
            if size > self._most:
                raise Refused(413, f"The form must have at most {self._most} bytes, got at least {size}")
            if data:
                form.feed(data)
            if not message.get("more_body"):
                form.end()
                return


async def _check_whole(file: UploadedFile) -> None:
    """Raise UploadFailed if a file has not arrived whole; the form has ended."""
    await file.begun()
    await file.read_at(file.size)


def _put_readers(request: dict[str, Any]) -> None:
    """Replace the files in the variables of a request by readers, one for each place."""
    waiting: list[Any] = [request.get("variables") or {}]
    while waiting:
        tree = waiting.pop()
        for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
            if isinstance(value, dict | list):
                waiting.append(value)
            elif isinstance(value, UploadedFile):
                tree[key] = UploadReader(value)
