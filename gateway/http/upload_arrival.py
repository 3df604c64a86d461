"""Receives a form from an ASGI server: first until its operation is known, then beside the operation."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from gateway.core.errors import RequestError
from gateway.core.headers import RequestHeaders
from gateway.http.endpoint import Endpoint
from gateway.settings import UploadSettings
from gateway.uploads.files import UploadFailed
from gateway.uploads.form import UploadForm

Message = MutableMapping[str, Any]
DISCONNECTED = "http.disconnect"


class ClientLeft(Exception):
    """The client closed its connection before the response was sent."""


class UploadArrival:
    """The arrival of one form. `receive`: that of the ASGI server."""

    def __init__(self, endpoint: Endpoint, receive: Callable[[], Awaitable[Message]]) -> None:
        self.endpoint = endpoint
        self.receive = receive
        self.form: UploadForm | None = None
        self.rest: asyncio.Task[None] | None = None
        self.left = asyncio.Event()
        endpoint.forms += 1

    async def begin(self, headers: RequestHeaders) -> UploadForm | RequestError:
        """Receive until the operation is known, and return the form; the rest arrives in a task.

        A form that is refused gives its error. Raises ClientLeft.
        """
        settings = self.endpoint.uploads or UploadSettings()
        try:
            if self.endpoint.forms > settings.at_once:
                raise RequestError("the gateway receives too many files at the moment", "UPLOAD_LIMIT")
            self.form = form = UploadForm(headers, settings, self.endpoint.max_body)
            ended = False
            while form.payload is None and not ended:
                message = await self.receive()
                if message["type"] == DISCONNECTED:
                    raise ClientLeft
                ended = _read(form, message)
        except RequestError as error:
            return error
        if not ended:
            self.rest = asyncio.ensure_future(self._receive_rest(form))
        return form

    async def _receive_rest(self, form: UploadForm) -> None:
        ended = False
        while (message := await self.receive())["type"] != DISCONNECTED:
            ended = ended or _read(form, message)
        form.uploads.fail(UploadFailed("the client has left", "UPLOAD_INCOMPLETE"))
        self.left.set()

    async def watch(self) -> Message:
        """Return the next message of the server; after the form began to arrive, that the client has left."""
        if self.rest is None:
            return await self.receive()
        await self.left.wait()
        return {"type": DISCONNECTED}

    def close(self) -> None:
        """Stop receiving, and delete the files."""
        self.endpoint.forms -= 1
        if self.rest is not None:
            self.rest.cancel()
        if self.form is not None:
            self.form.uploads.close()


def _read(form: UploadForm, message: Message) -> bool:
    """Read a part of the body; return whether it was the last. Raises RequestError before the operation is
    known.
    """
    if data := message.get("body", b""):
        form.feed(data)
    if message.get("more_body", False):
        return False
    form.end()
    return True
