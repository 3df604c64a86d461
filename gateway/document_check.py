"""Checks documents against a supergraph, as the gateway would when a client sends them."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from graphql.language import OperationDefinitionNode

from gateway.core.errors import RequestError
from gateway.documents.manifests import TrustedDocument
from gateway.engine import Engine
from gateway.pipeline import check, prepare


class DocumentMistake(NamedTuple):
    """What is wrong with a document. `line`, `column`: in its text, 0 where the mistake has no place."""

    document: TrustedDocument
    line: int
    column: int
    code: str
    message: str

    def __str__(self) -> str:
        name = f" ({self.document.name})" if self.document.name else ""
        place = f" {self.line}:{self.column}" if self.line else ""
        return f"{self.document.id}{name}{place}: {self.message} [{self.code}]"


def check_documents(engine: Engine, documents: Iterable[TrustedDocument]) -> Iterator[DocumentMistake]:
    """Yield the mistakes of documents: in syntax and validity, above a limit, or without a plan."""
    for document in documents:
        try:
            checked = check(engine, document.text)
            for node in checked.document.definitions:
                if isinstance(node, OperationDefinitionNode):
                    prepare(engine, checked, node, {})
        except RequestError as error:
            for one in error.errors:
                place = one.locations[0] if one.locations else None
                line, column = (place.line, place.column) if place else (0, 0)
                yield DocumentMistake(document, line, column, one.code, one.message)
