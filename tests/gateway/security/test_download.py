"""Downloads: whatever fails has a message without secrets; no redirect is followed, no large file read."""

import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.security.download import DownloadFailed, download, shown_url
from gateway.settings import Secret


class _Handler(BaseHTTPRequestHandler):
    """Replies to /large with 11 bytes, to /header with the header x-key; other paths are statuses."""

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].strip("/")
        bodies: Mapping[str, str] = {"large": "x" * 11, "header": self.headers.get("x-key", "")}
        body = bodies.get(name, "").encode()
        self.send_response(int(name) if name.isdecimal() else 200)
        if name.startswith("3"):
            self.send_header("location", "/other?token=secret")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Yield the address of a server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_file(server: str) -> None:
    """The server gets the headers."""
    assert download(f"http://{server}/header", {"x-key": Secret("hidden")}, 5.0, 6) == b"hidden"


@pytest.mark.parametrize(
    ("path", "value", "words", "status"),
    [
        ("302", "a", "/302 redirects to http://SERVER/other (status 302); set this URL instead", 302),
        ("404", "a", "/404 has the status 404", 404),
        ("large", "a", "/large: expected at most 10 bytes, got more", None),
        ("header", "secret\n", "/header can't be fetched: the URL or the value of a header", None),
    ],
)
def test_failures(server: str, path: str, value: str, words: str, status: int | None) -> None:
    """The message names the URL without its secrets, and what is wrong."""
    with pytest.raises(DownloadFailed) as raised:
        download(f"http://{server}/{path}?token=secret", {"x-key": Secret(value)}, 5.0, 10)
    assert words.replace("SERVER", server) in str(raised.value)
    assert "secret" not in str(raised.value)
    assert raised.value.status == status


def test_an_unreachable_server() -> None:
    """The message of a failed download has no secrets of the URL."""
    with pytest.raises(DownloadFailed) as raised:
        download("http://user:secret@127.0.0.1:1/x?token=secret", {}, 1.0, 10)
    assert "secret" not in str(raised.value)
    assert shown_url("https://u:p@h:1/a?b#c") == "https://h:1/a"
