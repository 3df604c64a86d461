"""Entities on the exact path: finds the objects that a lookup needs, and makes their representations.

Objects that are the same entity share a representation, so that the subgraph resolves it once.
"""

from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.core.failure import Failure, ResponsePath
from gateway.core.jsontext import encode_json
from gateway.core.numbers import number_key
from gateway.plan.nodes import Lookup, Path, Representation, RepresentationField, Selection, Target

Tree = dict[str, Any]
Objects = list[tuple[Tree, ResponsePath]]


@dataclass(slots=True)
class EntityBatch:
    """The distinct representations of one lookup.

    `objects`: for each representation the objects, with their response paths, that have it. `missing_inputs`:
    the objects that lack a @requires input of some fields; None if the fetch has no fallback.
    """

    lookup: Lookup
    representations: list[dict[str, Any]] = field(default_factory=list)
    objects: list[Objects] = field(default_factory=list)
    missing_inputs: Objects | None = None

    @property
    def all_objects(self) -> Iterator[tuple[Tree, ResponsePath]]:
        """Yield every object of the batch, with its response path."""
        for group in self.objects:
            yield from group

    def encoded(self) -> list[bytes]:
        """Return the representations as JSON. Raises TypeError for a value that JSON can't represent."""
        return [encode_json(one) for one in self.representations]


def typename_of(item: Tree) -> str | None:
    """Return an object's `__typename`; None if it is missing or not a string."""
    found = item.get("__typename")
    return found if isinstance(found, str) else None


def representation_key(representation: dict[str, Any]) -> Hashable:
    """Return a hashable key: representations with equal values have equal keys.

    As in JSON, 1 equals 1.0, but 1 does not equal true.
    """
    values = [value if value.__class__ is str else value_key(value) for value in representation.values()]
    return tuple(representation), tuple(values)


def value_key(value: Any) -> Hashable:
    """Return a hashable key of a decoded JSON value: equal values have equal keys, as in JSON."""
    if isinstance(value, dict):
        return frozenset((key, value_key(inner)) for key, inner in value.items())
    if isinstance(value, list):
        return tuple([value_key(inner) for inner in value])
    if isinstance(value, float):
        return number_key(value)
    return (value,) if isinstance(value, bool) else value


def objects_at(data: Tree, path: Path) -> list[tuple[Tree, ResponsePath]]:
    """Return the objects at a path, each with its response path.

    Items of lists count; nulls and failures do not.
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
    """Append the object in `value`, or all objects of a (nested) list, to `into`."""
    if isinstance(value, dict):
        into.append((value, where))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _flatten(item, (*where, index), into)


def objects_above(data: Tree, where: ResponsePath) -> tuple[Tree, ...]:
    """Return the objects along a response path, from the root to the object at its end."""
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
    """Return the batch of a lookup, with one representation per distinct entity.

    An object whose key or input failed gets this failure as the value of the fields to look up. `fallback`:
    objects that lack only inputs go into `missing_inputs` instead. `only`: the `id()`s of the objects to
    include; None for all.
    """
    batch = EntityBatch(lookup, missing_inputs=[] if fallback else None)
    known: dict[Hashable, int] = {}
    for target in lookup.targets:
        for item, where in objects_at(data, target.path):
            if only is None or id(item) in only:
                add(batch, known, target, item, where)
    return batch


def add(
    batch: EntityBatch, known: dict[Hashable, int], target: Target, item: Tree, where: ResponsePath
) -> None:
    """Add an object to a batch. `known`: the index of each representation, by `representation_key`."""
    template = _template(target, item)
    if template is None:
        return
    made, failure = _make(template, item)
    if failure is not None:
        if made is not None and batch.missing_inputs is not None:
            batch.missing_inputs.append((item, where))
        else:
            fail(item, batch.lookup.selection, failure if made is None else failure.as_field_failure())
        return
    if made is None:
        return
    index = known.setdefault(representation_key(made), len(batch.representations))
    if index == len(batch.representations):
        batch.representations.append(made)
        batch.objects.append([])
    batch.objects[index].append((item, where))


def _template(target: Target, item: Tree) -> Representation | None:
    """Return how to make a representation of the object `item`; None if the lookup is not for its type."""
    for template in target.representations:
        if template.types is None or typename_of(item) in template.types:
            return template
    return None


def _make(template: Representation, item: Tree) -> tuple[dict[str, Any] | None, Failure | None]:
    """Return an object's representation, and the failure of the first missing input if there is one.

    Without a key value the representation is None.
    """
    made: dict[str, Any] = {"__typename": template.typename or typename_of(item)}
    missing_inputs: Failure | None = None
    for one in fitting(template.fields, item):
        if failure := _add_field(made, one, item):
            if one not in template.inputs:
                return None, failure
            missing_inputs = missing_inputs or failure
    return made, missing_inputs


def fitting(fields: tuple[RepresentationField, ...], item: Tree) -> Iterator[RepresentationField]:
    """Yield the representation fields that apply to the object's run-time type."""
    for one in fields:
        if one.types is None or typename_of(item) in one.types:
            yield one


