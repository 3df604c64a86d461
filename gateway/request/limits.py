"""Measures a document and refuses it above a limit, before anything expensive happens to it.

Fragments count wherever they are spread, but each is measured only once: a document of a kilobyte can
describe more fields than there are atoms.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from graphql import DocumentNode
from graphql.language import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)

from gateway.core.errors import Location, RequestError
from gateway.settings import Limits


class LimitExceeded(RequestError):
    """A request above a limit. `code`: that of the limit. `limit`: its value. `what`: what it counts."""

    def __init__(self, code: str, limit: float, what: str, locations: Iterable[Location] = ()) -> None:
        message = f"expected at most {limit:,} {what}, got more"
        super().__init__(message, code, locations=tuple(locations), extensions={"limit": limit})


def too_deep(limits: Limits) -> LimitExceeded:
    """Return the error for a document that is nested too deeply."""
    return LimitExceeded("MAX_DEPTH_LIMIT", limits.depth, "nested levels")


class Size(NamedTuple):
    """The size of selections, with fragments expanded. `depth`: nested levels. `breadth`: fields of the first
    level.
    """

    depth: int = 0
    breadth: int = 0
    aliases: int = 0
    directives: int = 0


NOTHING = Size()


def check_limits(document: DocumentNode, limits: Limits) -> None:
    """Raise LimitExceeded for a document that is above a limit."""
    fragments = {
        one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
    }
    if len(fragments) > limits.fragments:
        raise LimitExceeded("MAX_FRAGMENTS_LIMIT", limits.fragments, "fragment definitions")
    measure = _Measure(limits, fragments)
    try:
        for definition in document.definitions:
            if isinstance(definition, OperationDefinitionNode):
                _check_operation(measure.selections(definition.selection_set), definition, limits)
            elif isinstance(definition, FragmentDefinitionNode):
                measure.fragment(definition.name.value)
    except RecursionError as error:
        raise too_deep(limits) from error


def _check_operation(size: Size, node: OperationDefinitionNode, limits: Limits) -> None:
    directives = size.directives + len(node.directives or ())
    for code, count, limit, what in (
        ("MAX_ROOT_FIELDS_LIMIT", size.breadth, limits.root_fields, "root fields"),
        ("MAX_ALIASES_LIMIT", size.aliases, limits.aliases, "aliases"),
        ("MAX_DIRECTIVES_LIMIT", directives, limits.directives, "directives"),
    ):
        if count > limit:
            raise LimitExceeded(code, limit, what)


class _Measure:
    """Measures selections. `known`: the sizes of fragments; of those under way, that of nothing."""

    def __init__(self, limits: Limits, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self.limits = limits
        self.fragments = fragments
        self.known: dict[str, Size] = {}

    def selections(self, node: SelectionSetNode | None) -> Size:
        """Return the size of a selection set. Raises LimitExceeded for depth and breadth."""
        if node is None:
            return NOTHING
        depth = breadth = aliases = directives = 0
        for item in node.selections:
            size = self.selection(item)
            depth = max(depth, size.depth)
            breadth += size.breadth
            aliases += size.aliases
            directives += size.directives
        if depth > self.limits.depth:
            raise too_deep(self.limits)
        if breadth > self.limits.breadth:
            raise LimitExceeded("MAX_BREADTH_LIMIT", self.limits.breadth, "fields in a selection set")
        return Size(depth, breadth, aliases, directives)

    def selection(self, item: SelectionNode) -> Size:
        """Return the size of one selection."""
        own = len(item.directives or ())
        if isinstance(item, FieldNode):
            below = self.selections(item.selection_set) if item.selection_set else NOTHING
            aliases = below.aliases + (item.alias is not None)
            return Size(below.depth + 1, 1, aliases, below.directives + own)
        if isinstance(item, FragmentSpreadNode):
            inner = self.fragment(item.name.value)
        else:
            inner = self.selections(item.selection_set) if isinstance(item, InlineFragmentNode) else NOTHING
        return inner._replace(directives=inner.directives + own) if own else inner

    def fragment(self, name: str) -> Size:
        """Return the size of a fragment; of nothing inside itself (validation reports cycles)."""
        found = self.known.get(name)
        if found is None:
            self.known[name] = NOTHING
            node = self.fragments.get(name)
            found = self.selections(node.selection_set) if node is not None else NOTHING
            self.known[name] = found
        return found
