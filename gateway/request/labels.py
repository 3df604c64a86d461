"""Progressive @override: which labels are active for a request, and which of them can affect its plan.

The label `percent(20)` is active for a fifth of the requests: each request has a point between 0 and 100,
random or computed from the user, so that a user always gets the same result. Any other label is active when
the settings contain it.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from graphql import DocumentNode, FieldNode, Visitor, visit

from gateway.federation.field_set import FieldSet, FieldSetField
from gateway.supergraph.model import Subgraph, Supergraph

_PERCENT = re.compile(r"percent\((?P<share>\d+(\.\d+)?)\)")


@dataclass(frozen=True, slots=True)
class LabelIndex:
    """The labels of a supergraph, by the names of the fields that they move between subgraphs.

    `always`: the labels that can affect any operation.
    """

    by_field: Mapping[str, frozenset[str]] = field(default_factory=dict)
    always: frozenset[str] = frozenset()

    def of(self, document: DocumentNode) -> tuple[str, ...]:
        """Return the labels that can affect the plan of a document, sorted."""
        if not self.by_field:
            return ()
        names = _FieldNames()
        visit(document, names)
        found = self.always.union(*(self.by_field.get(name, frozenset()) for name in names.found))
        return tuple(sorted(found))


class _FieldNames(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def enter_field(self, node: FieldNode, *_: object) -> None:
        """Collect the name of a field."""
        self.found.add(node.name.value)


def index_labels(supergraph: Supergraph) -> LabelIndex:
    """Return the label index of a supergraph.

    A label that moves a field of a key, @requires or context can affect any operation.
    """
    by_field: dict[str, set[str]] = {}
    needed: set[str] = set()
    for subgraph in supergraph.subgraphs.values():
        needed.update(_needed(subgraph))
        for item in subgraph.types.values():
            for one in item.fields.values():
                if one.label is not None:
                    by_field.setdefault(one.name, set()).add(one.label)
    always = {label for name, labels in by_field.items() if name in needed for label in labels}
    return LabelIndex({name: frozenset(labels) for name, labels in by_field.items()}, frozenset(always))


def _needed(subgraph: Subgraph) -> Iterator[str]:
    """Yield the names of the fields that keys, @requires and contexts of a subgraph use."""
    for item in subgraph.types.values():
        for key in item.keys:
            yield from _names(key.fields)
        for one in item.fields.values():
            yield from _names(one.requires)
            for argument in one.contexts:
                yield from _names(argument.selection)


def _names(fields: FieldSet) -> Iterator[str]:
    for item in fields:
        if isinstance(item, FieldSetField):
            yield item.name
        yield from _names(item.selections)


def labels_on(labels: Iterable[str], switched_on: Collection[str], point: float) -> frozenset[str]:
    """Return the active ones of `labels`.

    `switched_on`: those in the settings. `point`: the request's, 0 to 100.
    """
    on = set()
    for label in labels:
        match = _PERCENT.fullmatch(label)
        if label in switched_on or (match is not None and point < float(match["share"])):
            on.add(label)
    return frozenset(on)


def point_of(user: str) -> float:
    """Return the point of a user, from 0 to 100; it is the same for all of the user's requests."""
    digest = hashlib.blake2b(user.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64 * 100
