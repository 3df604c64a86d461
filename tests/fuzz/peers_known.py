"""The kinds of differences between our responses and the peers', each with a predicate and a verdict.

A difference is judged only if our response is the monolith's: then the peer is wrong, and the kind says how.
Kinds of whole responses are recognized by the peer's requests and messages; the first that holds counts. If
none does, each place where the data differ needs a kind of its own, and the kind of the first place counts:

    ours    {"a": {"b": 1}}
    theirs  {"a": {"b": None}}
    place   (("a", "b"), 1, None)  ->  "lost without an error"
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from graphql import parse, print_ast, visit

from tests.fuzz.case import Question
from tests.fuzz.peers import Response
from tests.fuzz.peers_questions import RemoveMarks, fields_of, names_of
from tests.fuzz.rig import Outcome, Rig

Place = tuple[tuple[str | int, ...], Any, Any]
ABSENT = object()


@dataclass(frozen=True, slots=True)
class Seen:
    """One question with our outcome and a peer's response.

    `mutations`: the number of mutation fields that the monolith executes.
    """

    peer: str
    rig: Rig
    question: Question
    ours: Outcome
    theirs: Response
    mutations: int = 0

    @property
    def places(self) -> list[Place]:
        """Return where the data differ: (path, our value, their value)."""
        return list(_places(self.ours.response.get("data"), self.theirs.data, ()))

    @property
    def differs(self) -> bool:
        """Return whether the data differ, or only one of the responses has errors."""
        return bool(self.places) or bool(self.theirs.errors) != bool(self.ours.response.get("errors"))


class Kind(NamedTuple):
    """A kind of difference of a whole response. `verdict`: why the peer is wrong. `holds`: the predicate."""

    name: str
    verdict: str
    holds: Callable[[Seen], bool]


class PlaceKind(NamedTuple):
    """A kind of difference at one place of the data.

    `verdict`: why the peer is wrong. `holds`: the predicate.
    """

    name: str
    verdict: str
    holds: Callable[[Seen, Place], bool]


def kind_of(seen: Seen) -> str:
    """Return the kind of a difference; "" if there is none, "unjudged" if no kind holds."""
    if not seen.differs:
        return ""
    if seen.ours.verdict.kind:
        return "unjudged"
    whole = next((kind.name for kind in ANSWERS if kind.holds(seen)), "")
    if whole or not (places := seen.places):
        return whole or "unjudged"
    kinds = _kinds_at(seen, places)
    if all(kinds):
        return kinds[0]
    unjudged = [path for (path, _, _), kind in zip(places, kinds, strict=True) if not kind]
    plain = _plain_places(seen, {step for path in unjudged for step in path})
    dropped = plain != places and all(_kinds_at(seen, plain))
    return DIRECTIVE_NOT_SENT.name if dropped else "unjudged"


def _kinds_at(seen: Seen, places: Sequence[Place]) -> list[str]:
    """The kind of the difference at each place; "" where no kind holds."""
    return [next((kind.name for kind in PLACES if kind.holds(seen, one)), "") for one in places]


def _places(ours: Any, theirs: Any, path: tuple[str | int, ...]) -> Iterator[Place]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in {**ours, **theirs}:
            yield from _places(ours.get(name, ABSENT), theirs.get(name, ABSENT), (*path, name))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for place, (left, right) in enumerate(zip(ours, theirs, strict=True)):
            yield from _places(left, right, (*path, place))
    elif ours != theirs or isinstance(ours, bool) != isinstance(theirs, bool):
        yield path, ours, theirs


def _says(*patterns: str) -> Callable[[Seen], bool]:
    """Return a predicate: whether an error's message matches one of the patterns."""
    return lambda seen: any(re.search(one, seen.theirs.messages) for one in patterns)


def _noted(*kinds: str) -> Callable[[Seen], bool]:
    """Return a predicate: whether the subgraphs reported one of these kinds of problems."""
    return lambda seen: any(kind in kinds for kind, _ in seen.theirs.problems)


def _rounded_requests(seen: Seen) -> bool:
    """Whether a request has a big number that neither the client nor the schema has written."""
    written = _big(f"{seen.question.query} {json.dumps(seen.question.variables)} {seen.rig.supergraph}")
    return any(
        not _big(f"{one.query} {json.dumps(one.variables)}") <= written for one in seen.theirs.requests
    )


def _big(text: str) -> set[str]:
    return set(re.findall(r"-?\d{16,}|\de\+\d\d", text))


