"""The trusted documents of a file, a URL or a folder, read again while the gateway runs."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.core.clock import Clock
from gateway.core.context import RequestContext
from gateway.documents.manifests import (
    ManifestError,
    TrustedDocument,
    TrustedDocuments,
    of_texts,
    read_manifest,
)
from gateway.security.download import DownloadFailed, download
from gateway.settings import DocumentSettings, Limits

MAX_MANIFEST = 100_000_000  # bytes
FETCH_SECONDS = 10.0
Signature = object
"""What differs between two versions of a manifest."""


class ManifestSource:
    """The current trusted documents. The old ones stay in use when new ones can't be read.

    `limits`: those of texts; needed to find documents by their texts, else None. `failed`: called with the
    reason of a failure.
    """

    def __init__(
        self, settings: DocumentSettings, limits: Limits | None, clock: Clock, failed: Callable[[str], None]
    ) -> None:
        self.settings = settings
        self.limits = limits
        self.clock = clock
        self.failed = failed
        self.documents = TrustedDocuments()
        self.signature: Signature = None
        self.polling: asyncio.Task[None] | None = None

    def find(self, document_id: str, context: RequestContext) -> str | Awaitable[str | None] | None:
        return self.documents.find(document_id, context.client_name)

    def load(self) -> None:
        """Read the documents if they have changed. Raises ManifestError; the old ones then stay."""
        settings = self.settings
        if settings.folder is not None:
            self._load_folder(Path(settings.folder))
        elif settings.manifest is not None:
            self._load_file(Path(settings.manifest))
        else:
            self._load_url(settings.manifest_url or "")

    def _load_folder(self, folder: Path) -> None:
        try:
            files = sorted(folder.rglob("*.graphql"))
            if not files:
                raise ManifestError(f"the folder {folder} has no *.graphql files")
            signature = tuple((str(file), *_version(file)) for file in files)
            _check_size(folder, sum(size for _, _, size, _ in signature))
            if signature != self.signature:
                self._use(of_texts(file.read_text("utf-8") for file in files), signature)
        except (OSError, UnicodeDecodeError) as error:
            raise ManifestError(f"the folder {folder} can't be read: {_reason(error)}") from error

    def _load_file(self, file: Path) -> None:
        try:
            signature = _version(file)
            if signature == self.signature:
                return
            _check_size(file, signature[1])
            self._use(read_manifest(file.read_bytes()), signature)
        except OSError as error:
            raise ManifestError(f"the file {file} can't be read: {_reason(error)}") from error

    def _load_url(self, url: str) -> None:
        try:
            content = download(url, self.settings.headers, FETCH_SECONDS, MAX_MANIFEST)
        except DownloadFailed as error:
            raise ManifestError(str(error)) from error
        signature = hashlib.sha256(content).digest()
        if signature != self.signature:
            self._use(read_manifest(content), signature)

    def _use(self, documents: list[TrustedDocument], signature: Signature) -> None:
        """Use these documents from now on."""
        self.documents, self.signature = TrustedDocuments(documents, self.limits), signature

    def start(self) -> None:
        if self.polling is None:
            self.polling = asyncio.ensure_future(self._poll())

    def close(self) -> None:
        if self.polling is not None:
            self.polling.cancel()

    async def _poll(self) -> None:
        while True:
            await self.clock.sleep(self.settings.poll)
            try:
                await asyncio.to_thread(self.load)
            except Exception as error:  # whatever a manifest causes, the next one must be read
                self.failed(str(error))


def _version(file: Path) -> tuple[int, int, int]:
    """Return what changes when a file is written or replaced: its time, size and number."""
    state = file.stat()
    return state.st_mtime_ns, state.st_size, state.st_ino


def _check_size(path: Path, size: int) -> None:
    if size > MAX_MANIFEST:
        raise ManifestError(f"{path}: expected at most {MAX_MANIFEST:,} bytes, got {size:,}")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
