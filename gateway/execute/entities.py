"""Entities: collecting the objects at a path, making representations of them, scattering what came back."""

from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.core.envelope import encode_json
from gateway.core.failure import Failure, ResponsePath
from gateway.core.numbers import number_mark
from gateway.plan.nodes import Lookup, Path, Representation, RepresentationField, Selection, Target

Tree = dict[str, Any]
Objects = list[tuple[Tree, ResponsePath]]


@dataclass(slots=True)
class EntityBatch:
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


def collect(
    data: Tree, lookup: Lookup, fallback: bool = False, only: Collection[int] | None = None
) -> EntityBatch:
    """The batch of a lookup; one representation per distinct entity.

    An object whose key or inputs failed gets that failure in place of what the lookup would have brought.
    With a `fallback`, objects that lack inputs are set apart. `only` restricts it to some objects (by their
    `id`).
    """
    batch = EntityBatch(lookup, lacking=[] if fallback else None)
    known: dict[Hashable, int] = {}
    for target in lookup.targets:
        for item, where in objects_at(data, target.path):
            if only is None or id(item) in only:
                add(batch, known, target, item, where)
    return batch


def add(
    batch: EntityBatch, known: dict[Hashable, int], target: Target, item: Tree, where: ResponsePath
) -> None:
    """Put an object into a batch; `known` are the positions of the representations by what marks them."""
    template = _template(target, item)
    if template is None:
        return
    made, failure = _make(template, item)
    if failure is not None:
        if made is not None and batch.lacking is not None:
            batch.lacking.append((item, where))
        else:
            fail(item, batch.lookup.selection, failure if made is None else failure.of_field())
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


def fitting(fields: tuple[RepresentationField, ...], item: Tree) -> Iterator[RepresentationField]:
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


def _put(made: dict[str, Any], one: RepresentationField, item: Tree) -> Failure | None:
    """Put a field into a representation; the failure where there is no value for it."""
    if one.key not in item:
        return _missing(one, f"no value for {one.name}")
    found = item[one.key]
    value = _complete(one, one.type, found)
    if value is None and one.type.endswith("!"):
        value = (
            found
            if isinstance(found, Failure)
            else _missing(one, f"null for {one.name}, which can't be null")
        )
    if isinstance(value, Failure):
        return value.loud()
    made[one.name] = _joined(made[one.name], value) if one.below and one.name in made else value
    return None


def _missing(one: RepresentationField, gave: str) -> Failure:
    return Failure(f"subgraph {one.subgraph} gave {gave}", "SUBGRAPH_BAD_RESPONSE", one.subgraph)


def _complete(one: RepresentationField, reference: str, value: Any) -> Any:
    """What is read of a value; a null that may not be makes the value around it null (GraphQL spec, 6.4.4).

    A failure anywhere else stands for the whole value.
    """
    if isinstance(value, Failure):
        return None if value.reads_as_null else value
    if isinstance(value, list):
        bare = reference.removesuffix("!")
        inner = bare[1:-1] if bare.startswith("[") else bare
        items = [_complete(one, inner, each) for each in value] if one.below or "!" in inner else value
        return _first_lost(items, inner.endswith("!"), items)
    return _completed(one, value) if one.below and isinstance(value, dict) else value


def _completed(one: RepresentationField, item: Tree) -> Any:
    """What is read of an object below a field."""
    made: dict[str, Any] = {}
    if one.typed and "__typename" in item:
        made["__typename"] = item["__typename"]
    for inner in fitting(one.below, item):
        if inner.key not in item:
            return _missing(inner, f"no value for {inner.name}")
        part = _complete(inner, inner.type, item[inner.key])
        if (lost := _first_lost([part], inner.type.endswith("!"), made)) is not made:
            return lost
        made[inner.name] = _joined(made[inner.name], part) if inner.below and inner.name in made else part
    return made


def _first_lost(parts: list[Any], strict: bool, whole: Any) -> Any:
    """What becomes of a whole by its parts: null where a `strict` one is, a failure where one failed."""
    for part in parts:
        if strict and (part is None or (isinstance(part, Failure) and part.quiet)):
            return None
        if isinstance(part, Failure):
            return part
    return whole


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


def fail(item: Tree, selection: Selection, failure: Failure) -> None:
    """Put a failure where a selection would have brought values, leaving what is there."""
    for out in selection.fields:
        if item.get(out.key) is None and out.name != "__typename":
            item[out.key] = failure
    for types, inner in selection.fragments:
        if typename_of(item) is None or typename_of(item) in types:
            fail(item, inner, failure)
