"""Serves `/pictures/NAME`: the files of profile pictures, for everybody who knows a name.

A name is the hash of the content, so clients may keep a file for ever. The browser is told to take it for
nothing but a picture.
"""

from typing import Final

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from subgraphs.users.pictures.formats import LIFETIME, NAME, media_type_of
from subgraphs.users.pictures.stores import PictureStore, StoreUnavailable

log = structlog.get_logger("subgraphs.pictures")

FOLDER: Final = "/pictures/"
_SAFE: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'"),
    (b"cross-origin-resource-policy", b"cross-origin"),
)


class PicturesPage:
    """An ASGI application that serves /pictures/ itself and passes requests for other paths to `app`.

    `app` None: nothing else is there.
    """

    def __init__(self, app: ASGIApp | None, store: PictureStore) -> None:
        self._app = app
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (the ASGI interface)."""
        if scope["type"] != "http" or not scope["path"].startswith(FOLDER):
            if self._app is not None:
                await self._app(scope, receive, send)
            elif scope["type"] == "http":
                await _send(send, scope, 404, b"There is no such path.\n")
        elif scope["method"] not in {"GET", "HEAD"}:
            await _send(send, scope, 405, b"Pictures can be read only: use GET.\n", (b"allow", b"GET, HEAD"))
        else:
            await self._picture(scope, send, scope["path"].removeprefix(FOLDER))

    async def _picture(self, scope: Scope, send: Send, name: str) -> None:
        if not NAME.fullmatch(name):
            await _send(send, scope, 404, b"There is no such picture.\n")
            return
        tag = f'"{name}"'.encode()
        try:
            content = await self._store.get(name)
        except StoreUnavailable as error:
            log.warning("a picture cannot be read", reason=error.reason)
            await _send(send, scope, 503, b"The store of pictures does not answer; try again.\n")
            return
        if content is None:
            await _send(send, scope, 404, b"There is no such picture.\n")
            return
        kept = (b"etag", tag), (b"cache-control", LIFETIME.encode())
        if _is_known(scope, tag):
            await _respond(send, 304, kept, b"", None)
        else:
            head = (b"content-type", media_type_of(name).encode())
            await _respond(
                send, 200, (head, *kept), b"" if scope["method"] == "HEAD" else content, len(content)
            )


def _is_known(scope: Scope, tag: bytes) -> bool:
    """Return whether the client has the picture already (If-None-Match)."""
    known = b",".join(value for name, value in scope["headers"] if name == b"if-none-match")
    return any(one.strip().removeprefix(b"W/") in (tag, b"*") for one in known.split(b","))


async def _send(send: Send, scope: Scope, status: int, text: bytes, *more: tuple[bytes, bytes]) -> None:
    """Send a text that says why there is no picture."""
    head = ((b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store"), *more)
    await _respond(send, status, head, b"" if scope["method"] == "HEAD" else text, len(text))


async def _respond(
    send: Send, status: int, head: tuple[tuple[bytes, bytes], ...], body: bytes, length: int | None
) -> None:
    size = () if length is None else ((b"content-length", str(length).encode()),)
    await send({"type": "http.response.start", "status": status, "headers": [*head, *_SAFE, *size]})
    await send({"type": "http.response.body", "body": body})
