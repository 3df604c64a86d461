"""The page /mailbox, which shows the e-mail in the mailbox, for development.

It shows the tokens in e-mail about accounts, so it answers requests to this machine's own names only (another
site could make a browser ask it under a name of its own), and is not there in production.
"""

import asyncio
import base64
import hashlib
from html import escape
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from subgraphs.notifications.mailbox import Letter, Mailbox

PATH: Final = "/mailbox"
_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 48rem; margin: 0 auto; padding: 1rem; }
article { border-top: 1px solid; padding: 0.5rem 0; }
h2 { font-size: 1.1rem; margin: 0; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = (
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_HASH}'; frame-ancestors 'none'; base-uri 'none';"
        " form-action 'none'".encode(),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
_LOCAL: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})


class MailboxPage:
    """An ASGI application that serves /mailbox itself and passes requests for other paths to `app`."""

    def __init__(self, app: ASGIApp, mailbox: Mailbox) -> None:
        self._app = app
        self._mailbox = mailbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (the ASGI interface)."""
        if scope["type"] != "http" or scope["path"].rstrip("/") != PATH:
            await self._app(scope, receive, send)
            return
        status, text = 200, ""
        if scope["method"] not in {"GET", "HEAD"}:
            status, text = 405, _page("<p>The mailbox can be read only: use GET.</p>")
        elif _host(scope) not in _LOCAL:
            status, text = 403, _page("<p>Open the mailbox as http://127.0.0.1:PORT/mailbox.</p>")
        else:
            text = _page(_letters(await asyncio.to_thread(self._mailbox.newest)))
        body = text.encode(errors="replace")
        headers = [*_HEADERS, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _host(scope: Scope) -> str:
    """Return the name by which the client has addressed this server, without the port."""
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    name, separator, port = host.rpartition(":")
    return name if separator and port.isdigit() else host


def _letters(letters: list[Letter]) -> str:
    if not letters:
        return "<p>There is no e-mail yet.</p>"
    return "\n".join(map(_letter, letters))


def _letter(letter: Letter) -> str:
    identifier, to, subject, date, text = map(
        escape, (letter.id, letter.to, letter.subject, letter.date, letter.text)
    )
    return (
        f'<article aria-labelledby="s-{identifier}"><h2 id="s-{identifier}">{subject}</h2>'
        f"<p>To {to}, <time>{date}</time></p><pre>{text}</pre></article>"
    )


def _page(content: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Mailbox of MussikOn</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><header><h1>Mailbox</h1>"
        "<p>E-mail that MussikOn would send, the newest first. For development only.</p></header>"
        f"<main>{content}</main></body></html>"
    )
