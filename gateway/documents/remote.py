"""Documents that a server has: each is fetched when a client first sends its id, then cached."""

import asyncio
import re
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from gateway.core.clock import Clock
from gateway.core.context import RequestContext
from gateway.core.errors import RequestError
from gateway.core.lru import LruCache
from gateway.documents.failures import FailureReports
from gateway.documents.memory import MemoryStore
from gateway.documents.selectors import MAX_ID
from gateway.security.download import DownloadFailed, download
from gateway.settings import RemoteDocumentSettings

MAX_DOCUMENT = 1_000_000  # bytes
MAX_FETCHES = 64  # documents that are fetched at the same time; further ones are refused
THREADS = 8
MISSES = 10_000  # unknown ids that are remembered


def document_key(document_id: str, name: str | None, version: str | None) -> str:
    """Return `app~version~id` for an id that has this form, or that is an id alone.

    `name`, `version`: those of the client, for an id alone. Raises RequestError
    PERSISTED_DOCUMENT_EXTRACTION_FAILED.
    """
    parts = document_id.split("~") if "~" in document_id else [name or "", version or "", document_id]
    key = "~".join(parts)
    if len(key) > MAX_ID or key.count("~") != 2 or any(part in ("", ".", "..") for part in parts):
        message = "expected a document id such as app~version~id, or an id alone and the client's name and"
        raise RequestError(f"{message} version in its headers", "PERSISTED_DOCUMENT_EXTRACTION_FAILED")
    return key


def document_url(pattern: str, key: str) -> str:
    """Return the URL of a document. `pattern`: the URL with {app}, {version} and {id}."""
    values = zip(("{app}", "{version}", "{id}"), key.split("~"), strict=True)
    found = {name: quote(value, safe="", errors="replace") for name, value in values}
    return re.sub("|".join(map(re.escape, found)), lambda match: found[match[0]], pattern)


class RemoteStore:
    """The documents of a server. Concurrent requests for one document share its fetch."""

    def __init__(self, settings: RemoteDocumentSettings, clock: Clock, failures: FailureReports) -> None:
        self.settings = settings
        self.clock = clock
        self.failures = failures
        self.texts = MemoryStore(settings.count, settings.size)
        self.misses: LruCache[str, float] = LruCache(MISSES)
        self.fetches: dict[str, asyncio.Task[str | RequestError | None]] = {}
        self.threads = ThreadPoolExecutor(THREADS, "documents")

    def find(self, document_id: str, context: RequestContext) -> str | Awaitable[str | None] | None:
        key = document_key(document_id, context.client_name, context.client_version)
        found = self.texts.get(key)
        if found is not None:
            return found
        until = self.misses.get(key)
        if until is not None and until > self.clock.time():
            return None
        return self._fetched(key)

    async def _fetched(self, key: str) -> str | None:
        """Return the text of a document from the server. Raises RequestError."""
        task = self.fetches.get(key)
        if task is None:
            if len(self.fetches) >= MAX_FETCHES:
                raise _failure()
            task = self.fetches[key] = asyncio.ensure_future(self._fetch(key))
        found = await asyncio.shield(task)
        if isinstance(found, RequestError):
            raise found.with_traceback(None)
        return found

    async def _fetch(self, key: str) -> str | RequestError | None:
        """Fetch a document and cache the result; return an error, since perhaps no request waits for it."""
        try:
            loop = asyncio.get_running_loop()
            text = await loop.run_in_executor(self.threads, self._download, key)
        except DownloadFailed as error:
            self.failures.failed(str(error))
            return _failure()
        finally:
            del self.fetches[key]
        if not text:
            if self.settings.misses:
                self.misses.put(key, self.clock.time() + self.settings.misses)
        else:
            self.texts.put(key, text)
        return text or None

    def _download(self, key: str) -> str | None:
        """Return a document from the server; None if it has none. Raises DownloadFailed."""
        url = document_url(self.settings.url or "", key)
        for attempt in range(self.settings.retries + 1):
            try:
                content = download(url, self.settings.headers, self.settings.timeout, MAX_DOCUMENT)
                return content.decode("utf-8")
            except DownloadFailed as error:
                if error.status in (404, 410):
                    return None
                if attempt == self.settings.retries:
                    raise
            except UnicodeDecodeError as error:
                raise DownloadFailed(f"a document is not UTF-8 at byte {error.start}") from error
        return None

    def start(self) -> None:
        pass

    def close(self) -> None:
        self.threads.shutdown(wait=False)


def _failure() -> RequestError:
    message = "the document can't be read at the moment; try again"
    return RequestError(message, "PERSISTED_DOCUMENT_RESOLUTION_FAILED")
