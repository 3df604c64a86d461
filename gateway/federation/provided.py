"""Which fields a @provides field set covers, for `supergraph.query_graph`."""

from collections.abc import Iterator
from dataclasses import replace

from gateway.federation.field_set import FieldSet, FieldSetField, FieldSetFragment


def provided_below(fields: FieldSet, type_names: frozenset[str], name: str) -> tuple[bool, FieldSet]:
    """Return whether a field set covers a field, and the field set that it selects on the field's value.

    `type_names`: the types whose fragments apply.
    """
    hit, below = False, list[FieldSetField | FieldSetFragment]()
    for item in fields:
        if isinstance(item, FieldSetField):
            if item.name == name:
                hit = True
                below.extend(item.selections)
        elif item.type_condition is None or item.type_condition in type_names:
            found, inner = provided_below(item.selections, type_names, name)
            hit = hit or found
            below.extend(inner)
    return hit, tuple(below)


def intersection(one: FieldSet, other: FieldSet) -> FieldSet:
    """Return the fields that both field sets cover: `a { b c }` and `a { c } d` give `a { c }`.

    A fragment covers its fields for its own type only: `x` and `... on T { x }` give `... on T { x }`.
    """
    found: list[FieldSetField | FieldSetFragment] = []
    for mine in one:
        for theirs in other:
            found.extend(_intersection_of(mine, theirs))
    return tuple(dict.fromkeys(found))


def _intersection_of(
    mine: FieldSetField | FieldSetFragment, theirs: FieldSetField | FieldSetFragment
) -> Iterator[FieldSetField | FieldSetFragment]:
    if isinstance(mine, FieldSetField):
        if isinstance(theirs, FieldSetFragment):
            yield from _intersection_of(theirs, mine)
        elif mine.name == theirs.name:
            both = intersection(mine.selections, theirs.selections)
            if both or not mine.selections:
                yield replace(mine, selections=both)
        return
    same = isinstance(theirs, FieldSetFragment) and theirs.type_condition == mine.type_condition
    if isinstance(theirs, FieldSetField) or same:
        both = intersection(mine.selections, theirs.selections if same else (theirs,))
        if both:
            yield replace(mine, selections=both)
