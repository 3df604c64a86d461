"""Several operations in one request: a list of requests gets the list of their responses.

Each operation passes all guards and limits on its own, and all run at the same time. An operation that is
refused has its errors in its place of the list. Subscriptions and later parts (@defer) need a request of
their own.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from gateway.core.context import RequestContext
from gateway.core.envelope import Envelope, encoded_body, error_envelope
from gateway.core.errors import RequestError
from gateway.execution import EnvelopeCallback
from gateway.http.read import DocumentFinder, from_payload
from gateway.request.graphql_request import GraphQLRequest
from gateway.transport.base import Handle

Begin = Callable[[GraphQLRequest, RequestContext, EnvelopeCallback], Handle]
NO_STREAM = "expected queries and mutations in a list of requests, got a subscription; send it alone"
SPACE = b" \t\r\n"
BATCH_STARTS = frozenset({b"[", b" ", b"\t", b"\r", b"\n"})
"""The bytes with which a body that is a list begins; no usual request begins so."""


def is_batch(body: bytes) -> bool:
    """Return whether a body is a list, if it is JSON."""
    return body.lstrip(SPACE)[:1] == b"["


def batch_elements(found: Any, limit: int) -> list[Any]:
    """Return the elements of a decoded list of requests. Raises RequestError.

    `limit`: how many operations one request may have.
    """
    if limit < 2:
        message = "expected one JSON object, got a list; send one operation at a time"
        raise RequestError(message, "BAD_REQUEST")
    if not 0 < len(found) <= limit:
        message = f"expected a list of 1 to {limit} requests, got {len(found)}"
        raise RequestError(message, "BATCH_LIMIT")
    return list(found)


class Batch:
    """The operations of one request. `answered`: called once with the response to all.

    `contexts`: one for each operation. `internal`: makes the response to an unexpected exception.
    """

    def __init__(
        self,
        contexts: Sequence[RequestContext],
        answered: Callable[[Envelope], object],
        internal: Callable[[BaseException, RequestContext], Envelope],
    ) -> None:
        self.contexts = contexts
        self.answered = answered
        self.internal = internal
        self.found: list[bytes | None] = [None] * len(contexts)
        self.left = len(contexts)
        self.handles: list[Handle] = []
        self.headers: tuple[tuple[bytes, bytes], ...] = ()

    def begin(self, elements: Sequence[Any], begin: Begin, finder: DocumentFinder | None) -> None:
        """Start all operations."""
        for number, (element, context) in enumerate(zip(elements, self.contexts, strict=True)):
            done = partial(self._done, number)
            try:
                if not isinstance(element, Mapping):
                    message = f"expected a JSON object with a string `query` as element {number} of the list"
                    raise RequestError(message, "BAD_REQUEST")
                self.handles.append(begin(from_payload(element, False, finder), context, done))
            except Exception as error:
                self.handles.append(context.clock.call_soon(done, error))

    def cancel(self) -> None:
        """Cancel all operations."""
        self.left = -1
        for handle in self.handles:
            handle.cancel()

    def _done(self, number: int, found: Envelope | BaseException) -> None:
        if self.left <= 0 or self.found[number] is not None:
            return
        self.found[number] = self._body(found, self.contexts[number])
        self.left -= 1
        if not self.left:
            body = b"[" + b",".join(one for one in self.found if one is not None) + b"]"
            self.answered(Envelope(body, headers=self.headers))

    def _body(self, found: Envelope | BaseException, context: RequestContext) -> bytes:
        if isinstance(found, RequestError):
            found = error_envelope(found)
        elif not isinstance(found, Envelope):
            found = self.internal(found, context)
        if not isinstance(found.response, bytes | Mapping):
            found = error_envelope(RequestError(NO_STREAM, "STREAM_NOT_ACCEPTED"))
        return encoded_body(found)
