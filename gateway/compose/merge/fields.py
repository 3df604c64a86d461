"""Merges the fields of object and interface types: their types, arguments, and which subgraphs resolve them.

A field's "side" is one subgraph with its type and its definition of the field.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.compose.diagnostics import Report
from gateway.compose.merge.contexts import context_arguments, without_contextual
from gateway.compose.merge.inputs import merge_arguments
from gateway.compose.merge.metadata import merge_metadata
from gateway.compose.merge.type_references import IsSubtype, widest
from gateway.compose.merged import JoinArguments, MergedField
from gateway.compose.model import ROOT_NAMES, FieldDef, SubgraphSchema, TypeDef
from gateway.federation.field_set import print_field_set
from gateway.federation.values import same_value

Side = tuple[SubgraphSchema, TypeDef, FieldDef]
Used = frozenset[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class FieldMerger:
    """Merges fields and reports errors. A side is one (subgraph, type, definition of the field).

    - `is_subtype(name, other)`: whether a type is the same as, or a subtype of, another in any subgraph.
    - `used`: the (subgraph, type, field) that are in a field set or an interface of that subgraph.
    - `provided`: the (subgraph, type, field) in a @provides of that subgraph.
    - `interface_objects`: the sides with @interfaceObject, by (type, field).
    """

    is_subtype: IsSubtype
    used: Used
    provided: Used
    subgraphs: frozenset[str]
    interface_objects: Mapping[tuple[str, str], Sequence[Side]]
    report: Report

    def merge(self, name: str, sides: Sequence[tuple[SubgraphSchema, TypeDef]]) -> tuple[MergedField, ...]:
        """Return all merged fields of a type, in the order of their first appearance."""
        names = dict.fromkeys(one for _, item in sides for one in item.fields)
        merged = []
        for one in names:
            have = [(schema, item, item.fields[one]) for schema, item in sides if one in item.fields]
            merged.append(self.field(f"{name}.{one}", have, sides))
        return tuple(merged)

    def field(
        self, coordinate: str, have: Sequence[Side], sides: Sequence[tuple[SubgraphSchema, TypeDef]]
    ) -> MergedField:
        """Return one merged field.

        `have`: its sides. `sides`: all subgraphs with the type, even without the field.
        """
        overridden, migrating = self.overridden(coordinate, have)
        self.check_resolving(coordinate, have, overridden, migrating)
        owners = [side for side in have if not side[2].external] or list(have)
        reference = self.merged_type(coordinate, owners)
        given = [(schema, one.arguments) for schema, _, one in owners]
        arguments = merge_arguments(
            coordinate, without_contextual(coordinate, given, self.report), self.report
        )
        self.check_external(coordinate, have, owners, reference)
        metadata = merge_metadata(
            coordinate, [(schema.name, one.metadata) for schema, _, one in owners], self.report
        )
        joins = tuple(join for side in have if (join := self.join(side, reference, overridden, migrating)))
        needed = len(joins) < len(have) or not self.is_plain(have, sides, joins)
        return MergedField(have[0][2].name, reference, arguments, metadata, joins if needed else ())

    def check_resolving(
        self, coordinate: str, have: Sequence[Side], overridden: Collection[str], migrating: Collection[str]
    ) -> None:
        """Report a field that no subgraph resolves, or that several resolve although they must not.

        `have`: all sides of the field. `overridden`, `migrating`: the subgraphs that `overridden()` returns.
        """
        by_interface = self.by_interface_objects(have)
        self.check_override_of_interface_objects(coordinate, have, by_interface)
        resolving = [side for side in have if not side[2].external and side[0].name not in overridden]
        settled = [side for side in resolving if side[0].name not in migrating]
        if not resolving:
            self.report_no_base(coordinate, have[0][2])
        providing = [side for side in have if side[2].external and self.is_provided(side)]
        self.check_sharing(coordinate, [*settled, *by_interface], providing)

    def report_no_base(self, coordinate: str, one: FieldDef) -> None:
        """Report a field that no subgraph resolves; `one`: a definition of it."""
        message = f"{coordinate} is @external in every subgraph that has it"
        self.report.error("EXTERNAL_MISSING_ON_BASE", message, coordinate=coordinate, node=one.node)

    def is_plain(
        self,
        have: Sequence[Side],
        sides: Sequence[tuple[SubgraphSchema, TypeDef]],
        joins: Sequence[JoinArguments],
    ) -> bool:
        """Return whether the joins say no more than that every subgraph of the type resolves the field.

        An @override in the only subgraph of the type does not count if its source does not exist.
        """
        nobody = len(sides) == 1 and have[0][2].override not in self.subgraphs
        bare = [replace(join, override=None) if nobody else join for join in joins]
        return len(have) == len(sides) and all(join == JoinArguments(join.subgraph) for join in bare)

    def merged_type(self, coordinate: str, owners: Sequence[Side]) -> str:
        """Return the field's type in the supergraph; report types that can't be merged.

        `owners`: the resolving sides.
        """
        reference = widest([one.type for _, _, one in owners], self.is_subtype)
        shown = ", ".join(f"{one.type} in {schema.name}" for schema, _, one in owners)
        if reference is None:
            self.report.error("FIELD_TYPE_MISMATCH", f"{coordinate} is {shown}", coordinate=coordinate)
            return owners[0][2].type
        if any(one.type != reference for _, _, one in owners):
            message = f"{coordinate} is {shown}; the supergraph has {reference}"
            self.report.hint("INCONSISTENT_BUT_COMPATIBLE_FIELD_TYPE", message, coordinate)
        return reference

    def overridden(self, coordinate: str, have: Sequence[Side]) -> tuple[set[str], dict[str, str]]:
        """Return the subgraphs whose field another subgraph overrides with @override.

        The set contains those overridden always; the mapping those overridden by a progressive @override,
        with its label.
        """
        by_name = {schema.name: one for schema, _, one in have}
        found: set[str] = set()
        migrating: dict[str, str] = {}
        for schema, item, one in have:
            source = by_name.get(one.override or "")
            if one.override is None or one.override == schema.name or item.interface_object:
                continue
            if source is None:
                self.hint_no_source(coordinate, one.override)
                continue
            problem = override_problem(one, source)
            if problem is not None:
                code, message = problem
                text = f"{coordinate} in {schema.name} can't override {one.override}: {message}"
                self.report.error(code, text, coordinate=coordinate, node=one.node, subgraph=schema.name)
            if problem is not None and problem[0] != "OVERRIDE_LABEL_INVALID":
                continue
            if one.label:
                migrating[one.override] = one.label
                message = (
                    f'{coordinate} moves from "{one.override}" to "{schema.name}"; when that is done,'
                    f' remove it from "{one.override}"'
                )
                self.report.hint("OVERRIDE_MIGRATION_IN_PROGRESS", message, coordinate)
            else:
                found.add(one.override)
                self.hint_overridden(coordinate, one.override, source)
        return found, migrating

    def by_interface_objects(self, have: Sequence[Side]) -> list[Side]:
        """Return the @interfaceObject sides that also resolve a field of an object type.

        An @interfaceObject resolves its fields for all objects of the interface. `have`: the field's sides.
        """
        first = have[0]
        if first[1].kind != "object" or first[1].interface_object:
            return []
        interfaces = {name for _, item, _ in have for name in item.interfaces}
        return [side for name in interfaces for side in self.interface_objects.get((name, first[2].name), ())]

    def check_override_of_interface_objects(
        self, coordinate: str, have: Sequence[Side], by_interface: Sequence[Side]
    ) -> None:
        """Report an @override where the field also exists in an @interfaceObject, which is not allowed."""
        names = {schema.name for schema, _, _ in (*have, *by_interface)}
        sides = [*by_interface, *(side for side in have if side[1].interface_object or by_interface)]
        for schema, item, one in sides:
            if one.override is not None and one.override in names and (item.interface_object or by_interface):
                problem = f"can't override {one.override}: an @interfaceObject has the field"
                message = f"{coordinate} in {schema.name} {problem}"
                code = "OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE"
                self.report.error(code, message, coordinate=coordinate, node=one.node, subgraph=schema.name)

    def hint_no_source(self, coordinate: str, source: str) -> None:
        """Hint at an @override from the subgraph `source`, which lacks the field or does not exist."""
        if source in self.subgraphs:
            message = f'{coordinate} overrides "{source}", which no longer has it; remove the @override'
            self.report.hint("OVERRIDE_DIRECTIVE_CAN_BE_REMOVED", message, coordinate)
        else:
            message = f'{coordinate} overrides "{source}", but no such subgraph exists'
            self.report.hint("FROM_SUBGRAPH_DOES_NOT_EXIST", message, coordinate)

    def hint_overridden(self, coordinate: str, source: str, one: FieldDef) -> None:
        """Hint that the overridden field in the subgraph `source` can be removed.

        If the field is @external there, the @override can be removed instead.
        """
        if one.external:
            message = f'{coordinate} overrides "{source}", where it is @external only; remove the @override'
            self.report.hint("OVERRIDE_DIRECTIVE_CAN_BE_REMOVED", message, coordinate)
        else:
            message = f'{coordinate} is overridden in "{source}" and can be removed there'
            self.report.hint("OVERRIDDEN_FIELD_CAN_BE_REMOVED", message, coordinate)

    def is_provided(self, side: Side) -> bool:
        """Return whether a subgraph resolves its @external field where a @provides selects it."""
        schema, item, one = side
        return (schema.name, item.name, one.name) in self.provided and schema.federation is not None

    def check_sharing(self, coordinate: str, resolving: Sequence[Side], providing: Sequence[Side]) -> None:
        """Report a field that several subgraphs resolve, unless all of them mark it as @shareable.

        `providing`: the sides that resolve it only below a @provides; they do not need @shareable.
        """
        objects = [side for side in resolving if side[1].kind == "object"]
        resolving = objects if any(side[1].interface_object for side in objects) else resolving
        subscription = coordinate.startswith(f"{ROOT_NAMES['subscription']}.")
        keepers = [side for side in objects if not side[2].shareable or subscription]
        if len(resolving) + len(providing) > 1 and keepers:
            names = ", ".join(schema.name for schema, _, _ in (*resolving, *providing))
            lacking = ", ".join(schema.name for schema, _, _ in keepers)
            message = f"{coordinate} is resolved by {names}, but not @shareable in {lacking}"
            schema, _, one = keepers[0]
            self.report.error(
                "INVALID_FIELD_SHARING", message, coordinate=coordinate, node=one.node, subgraph=schema.name
            )

    def check_external(
        self, coordinate: str, have: Sequence[Side], owners: Sequence[Side], reference: str
    ) -> None:
        """Report an @external field whose type or arguments differ from those of the resolving subgraphs.

        `have`: all sides of the field. `owners`: the resolving sides. `reference`: the merged type.
        """
        for schema, _, one in have:
            if not one.external or any(one is owner for _, _, owner in owners):
                continue
            problems = []
            if one.type != reference and not self.is_subtype(one.type, reference):
                message = f"{coordinate} is @external as {one.type}, but resolved as {reference}"
                problems.append(("EXTERNAL_TYPE_MISMATCH", message))
            problems += external_argument_problems(coordinate, one, owners[0][2])
            for code, message in problems:
                self.report.error(code, message, coordinate=coordinate, node=one.node, subgraph=schema.name)

    def join(
        self, side: Side, reference: str, overridden: Collection[str], migrating: Mapping[str, str]
    ) -> JoinArguments | None:
        """Return the @join__field arguments of one subgraph.

        None for an overridden field that no field set and no interface of its subgraph uses. `reference`: the
        merged type. `overridden`, `migrating`: as `overridden()` returns them.
        """
        schema, item, one = side
        used_overridden = schema.name in overridden and not one.external
        if used_overridden and (schema.name, item.name, one.name) not in self.used:
            return None
        moves = one.override in migrating and bool(one.label)
        return JoinArguments(
            schema.name,
            type=one.type if one.type != reference else None,
            external=one.external,
            requires=print_field_set(one.requires) if one.requires else None,
            provides=print_field_set(one.provides) if one.provides else None,
            override=one.override,
            used_overridden=used_overridden,
            label=one.label if moves else migrating.get(schema.name),
            contexts=context_arguments(schema, one),
        )


_LABEL = re.compile(r"[a-zA-Z][a-zA-Z0-9_\-:./]*|percent\((\d{1,2}(\.\d{1,8})?|100)\)")


def override_problem(one: FieldDef, source: FieldDef) -> tuple[str, str] | None:
    """Return why a field can't override the field `source`, as (code, message); None if it can."""
    if source.override is not None:
        return "OVERRIDE_SOURCE_HAS_OVERRIDE", "the overridden field has an @override too"
    if source.requires is not None or source.provides is not None:
        return "OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE", "the overridden field has @requires or @provides"
    if one.label and not _LABEL.fullmatch(one.label):
        allowed = "a letter, then letters, digits and _-:./, or percent(0) to percent(100)"
        message = f'expected the label to be {allowed}, got "{one.label}"'
        return "OVERRIDE_LABEL_INVALID", message
    return None


def external_argument_problems(
    coordinate: str, external: FieldDef, resolved: FieldDef
) -> Iterator[tuple[str, str]]:
    """Yield (code, message) for each argument that an @external field lacks or defines differently."""
    for name, argument in resolved.arguments.items():
        mine = external.arguments.get(name)
        if mine is None:
            yield "EXTERNAL_ARGUMENT_MISSING", f"{coordinate} is @external without its argument {name}"
        elif widest([mine.type, argument.type], lambda one, other: one == other) != mine.type:
            message = f"{coordinate}({name}:) is {mine.type} here, but {argument.type} where it is resolved"
            yield "EXTERNAL_ARGUMENT_TYPE_MISMATCH", message
        elif not same_value(mine.default, argument.default):
            message = f"{coordinate}({name}:) has another default here than where it is resolved"
            yield "EXTERNAL_ARGUMENT_DEFAULT_MISMATCH", message
