"""Makes the guards of documents that the settings ask for."""

from collections.abc import Iterator

from gateway.core.clock import Clock
from gateway.core.errors import SettingsError
from gateway.documents.automatic import AutomaticDocuments
from gateway.documents.failures import FailureReports
from gateway.documents.manifest_source import ManifestSource
from gateway.documents.manifests import ManifestError
from gateway.documents.memory import MemoryStore
from gateway.documents.redis_store import RedisStore
from gateway.documents.remote import RemoteStore
from gateway.documents.texts import KnownTexts
from gateway.guards.base import Guard
from gateway.guards.documents import DocumentGuard, RegistrationGuard, Requirement, TrustedStore
from gateway.observe.facts import DocumentsNotReloaded
from gateway.observe.observer import Observer
from gateway.plugins import Hooks
from gateway.security.redis_link import SharedRedis
from gateway.settings import AutomaticDocumentSettings, Settings


def make_trusted_documents(settings: Settings, observer: Observer, clock: Clock) -> TrustedStore | None:
    """Return the store of trusted documents; None without one. Raises SettingsError INVALID_DOCUMENTS."""
    documents = settings.documents
    if documents.mode == "off":
        return None
    if documents.remote.url is not None:
        return RemoteStore(documents.remote, clock, FailureReports("remote", clock, observer.emit))
    limits = settings.limits if documents.mode in ("log", "require_listed") else None
    source = ManifestSource(
        documents, limits, clock, lambda message: observer.emit(DocumentsNotReloaded(message))
    )
    try:
        source.load()
    except ManifestError as error:
        raise SettingsError(f"documents: {error}", "INVALID_DOCUMENTS") from error
    return source


def make_automatic_documents(
    settings: AutomaticDocumentSettings, redis: SharedRedis
) -> AutomaticDocuments | None:
    """Return the store of automatic persisted queries; None without one. Raises SettingsError BAD_OPTION."""
    if not settings.enabled:
        return None
    memory = MemoryStore(settings.count, settings.size)
    if settings.store == "memory":
        return AutomaticDocuments(memory)
    return AutomaticDocuments(memory, RedisStore(redis.link(), settings.ttl))


def make_document_guards(
    settings: Settings, hooks: Hooks, redis: SharedRedis, observer: Observer, clock: Clock
) -> Iterator[Guard]:
    """Yield the guards of documents, if any are needed. Raises SettingsError."""
    documents = settings.documents
    if not documents.enabled:
        return
    trusted = make_trusted_documents(settings, observer, clock)
    automatic = make_automatic_documents(documents.automatic, redis)
    requirement = Requirement(documents, hooks.runs_text)
    yield DocumentGuard(requirement, trusted, automatic, KnownTexts(settings.limits))
    if automatic is not None:
        yield RegistrationGuard(automatic)
