"""@fromContext: arguments whose values the gateway reads from enclosing objects.

They are not in the supergraph's fields, so clients do not see them; @join__field describes them.
"""

import re
from collections.abc import Mapping, Sequence

from gateway.compose.diagnostics import Report
from gateway.compose.merged import MergedContextArgument
from gateway.compose.model import FieldDef, InputValue, SubgraphSchema
from gateway.federation.context_value import context_and_selection

Sided = Sequence[tuple[SubgraphSchema, Mapping[str, InputValue]]]


def context_name(subgraph: str, name: str) -> str:
    """Return a context's name in the supergraph, `subgraph__name`: subgraphs do not share contexts."""
    return f"{re.sub(r'[^A-Za-z0-9]', '_', subgraph)}__{name}"


def context_arguments(schema: SubgraphSchema, one: FieldDef) -> tuple[MergedContextArgument, ...]:
    """Return the arguments of one subgraph's field that come from contexts, for its @join__field."""
    found = []
    for argument in one.arguments.values():
        parsed = context_and_selection(argument.context) if argument.context is not None else None
        if parsed:
            name, selection = parsed
            reference = argument.type.removesuffix("!")
            found.append(
                MergedContextArgument(argument.name, reference, context_name(schema.name, name), selection)
            )
    return tuple(found)


def without_contextual(coordinate: str, sides: Sided, report: Report) -> Sided:
    """Return a field's arguments by subgraph, without those that come from a context in any subgraph.

    Reports an error if such an argument is required from clients in another subgraph; if optional, a hint.
    """
    contextual = {name for _, values in sides for name, one in values.items() if one.context is not None}
    for name in sorted(contextual):
        for schema, values in sides:
            one = values.get(name)
            if one is None or one.context is not None:
                continue
            place = f"{coordinate}({name}:)"
            code = "CONTEXTUAL_ARGUMENT_NOT_CONTEXTUAL_IN_ALL_SUBGRAPHS"
            message = f"{place} comes from a context in one subgraph, and from the client in {schema.name}"
            if one.required:
                text = f"{message}, where it is required"
                report.error(code, text, coordinate=place, node=one.node, subgraph=schema.name)
            else:
                report.hint(code, f"{message}; it is left out", place)
    return [
        (schema, {name: one for name, one in values.items() if name not in contextual})
        for schema, values in sides
    ]
