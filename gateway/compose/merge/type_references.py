"""Merges type references such as "[User!]!": for output the widest type, for input the narrowest.

A client can rely on the widest type for results of any subgraph, and any subgraph accepts a value of the
narrowest type.
"""

from collections.abc import Callable, Sequence

IsSubtype = Callable[[str, str], bool]


def widest(references: Sequence[str], is_subtype: IsSubtype) -> str | None:
    """Return the merged output type: "User!" and "User" give "User". None if the types can't be merged.

    Each level is nullable if any is; the named type must be a supertype of the others (`is_subtype`).
    """
    distinct = list(dict.fromkeys(references))
    if len(distinct) == 1:
        return distinct[0]
    if any(not one.endswith("!") for one in distinct):
        return _inner([one.removesuffix("!") for one in distinct], is_subtype, widest)
    inner = _inner([one[:-1] for one in distinct], is_subtype, widest)
    return None if inner is None else f"{inner}!"


def _same(one: str, other: str) -> bool:
    return one == other


def _narrowest(references: Sequence[str], _: IsSubtype) -> str | None:
    return narrowest(references)


def narrowest(references: Sequence[str]) -> str | None:
    """Return the merged input type: "Int!" and "Int" give "Int!". None if the types can't be merged.

    The named types must be equal, and the result must be the type of some subgraph.
    """
    distinct = list(dict.fromkeys(references))
    if len(distinct) == 1:
        return distinct[0]
    inner = _inner([one.removesuffix("!") for one in distinct], _same, _narrowest)
    bang = "!" if any(one.endswith("!") for one in distinct) else ""
    found = None if inner is None else inner + bang
    return found if found in distinct else None  # must be the type of some subgraph


def _inner(
    references: Sequence[str], is_subtype: IsSubtype, merge: Callable[[Sequence[str], IsSubtype], str | None]
) -> str | None:
    lists = [one.startswith("[") for one in references]
    if all(lists):
        inner = merge([one[1:-1] for one in references], is_subtype)
        return None if inner is None else f"[{inner}]"
    if any(lists):
        return None
    return next((one for one in references if all(is_subtype(other, one) for other in references)), None)