def map_nested(value: Any, read: Callable[[Any], Any]) -> Any:
    """Apply a function to a value, or to each item of a nested list.

    If it returns a Failure for an item, the result is that failure instead of the list.
    """
    if isinstance(value, list):
        out = [map_nested(item, read) for item in value]
        return next((item for item in out if isinstance(item, Failure)), out)
    return read(value)


def _add_field(made: dict[str, Any], one: RepresentationField, item: Tree) -> Failure | None:
    """Add a field's value to a representation; return the failure if there is no value."""
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
        return value.as_error()
    made[one.name] = _merged(made[one.name], value) if one.below and one.name in made else value
    return None


def _missing(one: RepresentationField, found: str) -> Failure:
    """Return the failure for a value that a subgraph did not return. `found`: what it returned, as text."""
    return Failure(f"subgraph {one.subgraph} returned {found}", "SUBGRAPH_BAD_RESPONSE", one.subgraph)


def _complete(one: RepresentationField, reference: str, value: Any) -> Any:
    """Return the value of a representation field; a forbidden null makes the enclosing value null.

    See GraphQL spec, 6.4.4. Any other failure in the value replaces the whole value. `reference`: the value's
    type.
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
    """Return the fields of an object value that the representation sends; a failure or None if one is
    missing.
    """
    made: dict[str, Any] = {}
    if one.typed and "__typename" in item:
        made["__typename"] = item["__typename"]
    for inner in fitting(one.below, item):
        if inner.key not in item:
            return _missing(inner, f"no value for {inner.name}")
        part = _complete(inner, inner.type, item[inner.key])
        if (lost := _first_lost([part], inner.type.endswith("!"), made)) is not made:
            return lost
        made[inner.name] = _merged(made[inner.name], part) if inner.below and inner.name in made else part
    return made


def _first_lost(parts: list[Any], strict: bool, whole: Any) -> Any:
    """Return the value `whole` of these parts (fields or items), unless a part is lost.

    A null part makes the value None if `strict`: the part's type is non-null. Any other failure of a part
    replaces the value.
    """
    for part in parts:
        if strict and (part is None or (isinstance(part, Failure) and part.quiet)):
            return None
        if isinstance(part, Failure):
            return part
    return whole


def _merged(first: Any, second: Any) -> Any:
    """Merge two values of one field, of which two field sets select different parts."""
    if isinstance(first, dict) and isinstance(second, dict):
        return {
            **first,
            **{key: _merged(first[key], value) if key in first else value for key, value in second.items()},
        }
    if isinstance(first, list) and isinstance(second, list):
        return [_merged(*pair) for pair in zip(first, second, strict=True)]
    return second


def fail(item: Tree, selection: Selection, failure: Failure) -> None:
    """Set a failure as the value of each field of a selection that has no value yet."""
    for out in selection.fields:
        if item.get(out.key) is None and out.name != "__typename":
            item[out.key] = failure
    for types, inner in selection.fragments:
        if typename_of(item) is None or typename_of(item) in types:
            fail(item, inner, failure)
