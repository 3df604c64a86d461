"""Merging what any element carries: the first description, hidden if hidden anywhere, all tags."""

from collections.abc import Sequence

from gateway.compose.model import Marks


def merge_marks(sides: Sequence[Marks]) -> Marks:
    """The marks of an element over all subgraphs that have it."""
    return Marks(
        description=next((one.description for one in sides if one.description), None),
        deprecated=next((one.deprecated for one in sides if one.deprecated is not None), None),
        inaccessible=any(one.inaccessible for one in sides),
        tags=tuple(dict.fromkeys(tag for one in sides for tag in one.tags)),
        specified_by=next((one.specified_by for one in sides if one.specified_by), None),
        one_of=any(one.one_of for one in sides),
    )
