"""Response shapes: which fields of one request may share a response key under different type conditions.

GraphQL spec, section 5.3.2 (SameResponseShape): two fields with one key must have the same type, lists and
non-null included, and so must all fields in their selections that share a key.

Example: the shape of `x { y z { y } }` is the type of `x`, the shape of `y`, and the shape of `z`, which
contains the shape of its `y`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.plan.fetch_graph import DraftField, DraftSelection


@dataclass(slots=True)
class Shape:
    """The response shape of a field.

    `own`: the field's type in the subgraph; for a composite field also its name and arguments. `below`: the
    shapes of the selected fields by key. `mixed`: whether fields in the selection share a key but do not fit,
    so that some get aliases. Aliases could collide with those in another field, so a mixed shape fits no
    other.
    """

    own: tuple[object, ...]
    below: "dict[str, Shape]" = field(default_factory=dict)
    mixed: bool = False

    def fits(self, other: "Shape") -> bool:
        """Return whether fields of both shapes may share a key."""
        if self.own != other.own or self.mixed or other.mixed:
            return False
        shared = self.below.keys() & other.below.keys()
        return all(self.below[key].fits(other.below[key]) for key in shared)

    def merge(self, other: "Shape") -> None:
        """Add the selected fields of another shape, which fits."""
        for key, inner in other.below.items():
            mine = self.below.setdefault(key, inner)
            if mine is not inner:
                mine.merge(inner)


def shape_of(item: DraftField) -> Shape:
    """Return the shape of a field."""
    if item.below is None:
        return Shape((item.type,))
    shape = Shape((item.type, item.name, item.arguments))
    for one in _all_fields(item.below):
        inner = shape_of(one)
        known = shape.below.setdefault(one.key, inner)
        if known is inner:
            continue
        if known.fits(inner):
            known.merge(inner)
        else:
            shape.mixed = True
    shape.mixed = shape.mixed or any(one.mixed for one in shape.below.values())
    return shape


def _all_fields(draft: DraftSelection) -> Iterator[DraftField]:
    """Yield the fields of a selection and of its fragments."""
    yield from draft.fields.values()
    for inner in draft.fragments.values():
        yield from _all_fields(inner)


def find_or_add(known: list[Shape], shape: Shape) -> int:
    """Return the index of the first of the `known` shapes that a shape fits, and merge it there.

    If it fits none, append it.
    """
    for index, one in enumerate(known):
        if one.fits(shape):
            one.merge(shape)
            return index
    known.append(shape)
    return len(known) - 1
