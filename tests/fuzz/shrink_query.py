"""Smaller operations: variants with one element less."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from graphql import parse, print_ast
from graphql.language import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)

from tests.fuzz.case import Question

Selections = Sequence[SelectionNode]


def smaller_questions(question: Question) -> Iterator[Callable[[], Question]]:
    """Yield variants of an operation without one selection, condition, alias or argument.

    The first variant has no named fragments.
    """
    document = parse(question.query, no_location=True)
    fragments = {
        one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
    }
    operation = next(one for one in document.definitions if isinstance(one, OperationDefinitionNode))
    if fragments:
        opened = _opened(operation.selection_set.selections, fragments)
        yield partial(_question, question, _with(operation, opened), {})
    for selections in _variants(operation.selection_set.selections):
        yield partial(_question, question, _with(operation, selections), fragments)
    for name, fragment in fragments.items():
        for selections in _variants(fragment.selection_set.selections):
            yield partial(_question, question, operation, {**fragments, name: _with(fragment, selections)})


def _question(question: Question, operation: Any, fragments: dict[str, FragmentDefinitionNode]) -> Question:
    """Return the operation with only the definitions and variables that it uses."""
    known, texts, used = dict(fragments), [print_ast(operation.selection_set)], []
    while names := [name for name in known if any(re.search(rf"\.\.\.{name}\b", text) for text in texts)]:
        for name in names:
            used.append(print_ast(known.pop(name)))
            texts.append(used[-1])
    body = "\n".join(texts)
    kept = [
        one
        for one in operation.variable_definitions or ()
        if re.search(rf"\${one.variable.name.value}\b", body)
    ]
    operation = replace(operation, variable_definitions=tuple(kept))
    asked = {one.variable.name.value for one in kept}
    values = {name: value for name, value in question.variables.items() if name in asked}
    return replace(question, query="\n".join([print_ast(operation), *used]), variables=values)


def _with(node: Any, selections: Selections) -> Any:
    return replace(node, selection_set=SelectionSetNode(selections=tuple(selections)))


def _opened(selections: Selections, fragments: dict[str, FragmentDefinitionNode]) -> list[SelectionNode]:
    """Return selections with inline fragments instead of spreads."""
    found: list[SelectionNode] = []
    for item in selections:
        if isinstance(item, FragmentSpreadNode):
            fragment = fragments[item.name.value]
            inline = InlineFragmentNode(
                type_condition=fragment.type_condition,
                directives=item.directives,
                selection_set=fragment.selection_set,
            )
            found.append(_with(inline, _opened(fragment.selection_set.selections, fragments)))
        elif isinstance(item, FieldNode | InlineFragmentNode) and item.selection_set:
            found.append(_with(item, _opened(item.selection_set.selections, fragments)))
        else:
            found.append(item)
    return found


def _variants(selections: Selections) -> Iterator[Selections]:
    for place, item in enumerate(selections):
        before, after = selections[:place], selections[place + 1 :]
        if before or after:
            yield (*before, *after)
        if isinstance(item, InlineFragmentNode):
            yield (*before, *item.selection_set.selections, *after)
        for variant in _simpler(item):
            yield (*before, variant, *after)


def _simpler(item: SelectionNode) -> Iterator[SelectionNode]:
    if item.directives:
        yield replace(item, directives=())
    if isinstance(item, FieldNode):
        if item.alias:
            yield replace(item, alias=None)
        arguments = item.arguments or ()
        for place in range(len(arguments)):
            yield replace(item, arguments=(*arguments[:place], *arguments[place + 1 :]))
    if isinstance(item, FieldNode | InlineFragmentNode) and item.selection_set:
        for selections in _variants(item.selection_set.selections):
            yield _with(item, selections)
