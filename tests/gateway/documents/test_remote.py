"""Documents of a server: hostile ids, failures, retries, what is remembered."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.clock import FakeClock
from gateway.core.context import RequestContext
from gateway.core.errors import RequestError
from gateway.documents import remote
from gateway.documents.failures import FailureReports
from gateway.documents.remote import RemoteStore, document_key, document_url
from gateway.observe.facts import DocumentStoreFailed
from gateway.observe.observer import Observer
from gateway.security.download import DownloadFailed
from gateway.settings import RemoteDocumentSettings

URL = "http://documents.example/apps/{app}/{version}/{id}"
CONTEXT = RequestContext({}, Observer())
Server = Callable[[str], bytes]


class Replies:
    """A server in the place of `download`: a list of results, of which the last one repeats."""

    def __init__(self, *results: bytes | DownloadFailed) -> None:
        self.results = list(results)
        self.urls: list[str] = []

    def __call__(self, url: str, *_: Any) -> bytes:
        self.urls.append(url)
        found = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if isinstance(found, DownloadFailed):
            raise found
        return found


class Setup:
    """A store over a server, with its clock and the facts that it reports."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *results: bytes | DownloadFailed, **rest: Any
    ) -> None:
        self.server = Replies(*results)
        monkeypatch.setattr(remote, "download", self.server)
        self.clock = FakeClock()
        self.facts: list[DocumentStoreFailed] = []
        failures = FailureReports("remote", self.clock, self.facts.append)
        self.store = RemoteStore(RemoteDocumentSettings(URL, **rest), self.clock, failures)

    async def find(self, document_id: str) -> Any:
        """Return the text of a document, None, or the code of an error."""
        try:
            found = self.store.find(document_id, CONTEXT)
            return found if isinstance(found, str | None) else await found
        except RequestError as error:
            return error.code


DOWN = DownloadFailed("the server has the status 500", 500)
ABSENT = DownloadFailed("the server has the status 404", 404)
FAILED = "PERSISTED_DOCUMENT_RESOLUTION_FAILED"


async def test_a_document_is_fetched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document is cached, at once available the next time."""
    this = Setup(monkeypatch, b"{ a }")
    assert await this.find("app~1~x") == "{ a }"
    assert this.store.find("app~1~x", CONTEXT) == "{ a }"
    assert this.server.urls == ["http://documents.example/apps/app/1/x"]


async def test_failures_are_repeated_and_reported_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure is not remembered; the facts are limited in time, and have the number of failures."""
    this = Setup(monkeypatch, DOWN, DOWN, b"{ a }", retries=2)
    assert await this.find("app~1~x") == "{ a }"
    this = Setup(monkeypatch, DOWN, retries=1)
    for _ in range(5):
        assert await this.find("app~1~x") == FAILED
    assert len(this.server.urls) == 10
    assert [one.failures for one in this.facts] == [1]
    await this.clock.advance(10)
    await this.find("app~1~x")
    assert [one.failures for one in this.facts] == [1, 5]


@pytest.mark.parametrize("content", [b"", b"\xff"])
async def test_content_that_is_no_document(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """An empty reply is no document; one that is not UTF-8 is a failure."""
    assert await Setup(monkeypatch, content).find("app~1~x") == (FAILED if content else None)


async def test_a_miss_is_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown id is asked for again only after some seconds."""
    this = Setup(monkeypatch, ABSENT, misses=5.0)
    assert [await this.find("app~1~x") for _ in range(3)] == [None] * 3
    await this.clock.advance(5)
    assert await this.find("app~1~x") is None
    assert len(this.server.urls) == 2


async def test_the_fetches_at_a_time_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many unknown ids at once don't queue without end; one that has left does not end the fetch."""
    this = Setup(monkeypatch, b"{ a }")
    monkeypatch.setattr(remote, "MAX_FETCHES", 3)
    left = asyncio.ensure_future(this.find("app~1~0"))
    found = asyncio.gather(*(this.find(f"app~1~{number % 5}") for number in range(10)))
    await asyncio.sleep(0)
    left.cancel()
    assert sorted(map(str, await found)) == [FAILED] * 4 + ["{ a }"] * 6
    assert this.store.fetches == {}
    this.store.close()


@given(st.text(max_size=12), st.none() | st.text(max_size=5), st.none() | st.text(max_size=5))
def test_no_id_leaves_its_place_in_the_url(document_id: str, name: str | None, version: str | None) -> None:
    """Whatever an id or a client's name contains, the URL has the same host and three more segments."""
    try:
        key = document_key(document_id, name, version)
        parts = urlsplit(document_url(URL, key))
    except RequestError:
        return
    segments = parts.path.split("/")
    assert (parts.netloc, parts.query, parts.fragment) == ("documents.example", "", "")
    assert len(segments) == 5 and segments[1] == "apps"
    assert not {"", ".", ".."} & set(segments[2:])


@pytest.mark.parametrize(
    "document_id", ["..~..~x", "app~1~..", "a~b", "~~", "app~1~x~", "x", "a~1~" + "x" * 1_000]
)
def test_hostile_ids(document_id: str) -> None:
    """An id that is incomplete, or would change the path, is refused."""
    with pytest.raises(RequestError) as raised:
        document_key(document_id, None, None)
    assert raised.value.code == "PERSISTED_DOCUMENT_EXTRACTION_FAILED"
