"""The rule for @context and @fromContext.

A context must be set by some type of the subgraph, the selection of @fromContext must select one value of the
argument's type, and the type with the argument must have a resolvable key, because the gateway passes the
value in an entity lookup.
"""

import re
from collections.abc import Iterator

from graphql import FragmentDefinitionNode, GraphQLError, is_interface_type, is_object_type, parse
from graphql.language import FieldNode, InlineFragmentNode, SelectionSetNode

from gateway.compose.diagnostics import Report
from gateway.compose.model import FieldDef, InputValue, SubgraphSchema, TypeDef
from gateway.federation.context_value import context_and_selection

_NOTHING = "it selects no value"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")


def check_contexts(schema: SubgraphSchema, report: Report) -> None:
    """Report each @context and @fromContext of a subgraph that is not valid."""
    setters: dict[str, list[TypeDef]] = {}
    for item in schema.types.values():
        for name in item.contexts:
            setters.setdefault(name, []).append(item)
            if not _NAME.fullmatch(name):
                message = f'expected letters and digits as the name of a context, got "{name}" on {item.name}'
                report.error(
                    "CONTEXT_NAME_INVALID",
                    message,
                    subgraph=schema.name,
                    coordinate=item.name,
                    node=item.node,
                )
    for name, node in schema.directives.items():
        for given in node.arguments or ():
            if any(schema.links.names.get(one.name.value) == "fromContext" for one in given.directives or ()):
                message = f"@fromContext on @{name}({given.name.value}:): no object encloses a directive"
                report.error("CONTEXT_NOT_SET", message, subgraph=schema.name, node=given)
    for item in schema.types.values():
        for one in item.fields.values():
            for argument in one.arguments.values():
                for code, message in _complaints(schema, item, one, argument, setters):
                    coordinate = f"{item.name}.{one.name}({argument.name}:)"
                    text = f"@fromContext on {coordinate}: {message}"
                    report.error(code, text, subgraph=schema.name, coordinate=coordinate, node=argument.node)


def _complaints(
    schema: SubgraphSchema,
    item: TypeDef,
    one: FieldDef,
    argument: InputValue,
    setters: dict[str, list[TypeDef]],
) -> Iterator[tuple[str, str]]:
    if argument.context is None:
        return
    if item.kind == "interface":
        yield "CONTEXT_NOT_SET", "it is not allowed on a field of an interface"
        return
    for name in item.interfaces:
        above = schema.types.get(name)
        if (
            above is not None
            and one.name in above.fields
            and argument.name in above.fields[one.name].arguments
        ):
            yield "CONTEXT_NOT_SET", f"the interface {name} has the argument too, so clients set it"
            return
    if argument.default is not None:
        yield "CONTEXT_NOT_SET", "an argument from a context must not have a default"
        return
    if not any(key.resolvable for key in item.keys):
        yield "CONTEXT_NO_RESOLVABLE_KEY", f"{item.name} has no resolvable @key to look it up by"
    parsed = context_and_selection(argument.context)
    if parsed is None:
        yield "NO_CONTEXT_IN_SELECTION", f'"{argument.context}" names no context; write "$name {{ field }}"'
        return
    name, selection = parsed
    if name not in setters:
        yield "CONTEXT_NOT_SET", f'no type of this subgraph sets the context "{name}"'
        return
    for message in check_selection(schema, selection, argument.type, setters[name]):
        yield "CONTEXT_INVALID_SELECTION", message


def check_selection(
    schema: SubgraphSchema, selection: str, wanted: str, setters: list[TypeDef]
) -> Iterator[str]:
    """Yield the errors of a @fromContext selection, as messages.

    `wanted`: the argument's type. `setters`: the types that set the context; the selection must fit all of
    them.
    """
    text = selection if selection.startswith("{") else "{" + selection + "}"
    try:
        document = parse(f"fragment F on X {text}", no_location=True, max_tokens=1000)
    except GraphQLError as error:
        yield error.message
        return
    first = document.definitions[0]
    if len(document.definitions) != 1 or not isinstance(first, FragmentDefinitionNode):
        yield "expected one selection set"
        return
    for setter in setters:
        problem = _on_setter(schema, first.selection_set, setter, wanted)
        if problem:
            yield f"on {setter.name}: {problem}"


def _on_setter(schema: SubgraphSchema, selections: SelectionSetNode, setter: TypeDef, wanted: str) -> str:
    """Return the error of a selection on one type that sets the context, or "".

    If the type is abstract and the selection has fragments, at least one object type must give a value.
    """
    fragments = any(isinstance(node, InlineFragmentNode) for node in selections.selections)
    if setter.kind == "object" or not fragments:
        return _selected(schema, selections, setter.name, wanted)
    problems = [_selected(schema, selections, name, wanted) for name in sorted(schema.possible(setter.name))]
    real = [one for one in problems if one and one != _NOTHING]
    return next(iter(real), _NOTHING if all(problems) else "")


def _selected(schema: SubgraphSchema, selections: SelectionSetNode, type_name: str, wanted: str) -> str:
    """Return the error of a selection on an object, or ""; it must select one value of the type `wanted`."""
    fitting = []
    for node in selections.selections:
        if node.directives:
            return "directives are not allowed"
        if isinstance(node, InlineFragmentNode):
            condition = node.type_condition.name.value if node.type_condition else type_name
            if condition == type_name or type_name in schema.possible(condition):
                fitting.append(_selected(schema, node.selection_set, type_name, wanted))
        elif isinstance(node, FieldNode):
            fitting.append(_field(schema, node, type_name, wanted))
        else:
            return "named fragments are not allowed"
    if len(fitting) != 1:
        return "it selects more than one value" if fitting else _NOTHING
    return fitting[0]


def _field(schema: SubgraphSchema, node: FieldNode, type_name: str, wanted: str) -> str:
    if node.alias:
        return "aliases are not allowed"
    parent = schema.graphql.type_map.get(type_name)
    if not is_object_type(parent) and not is_interface_type(parent):
        return f"{type_name} has no fields"
    found = parent.fields.get(node.name.value)
    if found is None:
        return f"{type_name} has no field {node.name.value}"
    reference = str(found.type).replace("!", "")
    if node.selection_set:
        while reference.startswith("["):
            if not wanted.startswith("["):
                return f"{type_name}.{node.name.value} is a list, and the argument is not"
            reference, wanted = reference[1:-1], wanted[1:-1]
        return _selected(schema, node.selection_set, reference, wanted)
    if reference != wanted:
        return f"it selects {reference} (nullable, as it may be absent), but the argument is {wanted}"
    return ""
