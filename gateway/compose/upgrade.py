"""Reads a Federation 1 subgraph as Federation 2: removes what Federation 1 ignored.

Afterwards interfaces have no keys, @external, @requires and @provides; @provides stays only on fields with a
composite type; field sets have no leaves that the subgraph resolves itself; unused @external fields are gone.
That all fields are shareable is set by `read_types`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from gateway.compose.diagnostics import Report
from gateway.compose.field_sets import TYPENAME, mentioned_fields
from gateway.compose.model import ROOT_NAMES, Federation1, FieldDef, SubgraphSchema, TypeDef
from gateway.federation.field_set import FieldSet, FieldSetField, FieldSetFragment


def upgrade(schema: SubgraphSchema, report: Report) -> SubgraphSchema:
    """Return a Federation 1 subgraph as Federation 2; return other subgraphs unchanged.

    Reports a type of which all fields are removed, if another type refers to it.
    """
    if schema.federation is not None:
        return schema
    types = {name: _plain(item, schema.types) for name, item in schema.types.items()}
    plain = replace(schema, types=types, old=_old(schema.types.values()))
    used = mentioned_fields(plain)
    out = {name: _without_unused(item, used) for name, item in types.items()}
    for name, item in out.items():
        if types[name].fields and not item.fields and _is_referred_to(name, types):
            message = f"all fields of {name} here are @external, and nothing uses them"
            where = {"subgraph": schema.name, "coordinate": name}
            report.error("TYPE_WITH_ONLY_UNUSED_EXTERNAL", message, node=item.node, **where)
    return replace(
        plain, types={name: item for name, item in out.items() if item.fields or not types[name].fields}
    )


def _old(types: Iterable[TypeDef]) -> Federation1:
    """Return the properties of the subgraph before the upgrade, which `check_federation_1` needs."""
    composite = [item for item in types if item.kind in ("object", "interface")]
    extended = (item for item in composite if item.extends or not item.base)
    return Federation1(
        based=frozenset(item.name for item in composite if item.base),
        extended=frozenset(item.name for item in extended if item.name not in ROOT_NAMES.values()),
        keyed=frozenset(item.name for item in composite if item.kind == "interface" and item.keys),
    )


def _is_referred_to(name: str, types: Mapping[str, TypeDef]) -> bool:
    return any(
        name in item.members or any(one.type_name == name for one in item.fields.values())
        for item in types.values()
    )


def _plain(item: TypeDef, types: Mapping[str, TypeDef]) -> TypeDef:
    def field(one: FieldDef) -> FieldDef:
        below = types.get(one.type_name)
        composite = below is not None and below.kind in ("object", "interface", "union")
        one = one if composite or one.provides is None else replace(one, provides=None)
        if item.kind == "interface":
            return replace(one, external=False, requires=None, provides=None)
        requires = _of_others(item.name, one.requires, types) if one.requires else None
        provides = _of_others(one.type_name, one.provides, types) if one.provides else None
        return replace(one, requires=requires or None, provides=provides or None)

    keys = () if item.kind == "interface" else item.keys
    return replace(item, fields={name: field(one) for name, one in item.fields.items()}, keys=keys)


def _of_others(
    type_name: str, fields: FieldSet, types: Mapping[str, TypeDef], known: bool = False
) -> FieldSet:
    """Return a field set without the leaves that this subgraph resolves itself.

    `known`: whether an enclosing field of the field set is @external.
    """
    out: list[FieldSetField | FieldSetFragment] = []
    item = types.get(type_name)
    for one in fields:
        if isinstance(one, FieldSetFragment):
            inner = _of_others(one.type_condition or type_name, one.selections, types, known)
            out += [replace(one, selections=inner)] if inner else []
            continue
        found = item.fields.get(one.name) if item else None
        lasts = known or (found.external if found else one.name != TYPENAME)
        if one.selections and found is not None:
            inner = _of_others(found.type_name, one.selections, types, lasts)
            out += [replace(one, selections=inner)] if inner else []
        elif lasts:
            out.append(one)
    return tuple(out)


def _without_unused(item: TypeDef, used: set[tuple[str, str]]) -> TypeDef:
    if item.name in ROOT_NAMES.values():
        return item
    kept = {name: one for name, one in item.fields.items() if not one.external or (item.name, name) in used}
    return replace(item, fields=kept)
