"""The fields that a @provides field set covers."""

from collections.abc import Iterator
from dataclasses import replace

from gateway.federation.field_set import FieldSet, FieldSetField, FieldSetFragment


def provided_below(fields: FieldSet, type_names: frozenset[str], name: str) -> tuple[bool, FieldSet]:
    """Whether a field set covers a field of one of these types, and the field set below that field."""
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
    """The fields that both field sets cover: `a { b c }` and `a { c } d` give `a { c }`.

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
