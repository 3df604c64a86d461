"""Parses a document within limits on tokens, depth and fields, and finds the operation to run in it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from graphql import DocumentNode, GraphQLError, parse
from graphql.language import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from gateway.core.errors import Location, RequestError
from gateway.settings import Limits


def locations_of(error: GraphQLError) -> list[Location]:
    """Return the locations of an error of graphql-core."""
    return [Location(place.line, place.column) for place in error.locations or ()]


def parse_document(text: str, limits: Limits) -> DocumentNode:
    """Parse an executable document.

    Raises RequestError: GRAPHQL_PARSE_FAILED with the place of the syntax error, TOO_COMPLEX above a limit.
    """
    try:
        document = parse(text, max_tokens=limits.tokens)
    except GraphQLError as error:
        if error.message.endswith("Parsing aborted."):  # graphql-core's token limits
            message = error.message.removeprefix("Syntax Error: ").removesuffix(" Parsing aborted.")
            raise RequestError(message, "TOO_COMPLEX", locations=locations_of(error)) from error
        raise RequestError(error.message, "GRAPHQL_PARSE_FAILED", locations=locations_of(error)) from error
    except RecursionError as error:
        raise _too_deep(limits) from error
    _check_depth(document, limits)
    return document


def _too_deep(limits: Limits) -> RequestError:
    return RequestError(f"expected at most {limits.depth} nested levels, got more", "TOO_COMPLEX")


@dataclass(slots=True)
class _Nesting:
    """Measures selection sets. `known`: the depths of the fragments that are measured, by name."""

    limits: Limits
    fragments: dict[str, FragmentDefinitionNode]
    known: dict[str, int] = field(default_factory=dict)

    def depth(self, selections: SelectionSetNode | None, seen: frozenset[str]) -> int:
        """Return the nested levels of a selection set, at most the limit. `seen`: the enclosing fragments."""
        if selections is None:
            return 0
        if len(selections.selections) > self.limits.aliases:
            raise RequestError(
                f"expected at most {self.limits.aliases} fields in a selection set, got more", "TOO_COMPLEX"
            )
        deepest = 1 + max((self.below(item, seen) for item in selections.selections), default=0)
        if deepest > self.limits.depth:
            raise _too_deep(self.limits)
        return deepest

    def below(
        self, item: FieldNode | InlineFragmentNode | FragmentSpreadNode | object, seen: frozenset[str]
    ) -> int:
        """Return the levels that one selection adds below its selection set."""
        if isinstance(item, FragmentSpreadNode):
            name = item.name.value
            if name in seen or name not in self.fragments:  # validation reports cycles and unknown names
                return 0
            if name not in self.known:
                self.known[name] = self.depth(self.fragments[name].selection_set, seen | {name})
            return self.known[name] - 1
        if isinstance(item, InlineFragmentNode):
            return self.depth(item.selection_set, seen) - 1
        return self.depth(item.selection_set, seen) if isinstance(item, FieldNode) else 0


def _check_depth(document: DocumentNode, limits: Limits) -> None:
    """Raise RequestError TOO_COMPLEX for too deep nesting, or too many fields in one selection set.

    Each fragment is measured only once, however often it is spread.
    """
    fragments = {
        item.name.value: item for item in document.definitions if isinstance(item, FragmentDefinitionNode)
    }
    nesting = _Nesting(limits, fragments)
    try:
        for definition in document.definitions:
            if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
                nesting.depth(definition.selection_set, frozenset())
    except RecursionError as error:
        raise _too_deep(limits) from error


def pick_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """Return the operation to run (GraphQL spec, GetOperation). `name`: the request's operationName.

    Raises RequestError OPERATION_RESOLUTION_FAILURE if there is none, or several and no name.
    """
    operations = [item for item in document.definitions if isinstance(item, OperationDefinitionNode)]
    if name is not None and name != "":
        for item in operations:
            if item.name and item.name.value == name:
                return item
        raise RequestError(
            f'there is no operation named "{name}"; {_named(operations)}', "OPERATION_RESOLUTION_FAILURE"
        )
    if len(operations) == 1:
        return operations[0]
    trouble = (
        "expected an operation in the document, found none"
        if not operations
        else f"expected an operationName, got none; {_named(operations)}"
    )
    raise RequestError(trouble, "OPERATION_RESOLUTION_FAILURE")


def _named(operations: Iterable[OperationDefinitionNode]) -> str:
    names = [item.name.value for item in operations if item.name]
    return "the document has " + ", ".join(names) if names else "the document's operations have no names"
