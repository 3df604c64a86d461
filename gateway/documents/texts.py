"""What the gateway must know about a text to decide whether it runs without a document id."""

from functools import partial
from typing import NamedTuple

from graphql import DocumentNode, OperationDefinitionNode, print_ast
from graphql.language import FieldNode

from gateway.core.errors import RequestError
from gateway.core.lru import ResultCache
from gateway.documents.hashes import hash_of
from gateway.request.parse import parse_document
from gateway.settings import Limits

CACHED_TEXTS = 1_000
MAX_CACHED_TEXT = 50_000  # characters
_SCHEMA_FIELDS = ("__schema", "__type", "__typename")


class TextFacts(NamedTuple):
    """What a text contains.

    - `normalised`: the hash of its normalised form. Texts with the same definitions in another order, or
      with other spaces and comments, have the same.
    - `name`: the name of its first operation. `reads_schema`: whether its operations read only the schema.
    """

    normalised: str
    name: str | None
    reads_schema: bool


def text_facts(text: str, limits: Limits) -> TextFacts:
    """Return what a text contains. Raises RequestError if it can't be parsed within the limits."""
    document = parse_document(text, limits)
    printed = sorted(print_ast(one) for one in document.definitions)
    operations = _operations(document)
    name = operations[0].name if operations else None
    reads_schema = bool(operations) and all(map(_reads_schema, operations))
    return TextFacts(hash_of("\n".join(printed)), name.value if name else None, reads_schema)


def _operations(document: DocumentNode) -> list[OperationDefinitionNode]:
    return [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]


def _reads_schema(operation: OperationDefinitionNode) -> bool:
    """Return whether the root fields are those of introspection; a fragment at the root may have others."""
    fields = operation.selection_set.selections
    return all(isinstance(one, FieldNode) and one.name.value in _SCHEMA_FIELDS for one in fields)


class KnownTexts:
    """The facts about the texts that clients sent last."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.facts: ResultCache[str, TextFacts] = ResultCache(CACHED_TEXTS)

    def facts_of(self, text: str) -> TextFacts:
        """Return what a text contains. Raises RequestError if it can't be parsed within the limits."""
        return self.facts.get(text, partial(text_facts, text, self.limits), len(text) <= MAX_CACHED_TEXT)

    def reads_schema(self, text: str) -> bool:
        """Return whether the operations of a text read only the schema; not if it can't be parsed."""
        try:
            return self.facts_of(text).reads_schema
        except RequestError:
            return False
