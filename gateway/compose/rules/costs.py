"""The rule for @cost and @listSize: they must be on elements that can have a cost or a list size."""

from collections.abc import Iterable, Iterator

from graphql import parse_const_value, value_from_ast_untyped

from gateway.compose.diagnostics import Report
from gateway.compose.model import Application, FieldDef, SubgraphSchema, TypeDef


def check_costs(schema: SubgraphSchema, report: Report) -> None:
    """Report each @cost on a field of an interface, and each @listSize that does not fit its field."""
    for item in schema.types.values():
        for one in item.fields.values():
            coordinate = f"{item.name}.{one.name}"
            for applied in one.metadata.applied:
                for code, message in _complaints(schema, item, one, applied):
                    text = f"@{applied.local} on {coordinate}: {message}"
                    report.error(code, text, subgraph=schema.name, coordinate=coordinate, node=one.node)


def _complaints(
    schema: SubgraphSchema, item: TypeDef, one: FieldDef, applied: Application
) -> Iterator[tuple[str, str]]:
    if applied.name == "cost" and item.kind == "interface":
        yield (
            "COST_APPLIED_TO_INTERFACE_FIELD",
            "it is not allowed on a field of an interface; apply it to the implementing types",
        )
    if applied.name != "listSize" or not applied.spec:
        return
    values = {name: value_from_ast_untyped(parse_const_value(text)) for name, text in applied.arguments}
    sized = values.get("sizedFields")
    if not sized and not one.type.removesuffix("!").startswith("["):
        yield "LIST_SIZE_APPLIED_TO_NON_LIST", f"{one.type} is not a list"
    if isinstance(values.get("assumedSize"), int) and values["assumedSize"] < 0:
        yield "LIST_SIZE_INVALID_ASSUMED_SIZE", "assumedSize must not be negative"
    for name in values.get("slicingArguments") or ():
        argument = one.arguments.get(str(name))
        if argument is None:
            yield "LIST_SIZE_INVALID_SLICING_ARGUMENT", f"there is no argument {name}"
        elif argument.type.removesuffix("!") != "Int":
            yield "LIST_SIZE_INVALID_SLICING_ARGUMENT", f"the argument {name} is {argument.type}, not Int"
    yield from _sized(schema, one, sized or ())


def _sized(schema: SubgraphSchema, one: FieldDef, names: Iterable[object]) -> Iterator[tuple[str, str]]:
    target = schema.types.get(one.type_name)
    for name in names:
        found = target.fields.get(str(name)) if target else None
        if found is None:
            yield "LIST_SIZE_INVALID_SIZED_FIELD", f"{one.type} has no field {name}"
        elif not found.type.removesuffix("!").startswith("["):
            yield (
                "LIST_SIZE_APPLIED_TO_NON_LIST",
                f"the field {name} has the type {found.type}, which is not a list",
            )
