"""The rule for @key: its field set must select existing fields, without arguments, interfaces or unions.

It also checks the keys of interfaces and of @interfaceObject types.
"""

from gateway.compose.diagnostics import Report
from gateway.compose.field_sets import check_arguments, check_selection, has_unknown_field, used_fields
from gateway.compose.model import KeyDef, SubgraphSchema, TypeDef
from gateway.federation.field_set import print_field_set


def check_keys(schema: SubgraphSchema, report: Report) -> None:
    """Check every @key of a subgraph."""
    broken = {item.name for item in schema.types.values() if not _keys_are_read(schema, item, report)}
    for item in schema.types.values():
        if item.keys and item.kind == "interface" and not _allows_interface_keys(schema):
            message = f"@key on interface {item.name} needs federation v2.3"
            report.error(
                "KEY_UNSUPPORTED_ON_INTERFACE",
                message,
                subgraph=schema.name,
                coordinate=item.name,
                node=item.node,
            )
        if item.kind == "interface" and schema.federation is not None:
            _check_implementations(schema, item, broken, report)
        if item.interface_object and not item.keys:
            message = f"{item.name} is an @interfaceObject without a @key"
            report.error(
                "INTERFACE_OBJECT_USAGE_ERROR",
                message,
                subgraph=schema.name,
                coordinate=item.name,
                node=item.node,
            )


def _check_implementations(schema: SubgraphSchema, item: TypeDef, broken: set[str], report: Report) -> None:
    """Report an implementing type that lacks a key of its interface: a lookup by that key could not find it.

    `broken`: the names of types with invalid keys, which are skipped.
    """
    for key in item.keys:
        for member in sorted(schema.possible(item.name) - {item.name} - broken):
            own = [one.fields for one in schema.types[member].keys if one.resolvable or not key.resolvable]
            if key.fields and key.fields not in own:
                text = print_field_set(key.fields)
                message = f'{member} implements {item.name}, but lacks its @key(fields: "{text}")'
                code = "INTERFACE_KEY_NOT_ON_IMPLEMENTATION"
                report.error(
                    code, message, subgraph=schema.name, coordinate=member, node=schema.types[member].node
                )


def _allows_interface_keys(schema: SubgraphSchema) -> bool:
    if schema.federation is None:
        return True  # Federation 1 allowed and ignored them
    return tuple(int(part) for part in schema.federation.split(".")) >= (2, 3)


def _keys_are_read(schema: SubgraphSchema, item: TypeDef, report: Report) -> bool:
    """Report the errors in the keys of a type. Returns whether every key selects only existing fields."""
    for key in item.keys:
        _check(schema, item, key, report)
    return not any(
        key.fields is None or has_unknown_field(schema, item.name, key.fields) for key in item.keys
    )


def _check(schema: SubgraphSchema, item: TypeDef, key: KeyDef, report: Report) -> None:
    if key.fields is None:
        return

    complaints: list[str] = []

    def complain(code: str, message: str) -> None:
        complaints.append(code)
        text = f"@key on {item.name}: {message}"
        report.error(f"KEY_{code}", text, subgraph=schema.name, coordinate=item.name, node=key.node)

    if not key.fields:
        complain("INVALID_FIELDS", "the field set is empty")
    check_selection(schema, item.name, key.fields, complain, arguments=False)
    if not complaints and key.fields:
        check_arguments(schema, item.name, key.fields, complain)
    for parent, found, _ in used_fields(schema, item.name, key.fields):
        below = schema.types.get(found.type_name)
        if below is not None and below.kind in ("interface", "union"):
            complain(
                "FIELDS_SELECT_INVALID_TYPE", f"{parent}.{found.name} has the {below.kind} type {found.type}"
            )
