"""The shapes of fields in one request: which may share a response key under different type conditions.

GraphQL spec, section 5.3.2 (SameResponseShape): two fields of one key must have the same type, lists and non-
null included, and so must all fields below them that share a key.

Example: the shape of `x { y z { y } }` is its own type and the shapes of y and z, that of z with a y below.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.plan.fetch_graph import DraftField, DraftSelection


@dataclass(slots=True)
class Shape:
    """The type of a field in the subgraph; of one with selections also its name, arguments and what is below.

    `mixed`: some fields below share a key and do not fit, so that they get other keys; these might be the
    same as those below another field.
    """

    own: tuple[object, ...]
    below: "dict[str, Shape]" = field(default_factory=dict)
    mixed: bool = False

    def fits(self, other: "Shape") -> bool:
        """Whether fields of both shapes may share a key."""
        if self.own != other.own or self.mixed or other.mixed:
            return False
        shared = self.below.keys() & other.below.keys()
        return all(self.below[key].fits(other.below[key]) for key in shared)

    def absorb(self, other: "Shape") -> None:
        """Take over what is below another shape that fits."""
        for key, inner in other.below.items():
            mine = self.below.setdefault(key, inner)
            if mine is not inner:
                mine.absorb(inner)


def shape_of(item: DraftField) -> Shape:
    """The shape of a field."""
    if item.below is None:
        return Shape((item.type,))
    shape = Shape((item.type, item.name, item.arguments))
    for one in _all_fields(item.below):
        inner = shape_of(one)
        known = shape.below.setdefault(one.key, inner)
        if known is inner:
            continue
        if known.fits(inner):
            known.absorb(inner)
        else:
            shape.mixed = True
    shape.mixed = shape.mixed or any(one.mixed for one in shape.below.values())
    return shape


def _all_fields(draft: DraftSelection) -> Iterator[DraftField]:
    """The fields of a selection, those of its fragments included."""
    yield from draft.fields.values()
    for inner in draft.fragments.values():
        yield from _all_fields(inner)


def place_among(known: list[Shape], shape: Shape) -> int:
    """The position of the first of the known shapes that a shape fits; it is added where it fits none."""
    for index, one in enumerate(known):
        if one.fits(shape):
            one.absorb(shape)
            return index
    known.append(shape)
    return len(known) - 1