def _again(seen: Seen) -> bool:
    return seen.mutations > 0 and seen.theirs.mutations > seen.mutations


def _lost(_: Seen, place: Place) -> bool:
    return place[2] is None or place[2] is ABSENT


def _behind_interface_object(seen: Seen, place: Place) -> bool:
    faces = {name for subgraph in seen.rig.subgraphs.values() for name in subgraph.facts.interface_objects}
    return _lost(seen, place) and any(
        one.get("__typename") in faces
        for request in seen.theirs.requests
        for value in request.variables.values()
        if isinstance(value, list)
        for one in value
        if isinstance(one, dict)
    )


def _root_name(seen: Seen, place: Place) -> bool:
    own = {name for subgraph in seen.rig.subgraphs.values() for name in subgraph.kinds}
    return place[1] in ("Query", "Mutation") and isinstance(place[2], str) and place[2] in own


def _told(seen: Seen, place: Place) -> bool:
    """Return whether a place is in a field that has an argument from a context."""
    return _within(seen, place, {name for _, name in seen.rig.world.contexts})


def _input_with_arguments(seen: Seen, place: Place) -> bool:
    """Return whether a place is in a field with arguments that some @requires selects."""
    wanted = {item.name.value for one in seen.rig.world.requirements.values() for item in fields_of(one)}
    types = (getattr(kind, "fields", None) or {} for kind in seen.rig.world.schema.type_map.values())
    takes = {name for fields in types for name, one in fields.items() if getattr(one, "args", None)}
    return _within(seen, place, wanted & takes)


def _within(seen: Seen, place: Place, fields: set[str]) -> bool:
    """Return whether a place is in one of these fields."""
    names = names_of(seen.question)
    return any(names.get(str(step), set()) & fields for step in place[0])


def _taken_alias(seen: Seen, place: Place) -> bool:
    """Return whether a place is under an alias that is the name of another field."""
    keys = [step for step in place[0] if isinstance(step, str)]
    fields = (getattr(kind, "fields", None) or () for kind in seen.rig.world.schema.type_map.values())
    return bool(
        keys and any(keys[-1] in names for names in fields) and names_of(seen.question)[keys[-1]] - {keys[-1]}
    )


def _plain_places(seen: Seen, steps: set[str | int]) -> list[Place]:
    """Where a peer's data differ from the monolith's answer to the operation without some directives.

    `steps`: the response keys of the fields whose `@mark` is left out.
    """
    document = visit(parse(seen.question.query), RemoveMarks(steps))
    plain = replace(seen.question, query=print_ast(document))
    return list(_places(seen.rig.monolith(plain).data, seen.theirs.data, ()))


def _interface_as_type(seen: Seen, place: Place) -> bool:
    faces = {name for subgraph in seen.rig.subgraphs.values() for name in subgraph.facts.interface_objects}
    return isinstance(place[2], str) and place[2] in faces and place[1] in seen.rig.world.schema.type_map


def _rounded(_: Seen, place: Place) -> bool:
    ours, theirs = place[1:]
    both = isinstance(ours, int) and isinstance(theirs, int | float)
    return both and abs(ours) > 2**53 and float(ours) == float(theirs)


