"""Hints about types that the subgraphs define differently, though the definitions can be merged."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from gateway.compose.diagnostics import Report
from gateway.compose.model import ROOT_NAMES, SubgraphSchema, TypeDef

Sides = Sequence[tuple[SubgraphSchema, TypeDef]]


def hint_inconsistencies(
    types: Mapping[str, Sides], used_in: Collection[str], used_out: Collection[str], report: Report
) -> None:
    """Report hints for every type that several subgraphs define differently, and for unused enums.

    `used_in`, `used_out`: the names of the types that are used as input, and as output.
    """
    for name, sides in types.items():
        kinds = {item.kind for _, item in sides}
        if "enum" in kinds:
            _hint_enum(name, sides, name in used_in, name in used_out, report)
        if len(sides) < 2 or len(kinds) > 1 or name in ROOT_NAMES.values():
            continue
        if "object" in kinds:
            _hint_entity(name, sides, report)
        if kinds & {"object", "interface"} and not any(item.keys for _, item in sides):
            word = "OBJECT" if "object" in kinds else "INTERFACE"
            given = [(schema.name, item.fields) for schema, item in sides]
            _hint_partly(f"INCONSISTENT_{word}_VALUE_TYPE_FIELD", name, given, report)
        if "union" in kinds:
            members = [(schema.name, item.members) for schema, item in sides]
            _hint_partly("INCONSISTENT_UNION_MEMBER", name, members, report)


def _hint_entity(name: str, sides: Sides, report: Report) -> None:
    without = [schema.name for schema, item in sides if not item.keys]
    if without and len(without) < len(sides):
        message = f"{name} is an entity in some subgraphs, but has no @key in {', '.join(without)}"
        report.hint("INCONSISTENT_ENTITY", message, name)


def _hint_partly(code: str, name: str, sides: Sequence[tuple[str, Iterable[str]]], report: Report) -> None:
    have = [(subgraph, set(names)) for subgraph, names in sides]
    for one in dict.fromkeys(one for _, names in sides for one in names):
        lacking = [subgraph for subgraph, names in have if one not in names]
        if lacking:
            report.hint(code, f"{name}.{one} is not in {', '.join(lacking)}", f"{name}.{one}")


def _hint_enum(name: str, sides: Sides, used_in: bool, used_out: bool, report: Report) -> None:
    if not used_in and not used_out:
        report.hint("UNUSED_ENUM_TYPE", f"enum {name} is not used", name)
    if not used_in:
        values = [(schema.name, item.values) for schema, item in sides]
        _hint_partly("INCONSISTENT_ENUM_VALUE_FOR_OUTPUT_ENUM", name, values, report)
