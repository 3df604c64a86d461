"""The guards of documents: a request by id gets the text of its document, and a text may be refused."""

import hmac
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

from gateway.core.context import RequestContext
from gateway.core.errors import RequestError
from gateway.core.lru import LruCache
from gateway.documents.automatic import AutomaticDocuments
from gateway.documents.hashes import hash_of
from gateway.documents.manifest_source import ManifestSource
from gateway.documents.texts import CACHED_TEXTS, KnownTexts
from gateway.guards.base import Guard
from gateway.observe.facts import UnlistedDocument
from gateway.prepared_operations import PlannedRequest
from gateway.request.graphql_request import DocumentReference, GraphQLRequest
from gateway.settings import DocumentSettings

Found = str | Awaitable[str | None] | None
RunsText = Callable[[RequestContext, GraphQLRequest], bool]
NO_REFERENCE = DocumentReference()


class TrustedStore(Protocol):
    """Finds trusted documents; `ManifestSource` and `RemoteStore` implement it."""

    def find(self, document_id: str, context: RequestContext) -> Found:
        """Return the text of a document for a request's client, at once or later; None if there is none.

        Raises RequestError, or the awaitable does.
        """
        ...

    def start(self) -> None:
        """Start the store's work in the background, in this event loop."""
        ...

    def close(self) -> None:
        """End that work; requests in progress still get their documents."""
        ...


class Requirement:
    """Whether a request must have a document id. `runs_text`: asks the plugins (the hook `on_text`)."""

    def __init__(self, settings: DocumentSettings, runs_text: RunsText) -> None:
        self.settings = settings
        self.runs_text = runs_text

    def applies(self, request: GraphQLRequest, context: RequestContext) -> bool:
        """Return whether a request must have a document id, or a trusted text (`require_listed`)."""
        settings = self.settings
        if not settings.requires:
            return False
        when = settings.required_when
        if when is not None and context.headers.get(when.header) != when.value:
            return False
        return not (self._is_lifted(context) or (request.query and self.runs_text(context, request)))

    def _is_lifted(self, context: RequestContext) -> bool:
        """Return whether the request has the secret header that lifts the requirement."""
        rule = self.settings.lifted_by
        if rule is None or rule.secret is None or not rule.secret.value:
            return False
        given = context.headers.get(rule.header, "")
        return hmac.compare_digest(given.encode("latin-1", "replace"), rule.secret.value.encode())


