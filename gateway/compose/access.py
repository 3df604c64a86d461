"""Access requirements (@authenticated, @requiresScopes, @policy) that involve several types.

Interfaces inherit the requirements of their objects. A field that uses another field by @requires or
@fromContext must have at least that field's requirements; otherwise it could expose the other field's value
to clients without access to it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from graphql import GraphQLError, parse, parse_const_value, value_from_ast_untyped
from graphql.language import (
    FieldNode,
    FragmentDefinitionNode,
    InlineFragmentNode,
    SelectionSetNode,
)

from gateway.compose.diagnostics import Report
from gateway.compose.merge.applications import merge_applications, merge_values
from gateway.compose.merged import MergedField, MergedMetadata, MergedSchema, MergedType
from gateway.compose.model import Application
from gateway.federation.carried import ACCESS

Guards = Mapping[str, list[frozenset[str]]]


def spread_access(merged: MergedSchema, report: Report) -> MergedSchema:
    """Return the schema in which interfaces, and their fields, have the access requirements of their objects.

    Reports MISSING_TRANSITIVE_AUTH_REQUIREMENTS for fields that use a field with stricter requirements.
    """
    if not any(name in merged.names for name in ACCESS):
        return merged
    types = {name: _guarded(item, merged.types) for name, item in merged.types.items()}
    guarded = replace(merged, types=types)
    for item in types.values():
        if item.kind == "object":
            for one in item.fields:
                _check(item, one, types, report)
    return guarded


def _guarded(item: MergedType, types: Mapping[str, MergedType]) -> MergedType:
    if item.kind != "interface":
        return item
    below = [one for one in types.values() if one.kind == "object" and item.name in dict(one.interfaces)]
    fields = []
    for one in item.fields:
        theirs = [other.metadata for member in below for other in member.fields if other.name == one.name]
        fields.append(replace(one, metadata=_with(one.metadata, theirs)))
    return replace(item, fields=tuple(fields), metadata=_with(item.metadata, [one.metadata for one in below]))


def _with(metadata: MergedMetadata, others: Sequence[MergedMetadata]) -> MergedMetadata:
    sides = [("", _access(one)) for one in (metadata, *others)]
    rest = tuple(one for one in metadata.applied if not (one.spec and one.name in ACCESS))
    return replace(metadata, applied=(*rest, *merge_applications("", sides, Report())))


def _access(metadata: MergedMetadata) -> list[Application]:
    return [one for one in metadata.applied if one.spec and one.name in ACCESS]


def _check(item: MergedType, one: MergedField, types: Mapping[str, MergedType], report: Report) -> None:
    """Report a field that needs a field with stricter requirements than those of the field and its type."""
    own = _guards([*_access(item.metadata), *_access(one.metadata)])
    for join in one.joins:
        sets = [(item.name, join.requires)] if join.requires else []
        for context in join.contexts:
            sets += [
                (name, context.selection)
                for name, other in types.items()
                if context.context in other.contexts
            ]
        for type_name, selection in sets:
            for coordinate, needed in _needed(type_name, selection, types):
                if not _implies(own, needed):
                    message = (
                        f"{item.name}.{one.name} uses {coordinate} by @requires or @fromContext, but lacks"
                        " some of its access requirements"
                    )
                    code = "MISSING_TRANSITIVE_AUTH_REQUIREMENTS"
                    report.error(code, message, subgraph=join.subgraph, coordinate=f"{item.name}.{one.name}")
                    return


def _guards(applied: Sequence[Application]) -> Guards:
    """Return the access requirements by directive, in disjunctive normal form: a list of alternative sets.

    @requiresScopes(scopes: [["a", "b"], ["c"]]) gives {"requiresScopes": [{"a", "b"}, {"c"}]}.
    """
    found: dict[str, list[list[list[str]]]] = {}
    for one in applied:
        values = [value_from_ast_untyped(parse_const_value(text)) for _, text in one.arguments]
        groups = values[0] if values and isinstance(values[0], list) else [[one.name]]
        dnf = [[str(item) for item in group] if isinstance(group, list) else [str(group)] for group in groups]
        found.setdefault(one.name, []).append(dnf)
    return {name: [frozenset(group) for group in merge_values("dnf", given)] for name, given in found.items()}


def _implies(own: Guards, needed: Guards) -> bool:
    """Return whether a caller who meets `own` always meets `needed`.

    True if each alternative set of `own` contains some alternative set of `needed`, for every directive.
    """
    return all(
        name in own and all(any(group >= other for other in groups) for group in own[name])
        for name, groups in needed.items()
    )


def _needed(type_name: str, selection: str, types: Mapping[str, MergedType]) -> Iterator[tuple[str, Guards]]:
    """Yield (coordinate, access requirements) of each field of a selection, and of the types of
    these fields.
    """
    text = selection if selection.startswith("{") else "{" + selection + "}"
    try:
        first = parse(f"fragment F on {type_name} {text}", no_location=True).definitions[0]
    except GraphQLError:
        return
    if isinstance(first, FragmentDefinitionNode):
        yield from _walk(first.selection_set, type_name, types)


def _walk(
    selections: SelectionSetNode, type_name: str, types: Mapping[str, MergedType]
) -> Iterator[tuple[str, Guards]]:
    item = types.get(type_name)
    for node in selections.selections:
        if isinstance(node, InlineFragmentNode):
            condition = node.type_condition.name.value if node.type_condition else type_name
            if condition in types:
                yield condition, _guards(_access(types[condition].metadata))
            yield from _walk(node.selection_set, condition, types)
        elif isinstance(node, FieldNode) and item is not None:
            found = next((one for one in item.fields if one.name == node.name.value), None)
            if found is None:
                continue
            below = types.get(found.type.strip("[]!"))
            yield f"{type_name}.{found.name}", _guards(_access(found.metadata))
            if below is not None:
                yield below.name, _guards(_access(below.metadata))
                if node.selection_set:
                    yield from _walk(node.selection_set, below.name, types)