def _longer(_: Seen, place: Place) -> bool:
    ours, theirs = place[1:]
    if not isinstance(ours, list) or not isinstance(theirs, list) or not 0 < len(ours) < len(theirs):
        return False
    return theirs == ours * (len(theirs) // len(ours))


def _not_reported(seen: Seen) -> bool:
    errors = seen.ours.response.get("errors") or ()
    return not seen.theirs.errors and any("null for this entity" in one["message"] for one in errors)


ANSWERS: Sequence[Kind] = (
    Kind(
        "contexts: the supergraph does not load",
        "Apollo Gateway does not know the spec of @context, and it is required for security",
        _says(r"does not load: .*(?s:.*)/context/v0\.1"),
    ),
    Kind(
        "the supergraph does not load",
        "Hive Gateway stitches the subgraphs and does not choose between two descriptions of one"
        " type, field or enum;"
        " Apollo Gateway and Hive's Rust planner take the supergraph as it is",
        _says("does not load: .*Multiple canonical definitions"),
    ),
    Kind(
        "the process ends",
        "the planner panics and takes the process with it: a valid query has to be answered",
        _says("^the process ended"),
    ),
    Kind(
        "no answer",
        "planning or merging does not end in time: the other peers and we need milliseconds for the query",
        _says("^no answer: killed"),
    ),
    Kind(
        "big numbers: not read",
        "integers beyond 64 bits are valid constants for a custom scalar; Hive's Rust planner refuses them",
        _says("number too (?:small|large) to fit in target type", "ParseIntError"),
    ),
    Kind(
        "no plan",
        "the planner finds no way to a field that composition has proven reachable",
        _says("Failed to plan query", "cannot be satisfied by the subschemas"),
    ),
    Kind(
        "crashes while it merges",
        "a TypeError of its own: it writes into a scalar as if it were an object",
        _says(
            "Cannot create property", "Cannot use 'in' operator", "called on non-object", "is not a function"
        ),
    ),
    Kind(
        "invalid subgraph request",
        "the request is not valid in the subgraph's own schema: fields that can't be merged, or"
        " types it does not have",
        _noted("invalid request"),
    ),
    Kind(
        "field with @requires asked without a representation",
        "the subgraph gets no input, because the field is asked below another field of the subgraph,"
        " not through"
        " _entities",
        _noted("no inputs"),
    ),
    Kind(
        "field with @requires asked without its inputs",
        "the representation lacks fields that @requires names",
        _noted("missing input"),
    ),
    Kind(
        "field with @requires asked with wrong inputs",
        "an input was taken from the client's own selection of the field, which has other arguments",
        _noted("wrong input"),
    ),
    Kind(
        "representation of no entity",
        "the representation has no key of the subgraph, or null in it",
        _noted("no entity"),
    ),
    Kind(
        "external field asked",
        "the subgraph does not resolve the field where it is asked",
        _noted("external field"),
    ),
    Kind(
        "big numbers: rounded in a request",
        "an argument is an integer beyond 2^53; JavaScript rounds it on its way to the subgraph",
        _rounded_requests,
    ),
    Kind(
        "mutation executed twice",
        "two selections of one root field are one field (GraphQL, CollectFields); the peer executes"
        " it for each",
        _again,
    ),
    Kind(
        "no type for an interface object",
        "the object comes as @interfaceObject, and its own type is not fetched before the answer is"
        " completed",
        _says("was resolved to a non-object type"),
    ),
    Kind(
        "missing input not reported",
        "a field is null because a subgraph does not know the entity whose field is its input; without an"
        " error the client can't tell this from a value that is null",
        _not_reported,
    ),
    Kind(
        "lost, and null goes up",
        "the monolith has a value there, with the same faults; the peer does not fetch or merge it",
        _says("Cannot return null for non-nullable field"),
    ),
)

DIRECTIVE_NOT_SENT = Kind(
    "executable directive not sent",
    "the subgraph defines the directive and the client writes it on the field; the peer drops it, and its"
    " answer is the one to the operation without the directive",
    lambda _: False,  # `kind_of` decides it by another question to the monolith
)
PLACES: Sequence[PlaceKind] = (
    PlaceKind(
        "big numbers: rounded",
        "the value of a custom scalar is an integer beyond 2^53; JavaScript rounds it",
        _rounded,
    ),
    PlaceKind(
        "the interface as an object's type",
        "an object comes as @interfaceObject; its __typename is its own type, not the interface",
        _interface_as_type,
    ),
    PlaceKind(
        "contexts: the argument is not sent",
        "@fromContext gives the argument; the peer asks the field without it",
        _told,
    ),
    PlaceKind(
        "root type under the subgraph's name",
        "__typename of a root is the name in the API schema, not the one that the subgraph gives to its root",
        _root_name,
    ),
    PlaceKind(
        "lost behind an interface object",
        "the object comes as @interfaceObject; its own type is not fetched before type conditions"
        " are applied, and what"
        " stands under them is left out or null",
        _behind_interface_object,
    ),
    PlaceKind(
        "list written twice",
        "two answers with one list are joined end to end instead of item by item",
        _longer,
    ),
    PlaceKind(
        "lost without an error",
        "the monolith has a value there, with the same faults; the peer answers null, or leaves the"
        " field out",
        _lost,
    ),
    PlaceKind(
        "input of @requires with arguments",
        "the client's field and the input have different arguments and meet under one name",
        _input_with_arguments,
    ),
    PlaceKind(
        "alias with another field's name",
        "the client's alias is the name of a key or input, and one value is taken for the other",
        _taken_alias,
    ),
)
