"""Makes a manifest from a folder of .graphql files: a document for each operation, with its fragments."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from graphql import (
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    Node,
    OperationDefinitionNode,
    Visitor,
    parse,
    print_ast,
    visit,
)

from gateway.core.errors import SettingsError
from gateway.documents.hashes import PREFIX, hash_of
from gateway.documents.manifests import FORMAT, VERSION

ManifestFormat = Literal["apollo", "relay"]


class MadeDocument(NamedTuple):
    """A document of a manifest. `type`: query, mutation or subscription."""

    name: str
    type: str
    text: str


class Definition(NamedTuple):
    """An operation or a fragment. `kind`: query, mutation, subscription or fragment.

    `file`, `place`: the file, and the file with line and column.
    """

    node: Node
    kind: str
    file: str
    place: str


class DocumentMaker:
    """Reads the definitions of files, and makes a document of each operation. `mistakes`: what is wrong."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []
        self.operations: dict[str, Definition] = {}
        self.fragments: dict[str, Definition] = {}

    def read(self, file: str, text: str) -> None:
        """Read the definitions of a file."""
        try:
            document = parse(text)
        except GraphQLError as error:
            places = [f":{one.line}:{one.column}" for one in error.locations or ()]
            self.mistakes.append(f"{file}{''.join(places[:1])}: {error.message}")
            return
        except RecursionError:
            self.mistakes.append(f"{file}: its selections are nested too deeply")
            return
        for node in document.definitions:
            self._define(node, file, _place(file, node))

    def _define(self, node: Node, file: str, place: str) -> None:
        """Add a definition, unless it is not allowed in a document or its name is taken."""
        if isinstance(node, OperationDefinitionNode):
            kind, known = node.operation.value, self.operations
        elif isinstance(node, FragmentDefinitionNode):
            kind, known = "fragment", self.fragments
        else:
            self.mistakes.append(f"{place}: expected operations and fragments, got another definition")
            return
        if node.name is None:
            self.mistakes.append(f"{place}: expected an operation with a name")
        elif node.name.value in known:
            first = known[node.name.value]
            message = f"the {first.kind} {node.name.value} is already defined at {first.place}"
            self.mistakes.append(f"{place}: {message}")
        else:
            known[node.name.value] = Definition(node, kind, file, place)

    def documents(self) -> Iterator[MadeDocument]:
        """Yield a document for each operation, with all fragments that it needs."""
        for name, operation in sorted(self.operations.items()):
            parts = [operation, *self._fragments_of(operation)]
            text = "\n\n".join(print_ast(part.node) for part in parts)
            yield MadeDocument(name, operation.kind, text)

    def _fragments_of(self, operation: Definition) -> Iterable[Definition]:
        """Return the fragments that an operation needs, in the order of their first use."""
        found: dict[str, Definition] = {}
        waiting = [operation]
        while waiting:
            one = waiting.pop(0)
            for spread in _spreads(one.node):
                name = spread.name.value
                if name not in self.fragments:
                    self.mistakes.append(f"{_place(one.file, spread)}: there is no fragment {name}")
                elif name not in found:
                    found[name] = self.fragments[name]
                    waiting.append(found[name])
        return found.values()


def _place(file: str, node: Node) -> str:
    start = node.loc.start_token if node.loc else None
    return f"{file}:{start.line}:{start.column}" if start else file


class _Spreads(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[FragmentSpreadNode] = []

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
        self.found.append(node)


def _spreads(node: Node) -> list[FragmentSpreadNode]:
    visitor = _Spreads()
    visit(node, visitor)
    return visitor.found


def make_documents(files: Mapping[str, str]) -> list[MadeDocument]:
    """Return the documents of files, given as texts by name.

    Raises SettingsError INVALID_DOCUMENTS with all mistakes, each with its file, line and column.
    """
    maker = DocumentMaker()
    for file, text in files.items():
        maker.read(file, text)
    documents = list(maker.documents())
    mistakes = list(dict.fromkeys(maker.mistakes))
    if not documents and not mistakes:
        mistakes = ["there is no operation in the files"]
    if mistakes:
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        lines = "".join(f"\n  {one}" for one in mistakes)
        raise SettingsError(f"the documents have {count}{lines}", "INVALID_DOCUMENTS")
    return documents


def manifest_text(documents: Iterable[MadeDocument], form: ManifestFormat, prefix: bool = False) -> str:
    """Return the manifest of documents. The ids are the hashes of the texts.

    `form`: whose format it has. `prefix`: whether ids begin with `sha256:`.
    """
    start = PREFIX if prefix else ""
    if form == "relay":
        return json.dumps({start + hash_of(one.text): one.text for one in documents}, indent=2)
    operations = [
        {"id": start + hash_of(one.text), "name": one.name, "type": one.type, "body": one.text}
        for one in documents
    ]
    return json.dumps({"format": FORMAT, "version": VERSION, "operations": operations}, indent=2)
