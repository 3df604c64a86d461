"""Merges arguments, input types and enums. What not all subgraphs accept is left out, since a client's value

could otherwise not be sent to each of them.
"""

from collections.abc import Mapping, Sequence

from gateway.compose.diagnostics import Report
from gateway.compose.merge.metadata import merge_metadata
from gateway.compose.merge.type_references import narrowest
from gateway.compose.merged import JoinArguments, MergedInput, MergedMetadata
from gateway.compose.model import InputValue, SubgraphSchema, TypeDef
from gateway.federation.values import value_key

Sided = Sequence[tuple[SubgraphSchema, Mapping[str, InputValue]]]


def merge_arguments(coordinate: str, sides: Sided, report: Report) -> tuple[MergedInput, ...]:
    """Return the arguments that every subgraph with the field accepts.

    Reports a required argument that a subgraph lacks. `sides`: each subgraph with its arguments.
    """
    return _merge(
        coordinate, sides, report, "argument", "REQUIRED_ARGUMENT_MISSING_IN_SOME_SUBGRAPH", "FIELD_ARGUMENT"
    )


def merge_input_fields(name: str, sides: Sided, report: Report) -> tuple[MergedInput, ...]:
    """Return the fields that every subgraph with the input type accepts.

    Reports a required field that a subgraph lacks, and a type without common fields.
    """
    code = "REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH"
    found = _merge(name, sides, report, "input field", code, "INPUT_FIELD")
    if not found:
        message = f"the subgraphs' definitions of input type {name} have no field in common"
        report.error("EMPTY_MERGED_INPUT_TYPE", message, coordinate=name)
    return found


def _merge(
    coordinate: str, sides: Sided, report: Report, what: str, missing: str, prefix: str
) -> tuple[MergedInput, ...]:
    merged: list[MergedInput] = []
    for name in dict.fromkeys(name for _, values in sides for name in values):
        have = [(schema, values[name]) for schema, values in sides if name in values]
        place = f"{coordinate}({name}:)" if what == "argument" else f"{coordinate}.{name}"
        if len(have) < len(sides):
            lacking = ", ".join(schema.name for schema, values in sides if name not in values)
            needing = [schema.name for schema, one in have if one.required]
            if needing:
                message = f"{what} {place} is required in {', '.join(needing)}, but missing in {lacking}"
                report.error(missing, message, coordinate=place, node=have[0][1].node, subgraph=needing[0])
            else:
                hint = (
                    "INCONSISTENT_ARGUMENT_PRESENCE"
                    if what == "argument"
                    else "INCONSISTENT_INPUT_OBJECT_FIELD"
                )
                report.hint(hint, f"{what} {place} is left out: {lacking} does not have it", place)
            continue
        merged.append(_merge_one(name, place, have, report, what, prefix))
    return tuple(merged)


def _merge_one(
    name: str,
    place: str,
    have: Sequence[tuple[SubgraphSchema, InputValue]],
    report: Report,
    what: str,
    prefix: str,
) -> MergedInput:
    reference = narrowest([one.type for _, one in have])
    if reference is None:
        shown = ", ".join(f"{one.type} in {schema.name}" for schema, one in have)
        code = "FIELD_ARGUMENT_TYPE_MISMATCH" if what == "argument" else "FIELD_TYPE_MISMATCH"
        report.error(code, f"{what} {place} is {shown}", coordinate=place)
        reference = have[0][1].type
    default = _merged_default(place, have, report, what, prefix)
    if any(one.type != reference for _, one in have):
        shown = ", ".join(f"{one.type} in {schema.name}" for schema, one in have)
        message = f"{what} {place} is {shown}; the supergraph has {reference}"
        kind = "ARGUMENT" if what == "argument" else "FIELD"
        report.hint(f"INCONSISTENT_BUT_COMPATIBLE_{kind}_TYPE", message, place)
    joins = tuple(
        JoinArguments(schema.name, type=one.type if one.type != reference else None) for schema, one in have
    )
    plain = all(join.type is None for join in joins)
    merged = merge_metadata(place, [(schema.name, one.metadata) for schema, one in have], report)
    return MergedInput(name, reference, default, merged, () if plain else joins)


def _merged_default(
    place: str, have: Sequence[tuple[SubgraphSchema, InputValue]], report: Report, what: str, prefix: str
) -> str | None:
    """Return the default in the supergraph: the subgraphs' common one; None if some subgraph has none.

    `prefix`: the start of the code for defaults that differ.
    """
    defaults = dict.fromkeys(one.default for _, one in have if one.default is not None)
    if len({value_key(one) for one in defaults}) > 1:
        message = f"{what} {place} has the defaults {', '.join(str(item) for item in defaults)}"
        report.error(f"{prefix}_DEFAULT_MISMATCH", message, coordinate=place)
    everywhere = all(one.default is not None for _, one in have)
    if defaults and not everywhere:
        message = f"{what} {place} has a default in some subgraphs only; it has none in the supergraph"
        report.hint("INCONSISTENT_DEFAULT_VALUE_PRESENCE", message, place)
    return next(iter(defaults), None) if everywhere else None


def merge_enum(
    name: str, sides: Sequence[tuple[SubgraphSchema, TypeDef]], used_in: bool, used_out: bool, report: Report
) -> tuple[tuple[str, MergedMetadata, tuple[str, ...]], ...]:
    """Return (value, metadata, subgraphs) for each merged value of an enum.

    These are all values if the enum is used only as output (`used_out`), the common ones if only as input
    (`used_in`); if used as both, values must be equal in all subgraphs.
    """
    everything = dict.fromkeys(value for _, item in sides for value in item.values)
    merged = []
    for value in everything:
        have = [(schema, item) for schema, item in sides if value in item.values]
        hidden = any(item.values[value].inaccessible for _, item in have)
        if used_in and len(have) < len(sides) and not (used_out and hidden):
            if used_out:
                lacking = ", ".join(schema.name for schema, item in sides if value not in item.values)
                message = f"enum {name} is used as input and output, and {lacking} lacks its value {value}"
                report.error("ENUM_VALUE_MISMATCH", message, coordinate=f"{name}.{value}")
            else:
                message = f"enum value {name}.{value} is left out: not every subgraph has it"
                report.hint("INCONSISTENT_ENUM_VALUE_FOR_INPUT_ENUM", message, f"{name}.{value}")
            continue
        metadata = merge_metadata(
            f"{name}.{value}", [(schema.name, item.values[value]) for schema, item in have], report
        )
        merged.append((value, metadata, tuple(schema.name for schema, _ in have)))
    if not merged and everything:
        message = f"the subgraphs' definitions of enum {name} have no value in common"
        report.error("EMPTY_MERGED_ENUM_TYPE", message, coordinate=name)
    return tuple(merged)
