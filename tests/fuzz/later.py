"""Random operations with @defer and @stream: what is sent in parts, merged, is what is sent at once.

The two formats are merged as their clients do, by the path of each part or by the path of its id.
"""

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    InlineFragmentNode,
    NameNode,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    get_nullable_type,
    is_list_type,
    parse,
    print_ast,
    visit,
)
from graphql.language import ArgumentNode, IntValueNode

from gateway.core.errors import RequestError
from gateway.core.streams import StreamEnd, StreamPart
from gateway.engine import Engine
from gateway.incremental.prepare import prepare_incremental
from gateway.incremental.stream import IncrementalStream
from gateway.pipeline import check, pick, variables_for
from gateway.supergraph.incremental import with_incremental
from tests.fuzz.case import Question
from tests.fuzz.rig import Rig
from tests.gateway.support import inputs_of


class _Deferring(Visitor):
    """Moves random fields into fragments with @defer, and marks random lists with @stream."""

    def __init__(self, r: Random, types: TypeInfo, lists: bool) -> None:
        super().__init__()
        self.r = r
        self.lists = lists
        self.types = types

    def leave_selection_set(self, node: SelectionSetNode, *_: Any) -> SelectionSetNode:
        """Move some of the fields into a fragment."""
        parent = get_named_type(self.types.get_type() or self.types.get_parent_type())
        if self.r.random() < 0.5 or parent is None or parent.name.startswith("__"):
            return node
        later = [one for one in node.selections if self.r.random() < 0.4]
        if not later:
            return node
        defer = DirectiveNode(name=NameNode(value="defer"), arguments=())
        inner = SelectionSetNode(selections=tuple(later))
        fragment = InlineFragmentNode(type_condition=None, directives=(defer,), selection_set=inner)
        kept = tuple(one for one in node.selections if one not in later)
        return SelectionSetNode(selections=(*kept, fragment))

    def leave_field(self, node: FieldNode, *_: Any) -> FieldNode | None:
        """Mark some lists."""
        kind = self.types.get_type()
        if (
            not self.lists
            or self.r.random() < 0.6
            or kind is None
            or not is_list_type(get_nullable_type(kind))
        ):
            return None
        number = IntValueNode(value=str(self.r.randrange(3)))
        count = ArgumentNode(name=NameNode(value="initialCount"), value=number)
        stream = DirectiveNode(name=NameNode(value="stream"), arguments=(count,))
        return FieldNode(
            alias=node.alias,
            name=node.name,
            arguments=node.arguments,
            directives=(*(node.directives or ()), stream),
            selection_set=node.selection_set,
        )


def deferred(query: str, engine: Engine, seed: str) -> str | None:
    """Return a query with random @defer and @stream; without @stream if fields that are merged differ in it.

    None if no such query is valid.
    """
    document: DocumentNode = parse(query, no_location=True)
    for lists in (True, False):
        types = TypeInfo(engine.supergraph.api)
        found = print_ast(visit(document, TypeInfoVisitor(types, _Deferring(Random(seed), types, lists))))
        with suppress(RequestError):
            check(engine, found)
            return found
    return None


class Parts:
    """Receives the payloads."""

    def __init__(self) -> None:
        self.payloads: list[Any] = []
        self.over = asyncio.Event()

    def part(self, part: StreamPart) -> None:
        """Record a payload."""
        self.payloads.append(json.loads(part.body))

    def ended(self, end: StreamEnd) -> None:
        """Record the end."""
        self.over.set()


async def payloads_of(engine: Engine, query: str, question: Question, form: str) -> list[Any] | None:
    """Return the payloads of a query; None if everything is sent at once."""
    checked = check(engine, query)
    node = pick(checked, None)
    variables = variables_for(engine, node, question.variables)
    prepared = prepare_incremental(engine, checked, node, variables, frozenset(question.labels))
    if prepared.later is None:
        return None
    parts = Parts()
    IncrementalStream(prepared.later, engine, inputs_of(engine, variables), form).attach(parts)
    await asyncio.wait_for(parts.over.wait(), 20)
    return parts.payloads


def merged(payloads: list[Any]) -> Any:
    """Return the data of all payloads together, in either format."""
    first, *rest = payloads
    data = first["data"]
    places = {one["id"]: one["path"] for one in first.get("pending", ())}
    assert [one["hasNext"] for one in payloads] == [*([True] * len(rest)), False]
    for payload in rest:
        places.update({one["id"]: one["path"] for one in payload.get("pending", ())})
        for item in payload.get("incremental", ()):
            path = item["path"] if "path" in item else places[item["id"]]
            if "items" in item:
                path = path[:-1] if "path" in item else path
                _at(data, path).extend(item["items"])
            elif item["data"] is not None:
                _join(_at(data, path), item["data"])
    return data


def _at(data: Any, path: list[Any]) -> Any:
    for step in path:
        data = data[step]
    return data


def _join(target: Any, more: Any) -> None:
    for key, value in more.items() if isinstance(more, dict) else enumerate(more):
        known = target.get(key) if isinstance(target, dict) else target[key] if key < len(target) else None
        if isinstance(known, dict | list) and isinstance(value, dict | list):
            _join(known, value)
        else:
            target[key] = value


def engine_with_later(rig: Rig) -> Engine:
    """Return the engine of a rig, whose clients may use @defer and @stream."""
    supergraph = rig.engine.supergraph
    return replace(rig.engine, supergraph=replace(supergraph, api=with_incremental(supergraph.api)))


def play(rig: Rig, question: Question, seed: str, runner: asyncio.Runner) -> tuple[bool, str]:
    """Return whether parts were sent later, and what differs from the response at once ("" for nothing)."""
    engine = engine_with_later(rig)
    query = deferred(question.query, engine, seed)
    if query is None:
        return False, ""
    found = False
    want = rig.monolith(question).data
    for form in ("2022", "v0.2"):
        rig.begin(question)
        payloads = runner.run(payloads_of(engine, query, question, form))
        if payloads is None:
            continue
        found = True
        got = merged(payloads)
        if got != want:
            return True, f"{form}\n{query}\n{question.variables}\nwant {want}\ngot {got}\n{payloads}"
    return found, ""
