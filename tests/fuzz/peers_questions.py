"""The parts of a question's document that `peers_known` compares: fields, response keys, directives."""

from typing import Any

from graphql import parse
from graphql.language import DirectiveNode, FieldNode, Node, Visitor, visit

from tests.fuzz.case import Question


def fields_of(node: Node) -> list[FieldNode]:
    """Return all fields of a document or a selection."""
    found: list[FieldNode] = []

    class _Collect(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            found.append(node)

    visit(node, _Collect())
    return found


def names_of(question: Question) -> dict[str, set[str]]:
    """Return the names of the fields that each response key of an operation stands for."""
    found: dict[str, set[str]] = {}
    for item in fields_of(parse(question.query)):
        found.setdefault(_key(item), set()).add(item.name.value)
    return found


def _key(node: FieldNode) -> str:
    """The response key of a field."""
    return node.alias.value if node.alias else node.name.value


def _is_mark(node: DirectiveNode) -> bool:
    return node.name.value == "mark"


class RemoveMarks(Visitor):
    """Removes `@mark` from the fields with these response keys."""

    def __init__(self, keys: set[str | int]) -> None:
        super().__init__()
        self.keys = keys

    def enter_field(self, node: FieldNode, *_: Any) -> FieldNode | None:
        if _key(node) not in self.keys:
            return None
        kept = tuple(one for one in node.directives or () if not _is_mark(one))
        return FieldNode(**{**{name: getattr(node, name) for name in node.keys}, "directives": kept})
