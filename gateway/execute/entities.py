"""Entities: collecting the objects at a path, making representations of them, scattering what came back."""

from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.core.envelope import encode_json
from gateway.core.failure import Failure, ResponsePath
from gateway.core.numbers import number_mark
from gateway.plan.nodes import Lookup, Path, RepField, Representation, Selection, Target

Tree = dict[str, Any]
Objects = list[tuple[Tree, ResponsePath]]


@dataclass(slots=True)
class Batch:
    """The distinct representations of one lookup, and the objects (with their paths) behind each.

    `lacking` are the objects without an input of some fields; None where these fields have no fallback.
    """

    lookup: Lookup
    representations: list[dict[str, Any]] = field(default_factory=list)
    objects: list[Objects] = field(default_factory=list)
    lacking: Objects | None = None

    @property
    def everyone(self) -> Iterator[tuple[Tree, ResponsePath]]:
        """Every object of the batch."""
        for group in self.objects:
            yield from group

    def written(self) -> list[bytes]:
        """The representations as JSON. Raises TypeError for a value that JSON can't hold."""
        return [encode_json(one) for one in self.representations]


def typename_of(item: Tree) -> str | None:
    """An object's run-time type, if a subgraph said it as it should."""
    found = item.get("__typename")
    return found if isinstance(found, str) else None


def mark_of(representation: dict[str, Any]) -> Hashable:
    """What representations of equal values share: 1 and 1.0 are one number, 1 and true are not one value."""
    values = [value if value.__class__ is str else _frozen(value) for value in representation.values()]
    return tuple(representation), tuple(values)


def _frozen(value: Any) -> Hashable:
    if isinstance(value, dict):
        return frozenset((key, _frozen(inner)) for key, inner in value.items())
    if isinstance(value, list):
        return tuple([_frozen(inner) for inner in value])
    if isinstance(value, float):
        return number_mark(value)
    return (value,) if isinstance(value, bool) else value


def objects_at(data: Tree, path: Path) -> list[tuple[Tree, ResponsePath]]:
    """The objects at a path and where they are.

    Lists on the way are flattened, nulls and failures passed over.
    """
    found: list[tuple[Tree, ResponsePath]] = [(data, ())]
    for step in path:
        following: list[tuple[Tree, ResponsePath]] = []
        for item, where in found:
            _flatten(item.get(step.key), (*where, step.key), following)
        if step.types is not None:
            following = [one for one in following if typename_of(one[0]) in step.types]
        found = following
    return found


def _flatten(value: Any, where: ResponsePath, into: list[tuple[Tree, ResponsePath]]) -> None:
    if isinstance(value, dict):
        into.append((value, where))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _flatten(item, (*where, index), into)


def chain_to(data: Tree, where: ResponsePath) -> tuple[Tree, ...]:
    """The objects on the way to a place of the tree, the root first and the object there last."""
    chain = [data]
    value: Any = data
    for step in where:
        value = value[step]
        if isinstance(value, dict):
            chain.append(value)
    return tuple(chain)


def collect(data: Tree, lookup: Lookup, fallback: bool = False, only: Collection[int] | None = None) -> Batch:
    """The batch of a lookup; one representation per distinct entity.

    An object whose key or inputs failed gets that failure in place of what the lookup would have brought.
    With a `fallback`, objects that lack inputs are set apart. `only` restricts it to some objects (by their
    `id`).
    """
    batch = Batch(lookup, lacking=[] if fallback else None)
    known: dict[Hashable, int] = {}
    for target in lookup.targets:
        for item, where in objects_at(data, target.path):
            if only is None or id(item) in only:
                add(batch, known, target, item, where)
    return batch


def add(batch: Batch, known: dict[Hashable, int], target: Target, item: Tree, where: ResponsePath) -> None:
    """Put an object into a batch; `known` are the positions of the representations by what marks them."""
    template = _template(target, item)
    if template is None:
        return
    made, failure = _make(template, item)
    if failure is not None:
        if made is not None and batch.lacking is not None:
            batch.lacking.append((item, where))
        else:
            fail(item, batch.lookup.selection, failure)
        return
    if made is None:
        return
    index = known.setdefault(mark_of(made), len(batch.representations))
    if index == len(batch.representations):
        batch.representations.append(made)
        batch.objects.append([])
    batch.objects[index].append((item, where))


def _template(target: Target, item: Tree) -> Representation | None:
    for template in target.representations:
        if template.types is None or typename_of(item) in template.types:
            return template
    return None


def _make(template: Representation, item: Tree) -> tuple[dict[str, Any] | None, Failure | None]:
    """A representation, and the failure of an input; without a key it is None."""
    made: dict[str, Any] = {"__typename": template.typename or typename_of(item)}
    lacking: Failure | None = None
    for one in fitting(template.fields, item):
        if failure := _put(made, one, item):
            if one not in template.inputs:
                return None, failure
            lacking = lacking or failure
    return made, lacking


def fitting(fields: tuple[RepField, ...], item: Tree) -> Iterator[RepField]:
    """The fields that are read of an object, by its run-time type."""
    for one in fields:
        if one.types is None or typename_of(item) in one.types:
            yield one


def each(value: Any, read: Callable[[Any], Any]) -> Any:
    """What is read of a value, or of each in a list (of lists).

    The first failure stands for all of a list.
    """
    if isinstance(value, list):
        out = [each(item, read) for item in value]
        return next((item for item in out if isinstance(item, Failure)), out)
    return read(value)


def _put(made: dict[str, Any], one: RepField, item: Tree) -> Failure | None:
    """Put a field into a representation; the failure where there is no value for it."""
    value = item.get(one.key)
    if value is None and not (one.nullable and one.key in item):
        return _missing(one, one.key in item)
    if isinstance(value, Failure):
        return value.loud()
    if one.below:
        value = _below(value, one)
        if isinstance(value, Failure):
            return value
        if one.name in made:
            value = _joined(made[one.name], value)
    made[one.name] = value
    return None


def _missing(one: RepField, is_null: bool) -> Failure:
    gave = f"null for {one.name}, which can't be null" if is_null else f"no value for {one.name}"
    return Failure(f"subgraph {one.subgraph} gave {gave}", "SUBGRAPH_BAD_RESPONSE", one.subgraph)


def _joined(first: Any, second: Any) -> Any:
    """One value out of what two field sets read of it."""
    if isinstance(first, dict) and isinstance(second, dict):
        return {
            **first,
            **{key: _joined(first[key], value) if key in first else value for key, value in second.items()},
        }
    if isinstance(first, list) and isinstance(second, list):
        return [_joined(*pair) for pair in zip(first, second, strict=True)]
    return second


def _below(value: Any, one: RepField) -> Any:
    def read(item: Any) -> Any:
        if not isinstance(item, dict):
            return item
        made: dict[str, Any] = {}
        if one.typed and "__typename" in item:
            made["__typename"] = item["__typename"]
        for inner in fitting(one.below, item):
            if failure := _put(made, inner, item):
                return failure
        return made

    return each(value, read)


def fail(item: Tree, selection: Selection, failure: Failure) -> None:
    """Put a failure where a selection would have brought values, leaving what is there."""
    for out in selection.fields:
        if item.get(out.key) is None and out.name != "__typename":
            item[out.key] = failure
    for types, inner in selection.fragments:
        if typename_of(item) is None or typename_of(item) in types:
            fail(item, inner, failure)