class DocumentGuard(Guard):
    """Replaces the id of a document by its text, and refuses texts where the settings demand an id.

    `trusted`, `automatic`: None if there are none.
    """

    def __init__(
        self,
        requirement: Requirement,
        trusted: TrustedStore | None,
        automatic: AutomaticDocuments | None,
        texts: KnownTexts,
    ) -> None:
        self.settings = requirement.settings
        self.requirement = requirement
        self.trusted = trusted
        self.automatic = automatic
        self.texts = texts
        self.reported: LruCache[str, bool] = LruCache(CACHED_TEXTS)

    def before_planning(
        self, request: GraphQLRequest, context: RequestContext
    ) -> GraphQLRequest | Awaitable[GraphQLRequest]:
        """Return the request with the text of its document, at once if the text is in memory."""
        required = self.requirement.applies(request, context)
        if request.query and self._runs_text(request, context, required):
            return request
        found = self._found(request.document or NO_REFERENCE, context)
        for text in found:
            if isinstance(text, str):
                return request._replace(query=text)
            if text is not None:
                return self._found_later(request, required, text, found)
        raise self._unknown(request.document or NO_REFERENCE, required)

    def start(self) -> None:
        """Start to read the trusted documents again and again."""
        if self.trusted is not None:
            self.trusted.start()

    async def close(self) -> None:
        """Stop reading the trusted documents."""
        if self.trusted is not None:
            self.trusted.close()

    def _found(self, given: DocumentReference, context: RequestContext) -> Iterator[Found]:
        """Yield what each place has for a reference, as far as the places are asked."""
        if self.trusted is not None and given.id is not None:
            yield self.trusted.find(given.id, context)
        if self.automatic is not None and given.persisted is not None:
            yield self.automatic.find(given.persisted)

    async def _found_later(
        self, request: GraphQLRequest, required: bool, first: Awaitable[str | None], rest: Iterator[Found]
    ) -> GraphQLRequest:
        """Return the request with the first text of these places. Raises RequestError if none has one."""
        text = await first
        for found in rest if text is None else ():
            text = found if isinstance(found, str | None) else await found
        if text is None:
            raise self._unknown(request.document or NO_REFERENCE, required)
        return request._replace(query=text)

    def _runs_text(self, request: GraphQLRequest, context: RequestContext, required: bool) -> bool:
        """Return whether the text of a request runs, rather than the document that it refers to by id.

        Raises RequestError if the text is refused.
        """
        given = request.document or NO_REFERENCE
        if not required:
            self._note_text(request, given, context)
            return True
        if given.id is None and self.settings.introspection and self.texts.reads_schema(request.query):
            return True
        if self.settings.mode != "require_listed":
            return False
        if not self._is_listed(request.query, context.client_name):
            message = "the document in `query` is not one of the trusted documents"
            raise RequestError(message, "QUERY_NOT_IN_SAFELIST")
        return True

    def _note_text(self, request: GraphQLRequest, given: DocumentReference, context: RequestContext) -> None:
        """Note the hash under which a text is to be stored, and report a text that is not trusted.

        Raises RequestError for a wrong hash.
        """
        if self.automatic is not None and given.persisted is not None:
            context.document_hash = self.automatic.new_hash(given.persisted, request.query)
        if self.settings.mode == "log":
            self._report_unlisted(request, context)

    def _is_listed(self, text: str, client: str | None) -> bool:
        """Return whether a text is trusted for a client. Raises RequestError if it can't be parsed."""
        source = self.trusted
        return isinstance(source, ManifestSource) and source.documents.lists(
            self.texts.facts_of(text).normalised, client
        )

    def _report_unlisted(self, request: GraphQLRequest, context: RequestContext) -> None:
        """Report a text that is not trusted, if it is new."""
        client = context.client_name
        key = hash_of(f"{client} {request.query}")
        try:
            if self._is_listed(request.query, client) or self.reported.get(key):
                return
        except RequestError:
            return  # the request will be refused for it
        self.reported.put(key, True)
        name = self.texts.facts_of(request.query).name
        context.observer.emit(UnlistedDocument(context.id, client, name, request.query))

    def _unknown(self, given: DocumentReference, required: bool) -> RequestError:
        """Return the error for a request whose document is not known."""
        if self.automatic is not None and given.persisted is not None:
            # Apollo's clients compare this exact text, and then send the document itself
            return RequestError("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
        if self.trusted is not None and given.id is not None:
            message = f"no trusted document has the id {given.id[:80]!r}"
            return RequestError(message, "PERSISTED_DOCUMENT_NOT_FOUND")
        if required:
            message = "expected a document id, got none"
            return RequestError(message, "PERSISTED_DOCUMENT_ID_REQUIRED")
        if given.persisted is not None:
            return RequestError("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
        return RequestError("the parameter `query` is missing", "BAD_REQUEST")


class RegistrationGuard(Guard):
    """Stores the documents that clients register, once they are known to be valid."""

    def __init__(self, automatic: AutomaticDocuments) -> None:
        self.automatic = automatic

    def before_execution(self, planned: PlannedRequest, context: RequestContext) -> Awaitable[None] | None:
        """Store the document; no request waits for that."""
        if context.document_hash is not None:
            self.automatic.register(context.document_hash, planned[2].text)
        return None

    async def close(self) -> None:
        """Wait until the shared store has stored what it is storing."""
        if self.automatic.shared is not None:
            await self.automatic.shared.close()
