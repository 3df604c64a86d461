"""Merging the fields of object and interface types: who resolves each, and as which type."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.compose.diagnostics import Report
from gateway.compose.merge.inputs import merge_arguments
from gateway.compose.merge.marks import merge_marks
from gateway.compose.merge.type_references import IsSubtype, widest
from gateway.compose.merged import JoinArguments, MergedField
from gateway.compose.model import FieldDef, SubgraphSchema, TypeDef
from gateway.federation.field_set import print_field_set

Side = tuple[SubgraphSchema, TypeDef, FieldDef]
Used = frozenset[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class FieldMerger:
    """Merges fields; `used` are the (subgraph, type, field) that a field set there mentions, `provided` those in @provides."""

    is_subtype: IsSubtype
    used: Used
    provided: Used
    report: Report

    def merge(self, name: str, sides: Sequence[tuple[SubgraphSchema, TypeDef]]) -> tuple[MergedField, ...]:
        """All fields of a type, in the order of their first appearance."""
        names = dict.fromkeys(one for _, item in sides for one in item.fields)
        merged = []
        for one in names:
            have = [(schema, item, item.fields[one]) for schema, item in sides if one in item.fields]
            merged.append(self.field(f"{name}.{one}", have, sides))
        return tuple(merged)

    def field(
        self, coordinate: str, have: Sequence[Side], sides: Sequence[tuple[SubgraphSchema, TypeDef]]
    ) -> MergedField:
        """One field over all subgraphs that have it."""
        overridden = self.overridden(coordinate, have)
        resolving = [side for side in have if not side[2].external and side[0].name not in overridden]
        if not resolving:
            message = f"{coordinate} is @external in every subgraph that has it"
            self.report.error("EXTERNAL_MISSING_ON_BASE", message, coordinate=coordinate, node=have[0][2].node)
        providing = [side for side in have if side[2].external and self.is_provided(side)]
        self.check_sharing(coordinate, resolving, providing)
        owners = resolving or list(have)
        reference = widest([one.type for _, _, one in owners], self.is_subtype)
        if reference is None:
            shown = ", ".join(f"{one.type} in {schema.name}" for schema, _, one in owners)
            self.report.error("FIELD_TYPE_MISMATCH", f"{coordinate} is {shown}", coordinate=coordinate)
            reference = owners[0][2].type
        arguments = merge_arguments(coordinate, [(schema, one.arguments) for schema, _, one in owners], self.report)
        self.check_external(coordinate, have, owners, reference)
        marks = merge_marks([one.marks for _, _, one in have])
        joins = tuple(join for side in have if (join := self.join(side, reference, overridden)))
        plain = len(have) == len(sides) and all(join == JoinArguments(join.subgraph) for join in joins)
        return MergedField(
            have[0][2].name, reference, arguments, marks, () if plain and len(joins) == len(have) else joins
        )

    def overridden(self, coordinate: str, have: Sequence[Side]) -> Mapping[str, str]:
        """The subgraphs whose field another one overrides, to that other one."""
        by_name = {schema.name: one for schema, _, one in have}
        found: dict[str, str] = {}
        for schema, _, one in have:
            if one.override is None or one.override == schema.name:
                continue
            source = by_name.get(one.override)
            if source is None:
                self.report.hint(f'{coordinate} overrides "{one.override}", which does not have it', coordinate)
            elif source.override is not None:
                message = f"{coordinate} in {one.override} is overridden by {schema.name}, and overrides itself"
                self.report.error("OVERRIDE_SOURCE_HAS_OVERRIDE", message, coordinate=coordinate, node=one.node)
            elif source.external:
                self.report.hint(f'{coordinate} overrides "{one.override}", where it is @external', coordinate)
            elif source.requires is not None or source.provides is not None:
                message = f"{coordinate} in {one.override} carries @requires or @provides and can't be overridden"
                code = "OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE"
                self.report.error(code, message, coordinate=coordinate, node=one.node)
            else:
                found[one.override] = schema.name
        return found

    def is_provided(self, side: Side) -> bool:
        """Whether a subgraph resolves its @external field on some ways."""
        schema, item, one = side
        return (schema.name, item.name, one.name) in self.provided and schema.federation is not None

    def check_sharing(self, coordinate: str, resolving: Sequence[Side], providing: Sequence[Side]) -> None:
        """A field of an object type that several subgraphs resolve, if only on some ways, must be shareable in its owners."""
        objects = [side for side in resolving if side[1].kind == "object" and not side[1].interface_object]
        keepers = [side for side in objects if not side[2].shareable]
        if len(resolving) + len(providing) > 1 and keepers:
            names = ", ".join(schema.name for schema, _, _ in (*resolving, *providing))
            lacking = ", ".join(schema.name for schema, _, _ in keepers)
            message = f"{coordinate} is resolved by {names}, but not @shareable in {lacking}"
            schema, _, one = keepers[0]
            self.report.error(
                "INVALID_FIELD_SHARING", message, coordinate=coordinate, node=one.node, subgraph=schema.name
            )

    def check_external(self, coordinate: str, have: Sequence[Side], owners: Sequence[Side], reference: str) -> None:
        """An @external field is declared as its owner declares it."""
        for schema, _, one in have:
            if not one.external or any(one is owner for _, _, owner in owners):
                continue
            where = {"coordinate": coordinate, "node": one.node, "subgraph": schema.name}
            if widest([one.type, reference], self.is_subtype) != one.type:
                message = f"{coordinate} is @external as {one.type}, but {reference} elsewhere"
                self.report.error("EXTERNAL_TYPE_MISMATCH", message, **where)  # type: ignore[arg-type]
            for name, argument in owners[0][2].arguments.items():
                mine = one.arguments.get(name)
                if mine is None:
                    message = f"{coordinate} is @external without its argument {name}"
                    self.report.error("EXTERNAL_ARGUMENT_MISSING", message, **where)  # type: ignore[arg-type]
                elif mine.type != argument.type:
                    message = f"{coordinate}({name}:) is {mine.type}, but {argument.type} elsewhere"
                    self.report.error("EXTERNAL_ARGUMENT_TYPE_MISMATCH", message, **where)  # type: ignore[arg-type]
                elif mine.default != argument.default:
                    message = f"{coordinate}({name}:) has another default elsewhere"
                    self.report.error("EXTERNAL_ARGUMENT_DEFAULT_MISMATCH", message, **where)  # type: ignore[arg-type]

    def join(self, side: Side, reference: str, overridden: Mapping[str, str]) -> JoinArguments | None:
        """What the supergraph says of one subgraph's field; None when it is overridden and nothing there uses it."""
        schema, item, one = side
        used_overridden = schema.name in overridden
        if used_overridden and (schema.name, item.name, one.name) not in self.used:
            return None
        return JoinArguments(
            schema.name,
            type=one.type if one.type != reference else None,
            external=one.external,
            requires=print_field_set(one.requires) if one.requires else None,
            provides=print_field_set(one.provides) if one.provides else None,
            override=one.override,
            used_overridden=used_overridden,
        )
