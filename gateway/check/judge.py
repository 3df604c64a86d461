"""The stages of a check: compare the schemas > find the operations that use a change > validate the
operations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from graphql import DocumentNode, OperationDefinitionNode

from gateway.check.changes import Level, SchemaChange, compare
from gateway.check.usage import used_coordinates
from gateway.core.errors import GatewayError, RequestError
from gateway.request.parse import parse_document
from gateway.request.validate import validate_document
from gateway.settings import Limits
from gateway.supergraph.model import Supergraph

LEVELS: Sequence[Level] = ("breaking", "dangerous", "safe")


@dataclass(frozen=True, slots=True)
class BrokenOperation:
    """An operation that is not valid, and why."""

    name: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The result of a check.

    `changes`: all changes. `broken`: the operations that are valid in the old schema only. `skipped`: those
    that are not valid in the old schema.
    """

    changes: tuple[SchemaChange, ...]
    broken: tuple[BrokenOperation, ...] = ()
    skipped: tuple[BrokenOperation, ...] = ()

    @property
    def breaks(self) -> bool:
        """Return whether clients break."""
        return bool(self.broken) or any(change.level == "breaking" for change in self.changes)


def judge(
    old: Supergraph, new: Supergraph, operations: Mapping[str, str] | None, limits: Limits
) -> Judgement:
    """Compare two supergraphs.

    `operations`: texts by name; a breaking or dangerous change that none of them uses counts as safe. None:
    all changes count.
    """
    changes = compare(old.api, new.api)
    if operations is None:
        return Judgement(changes)
    usage: dict[str, frozenset[str]] = {}
    broken: list[BrokenOperation] = []
    skipped: list[BrokenOperation] = []
    for name, text in operations.items():
        document, problems = _valid(old, text, limits)
        if document is None:
            skipped.append(BrokenOperation(name, problems))
            continue
        usage[name] = used_coordinates(old.api, document)
        _, problems = _valid(new, text, limits)
        if problems:
            broken.append(BrokenOperation(name, problems))
    return Judgement(tuple(_weighed(change, usage) for change in changes), tuple(broken), tuple(skipped))


def _valid(supergraph: Supergraph, text: str, limits: Limits) -> tuple[DocumentNode | None, tuple[str, ...]]:
    """Return the document if it is valid, else None and the errors."""
    try:
        document = parse_document(text, limits)
    except GatewayError as error:
        return None, (error.message,)
    errors = validate_document(supergraph.api, document, limits)
    if errors:
        return None, tuple(_placed(error) for error in errors)
    if not any(isinstance(node, OperationDefinitionNode) for node in document.definitions):
        return None, ("the document has no operation",)
    return document, ()


def _placed(error: RequestError) -> str:
    place = error.locations[0] if error.locations else None
    return f"{error.message} (line {place.line}, column {place.column})" if place else error.message


def _weighed(change: SchemaChange, usage: Mapping[str, frozenset[str]]) -> SchemaChange:
    """Return a change with the operations that use it, and with its level lowered if none does."""
    users = tuple(sorted(name for name, used in usage.items() if change.coordinate in used))
    if change.level != "safe" and not users:
        return replace(
            change, level="safe", message=f"{change.message} ({change.level}, but no operation uses it)"
        )
    return replace(change, used_by=users)
