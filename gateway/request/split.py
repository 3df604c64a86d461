"""Splits an operation into what is sent first, and the parts that are sent later (@defer, @stream).

Example: `{ product { name ... @defer(label: "s") { stock reviews { body ... @defer { author } } } } }`
becomes the operation `{ product { name _gateway_id: id _gateway_typename: __typename } }` and one part: the
path `product`, the type Product, the selections `stock reviews { body _gateway_id: id }`, and in it another
part at `reviews`. The key `id` identifies the object when the part is executed; the client does not receive
it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from gateway.federation.field_set import FieldSet, FieldSetField
from gateway.request.operation import Deferred, Field, Fragment, Operation, Selections, fields_of
from gateway.supergraph.model import Supergraph, named

HIDDEN = "_gateway_"
"""What the response keys of hidden fields begin with."""
HIDDEN_TYPE = f"{HIDDEN}typename"
"""The response key of the type: several types may be at one place, with keys of equal names."""
KeyOf = Callable[[str], FieldSet | None]
"""Returns the key by which objects of a type are found again; None for a type without one."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part that is sent later, for each object at a place.

    - `path`: the response keys from the object of the enclosing part (or the root) to the objects.
    - `type`: of the objects. `key`: by which they are found again; () for the root.
    - `selections`: without those of the parts inside. `parts`: these.
    """

    path: tuple[str, ...]
    type: str
    deferred: Deferred
    key: FieldSet
    selections: Selections
    parts: "tuple[Part, ...]" = ()


@dataclass(frozen=True, slots=True)
class StreamedList:
    """A list whose elements after the first `initial` are sent later. `path`: as in `Part`."""

    path: tuple[str, ...]
    label: str | None
    initial: int


@dataclass(frozen=True, slots=True)
class Split:
    """An operation and its parts. `lists`: the lists of the operation itself with @stream."""

    operation: Operation
    parts: tuple[Part, ...]
    lists: tuple[StreamedList, ...]

    @property
    def is_whole(self) -> bool:
        """Return whether everything is sent at once."""
        return not self.parts and not self.lists


def split(supergraph: Supergraph, operation: Operation, key_of: KeyOf) -> Split:
    """Split an operation whose fragments and fields are marked (`normalize`).

    A fragment on a type without a key is not deferred, nor is any if the client uses a hidden response key.
    """
    used = {item.key for item in fields_of(operation.selections)}
    splitter = _Splitter(supergraph, operation, key_of, any(key.startswith(HIDDEN) for key in used))
    found = splitter.level(operation.selections, operation.root, ())
    lists = tuple(_lists(operation.selections, ())) if operation.kind == "query" else ()
    return Split(replace(operation, selections=found.selections), found.parts, lists)


@dataclass(slots=True)
class _Level:
    selections: Selections
    parts: tuple[Part, ...]


class _Splitter:
    def __init__(self, supergraph: Supergraph, operation: Operation, key_of: KeyOf, is_inlined: bool) -> None:
        self.supergraph = supergraph
        self.root = operation.root
        self.key_of = key_of
        self.is_inlined = is_inlined

    def level(self, selections: Selections, parent: str, path: tuple[str, ...]) -> _Level:
        """Split a selection set of objects of the type `parent` at a path."""
        kept: list[Field | Fragment] = []
        parts: list[Part] = []
        hidden: dict[str, FieldSet] = {}
        for item in selections:
            if isinstance(item, Field):
                below = self.level(item.selections, item.type_name, (*path, item.key))
                kept.append(replace(item, selections=below.selections))
                parts += below.parts
                continue
            key = self._key(item, parent)
            if item.deferred is None or key is None:
                below = self.level(item.selections, item.type, path)
                kept.append(replace(item, selections=below.selections, deferred=None))
                parts += below.parts
                continue
            inner = self.level(item.selections, item.type, ())
            parts.append(Part(path, item.type, item.deferred, key, inner.selections, inner.parts))
            hidden[item.type] = key
        first = tuple(kept)
        found = [self._rest(part, first) if part.path == path else part for part in parts]
        for name, key in hidden.items():
            kept += self._hidden(name, key, parent)
        return _Level(tuple(kept), tuple(part for part in found if part.selections or part.parts))

    def _key(self, item: Fragment, parent: str) -> FieldSet | None:
        """Return the key by which the objects of a deferred fragment are found again; None: do not defer."""
        if item.deferred is None or self.is_inlined:
            return None
        if item.type == self.root:
            return ()
        key = self.key_of(item.type)
        if key is not None and _has_directives(item.selections, {getattr(one, "name", "") for one in key}):
            return None  # a subgraph may return another value for them than the key that is known
        return key

    @staticmethod
    def _rest(part: Part, first: Selections) -> Part:
        """Return a part without the fields that are sent first."""
        return replace(part, selections=_without(part.selections, first))

    def _hidden(self, name: str, key: FieldSet, parent: str) -> list[Field | Fragment]:
        """Return the hidden fields with the key of objects of a type."""
        if not key:
            return []
        fields = [self._hidden_field(name, one) for one in key if isinstance(one, FieldSetField)]
        fields.append(Field(HIDDEN_TYPE, "__typename", name, "String!"))
        return [*fields] if name == parent else [Fragment(name, tuple(fields))]

    def _hidden_field(self, parent: str, item: FieldSetField, prefix: str = HIDDEN) -> Field:
        reference = self.supergraph.field_types[parent][item.name]
        inner = named(reference)
        below = tuple(
            self._hidden_field(inner, one, "") for one in item.selections if isinstance(one, FieldSetField)
        )
        nullable = reference.removesuffix("!")  # a key that is missing must not make its object null
        return Field(prefix + item.name, item.name, parent, nullable, selections=below)


def _has_directives(selections: Selections, names: set[str]) -> bool:
    """Return whether one of these fields has a directive for subgraphs, at any depth."""
    return any(bool(item.directives) and item.name in names for item in _all_fields(selections))


def _all_fields(selections: Selections) -> Iterator[Field]:
    for item in fields_of(selections):
        yield item
        yield from _all_fields(item.selections)


def _without(selections: Selections, sent: Selections) -> Selections:
    """Return selections without the fields that are in `sent`, so that nothing is sent twice."""
    known: dict[str, list[Field]] = {}
    for item in sent:
        if isinstance(item, Field):
            known.setdefault(item.key, []).append(item)
    left: list[Field | Fragment] = []
    for item in selections:
        if isinstance(item, Fragment):
            below = _without(item.selections, sent)
            if below:
                left.append(replace(item, selections=below))
        elif item.key not in known or item.key.startswith(HIDDEN):
            left.append(item)
        elif item.selections:
            inner = tuple(one for field in known[item.key] for one in field.selections)
            if rest := _without(item.selections, inner):
                left.append(replace(item, selections=rest))
    return tuple(left)


def _lists(selections: Selections, path: tuple[str, ...]) -> Sequence[StreamedList]:
    """Return the lists with @stream that are not inside a deferred fragment or another such list."""
    found: list[StreamedList] = []
    for item in selections:
        if isinstance(item, Fragment):
            if item.deferred is None:
                found += _lists(item.selections, path)
        elif item.streamed is not None:
            found.append(StreamedList((*path, item.key), item.streamed.label, item.streamed.initial))
        else:
            found += _lists(item.selections, (*path, item.key))
    return found
