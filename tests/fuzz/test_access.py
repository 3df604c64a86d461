"""Authorization on random supergraphs and rights: the answer with some rights is the answer with all rights
without what is denied.

Random fields and types need random scopes. Callers with different rights send one operation at the same
moment to one gateway, with shared executions, the loader and the plan cache. The reference takes the
monolith's whole answer, with the type of every object, and leaves out what is denied by walking the document.
"""

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    is_composite_type,
    parse,
    print_ast,
    visit,
)
from graphql.language import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    NameNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from gateway.answering import Gateway
from gateway.core.context import Identity, RequestContext
from gateway.core.envelope import encoded_body
from gateway.core.jsontext import read_json
from gateway.plugins import Hooks
from gateway.request.authorize import index_access
from gateway.request.graphql_request import GraphQLRequest
from gateway.request.variables import included
from gateway.supergraph.metadata import Access, ElementMetadata, MetadataTable
from tests.fuzz.case import Question
from tests.fuzz.operations import random_operation
from tests.fuzz.rig import Rig
from tests.fuzz.run import supply_of

SCOPES = ("a", "b", "c")
TYPE = "type_of_object"
Path = tuple[str, ...]


class CallerFromHeader:
    """A plugin that takes the scopes from a header, as a token would have them."""

    def on_request(self, context: RequestContext, request: GraphQLRequest) -> None:
        scopes = frozenset(context.headers.get("x-scopes", "").split())
        context.identity = Identity("u", scopes, key=scopes, authenticated=True)


def random_access(r: Random, schema: GraphQLSchema) -> MetadataTable:
    """Return random requirements of object types and their fields."""
    types, fields = {}, {}
    for name, kind in schema.type_map.items():
        if isinstance(kind, GraphQLObjectType) and not name.startswith("__"):
            if name not in ("Query", "Mutation") and r.random() < 0.1:
                types[name] = _needs(r)
            fields.update({(name, item): _needs(r) for item in kind.fields if r.random() < 0.15})
    return MetadataTable(types, fields)


def _needs(r: Random) -> ElementMetadata:
    return ElementMetadata(access=Access(scopes=(frozenset(r.sample(SCOPES, r.choice((1, 1, 2)))),)))


class Reference:
    """The right answer for one caller."""

    def __init__(self, schema: GraphQLSchema, table: MetadataTable, scopes: frozenset[str]) -> None:
        self.schema = schema
        self.table = table
        self.scopes = scopes

    def lacks(self, metadata: ElementMetadata) -> bool:
        return metadata.access is not None and not any(one <= self.scopes for one in metadata.access.scopes)

    def members(self, name: str) -> list[str]:
        """Return a type and, for an interface, its object types."""
        kind = self.schema.type_map[name]
        more = self.schema.get_possible_types(kind) if isinstance(kind, GraphQLInterfaceType) else ()
        return [name, *(one.name for one in more)]

    def type_denied(self, name: str) -> bool:
        return any(self.lacks(self.table.of_type(one)) for one in self.members(name))

    def field_denied(self, parent: str, node: FieldNode) -> bool:
        """Return whether a field that is selected on a type is denied, itself or its type."""
        kind: Any = self.schema.type_map[parent]
        name = node.name.value
        if name == "__typename":
            return False
        below = get_named_type(kind.fields[name].type).name
        own = any(self.lacks(self.table.of_field(one, name)) for one in self.members(parent))
        return own or self.type_denied(below)

    def answer(self, question: Question, data: Any) -> tuple[Any, set[Path]]:
        """Return data and the paths of errors. `data`: the monolith's, with the type of every object."""
        document = parse(question.query)
        fragments = {
            one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
        }
        (operation,) = (one for one in document.definitions if isinstance(one, OperationDefinitionNode))
        root = self.schema.get_root_type(operation.operation)
        assert root is not None
        values = {
            **{
                one.variable.name.value: read_json(print_ast(one.default_value))
                for one in operation.variable_definitions or ()
                if one.default_value and str(print_ast(one.type)).startswith("Boolean")
            },
            **question.variables,
        }
        walk = _Walk(self, fragments, values)
        walk.places(operation.selection_set, root.name, {root.name}, ())
        try:
            found = walk.object([(operation.selection_set, root.name, False)], root.name, data)
        except _Null:
            found = None
        return found, walk.denied


class _Null(Exception):
    """A null that goes up."""


class _Walk:
    """Leaves out what is denied. `denied`: the paths of denied places."""

    def __init__(self, reference: Reference, fragments: Any, values: Mapping[str, Any]) -> None:
        self.reference = reference
        self.fragments = fragments
        self.values = values
        self.denied: set[Path] = set()

    def items(self, selection: SelectionSetNode, parent: str) -> Iterator[tuple[Any, str, Any]]:
        """Yield fields and fragments (as selection sets) with the type that they are selected on."""
        for item in selection.selections:
            if not included(tuple(item.directives or ()), self.values):
                continue
            if isinstance(item, FieldNode):
                yield item, parent, None
                continue
            one: Any = self.fragments[item.name.value] if isinstance(item, FragmentSpreadNode) else item
            condition = one.type_condition.name.value if one.type_condition else parent
            yield None, condition, one.selection_set

    def places(self, selection: SelectionSetNode, parent: str, possible: set[str], path: Path) -> None:
        """Collect the denied places below a field. `possible`: the types of the objects there can be."""
        for item, kind, inner in self.items(selection, parent):
            if item is None:
                narrows, both = self.narrows(parent, kind), possible & self.possible(kind)
                if both and narrows and self.reference.type_denied(kind):
                    self.denied.update([path] if self.has_fields(inner, kind, both) else [])
                elif both:
                    self.places(inner, kind if narrows else parent, both, path)
                continue
            key = item.alias.value if item.alias else item.name.value
            if self.reference.field_denied(kind, item):
                self.denied.add((*path, key))
            elif item.selection_set:
                definition: Any = self.reference.schema.type_map[kind]
                below = get_named_type(definition.fields[item.name.value].type).name
                self.places(item.selection_set, below, self.possible(below), (*path, key))

    def has_fields(self, selection: SelectionSetNode, parent: str, possible: set[str]) -> bool:
        """Return whether a fragment selects anything, after the conditions."""
        return any(
            item is not None
            or (
                bool(possible & self.possible(kind))
                and self.has_fields(inner, kind, possible & self.possible(kind))
            )
            for item, kind, inner in self.items(selection, parent)
        )

    def possible(self, name: str) -> set[str]:
        kind: Any = self.reference.schema.type_map[name]
        if isinstance(kind, GraphQLObjectType):
            return {name}
        return {one.name for one in self.reference.schema.get_possible_types(kind)}

    def narrows(self, parent: str, kind: str) -> bool:
        """Return whether a fragment applies to fewer objects, or has fields that the type around lacks."""
        known: Any = self.reference.schema.type_map[kind]
        around: Any = self.reference.schema.type_map[parent]
        wide = isinstance(known, GraphQLUnionType) or known in getattr(around, "interfaces", ())
        return kind != parent and not (self.possible(parent) <= self.possible(kind) and wide)

    def object(self, selections: list[tuple[SelectionSetNode, str, bool]], kind: str, data: Any) -> Any:
        """Return an object without what is denied. The third of each selection: whether all of it is."""
        found: dict[str, list[tuple[FieldNode, bool]]] = {}
        for selection, parent, refused in selections:
            self.collect(selection, parent, refused, kind, found)
        out = {}
        for key, nodes in found.items():
            allowed = [node for node, refused in nodes if not refused]
            name = nodes[0][0].name.value
            if name == "__typename":
                out[key] = data[key]
                continue
            definition: Any = self.reference.schema.type_map[kind]
            reference = str(definition.fields[name].type)
            below = get_named_type(definition.fields[name].type).name
            inner = [(node.selection_set, below, False) for node in allowed if node.selection_set]
            out[key] = self.complete(inner, reference, data[key] if allowed else None)
        return out

    def collect(self, selection: SelectionSetNode, parent: str, refused: bool, kind: str, found: Any) -> None:
        for item, condition, inner in self.items(selection, parent):
            if item is not None:
                key = item.alias.value if item.alias else item.name.value
                denied = refused or self.reference.field_denied(condition, item)
                found.setdefault(key, []).append((item, denied and item.name.value != "__typename"))
            elif kind in self.possible(condition):
                narrows = self.narrows(parent, condition)
                below = refused or (narrows and self.reference.type_denied(condition))
                self.collect(inner, condition if narrows else parent, below, kind, found)

    def complete(self, selections: Any, reference: str, value: Any) -> Any:
        if reference.endswith("!"):
            found = self.complete(selections, reference[:-1], value)
            if found is None:
                raise _Null
            return found
        try:
            if value is None:
                return None
            if reference.startswith("["):
                return [self.complete(selections, reference[1:-1], one) for one in value]
            if isinstance(value, dict) and TYPE in value:
                return self.object(selections, value[TYPE], value)
            return value
        except _Null:
            return None


class _WithTypes(Visitor):
    """Adds the type of every object to a document."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self.info = info

    def leave_selection_set(self, node: SelectionSetNode, *_: Any) -> SelectionSetNode:
        added = FieldNode(
            name=NameNode(value="__typename"), alias=NameNode(value=TYPE), arguments=(), directives=()
        )
        return SelectionSetNode(selections=(*node.selections, added))


def with_types(schema: GraphQLSchema, text: str) -> str:
    """Return a document that also asks for the type of every object."""
    info = TypeInfo(schema)
    return print_ast(visit(parse(text), TypeInfoVisitor(info, _WithTypes(info))))


def used_for_joins(rig: Rig) -> set[str]:
    """Return the names of the fields in keys, @requires and contexts: requests may have them."""
    found: set[str] = set()
    for subgraph in rig.subgraphs.values():
        facts = subgraph.facts
        sets = [key.selection for keys in facts.keys.values() for key in keys]
        sets += [one.requires for one in facts.fields.values() if one.requires]
        sets += [chosen for one in facts.fields.values() for _, chosen in one.contexts.values()]
        for one in sets:
            names: list[str] = []
            _collect_names(one, names)
            found.update(names)
    return found


def _collect_names(selection: SelectionSetNode, into: list[str]) -> None:
    for item in selection.selections:
        if isinstance(item, FieldNode):
            into.append(item.name.value)
        if isinstance(item, FieldNode | InlineFragmentNode) and item.selection_set:
            _collect_names(item.selection_set, into)


def forbidden(reference: Reference, rig: Rig, allowed: set[str]) -> list[str]:
    """Return the fields in subgraph requests that the caller may not see, and that no join needs."""
    found = []
    for call in rig.transport.requests:
        schema = rig.subgraphs[call.subgraph].schema
        info = TypeInfo(schema)

        class _Find(Visitor):
            def enter_field(self, node: FieldNode, *_: Any) -> None:
                parent = info.get_parent_type()  # noqa: B023 - called within this round
                name = node.name.value
                if parent is None or name.startswith("_") or name in allowed or not is_composite_type(parent):
                    return
                if not isinstance(parent, GraphQLObjectType) or parent.name not in reference.schema.type_map:
                    return
                if reference.lacks(reference.table.of_field(parent.name, name)):
                    found.append(f"{parent.name}.{name} in {call.query}")  # noqa: B023

        visit(parse(call.query), TypeInfoVisitor(info, _Find()))
    return found


@pytest.mark.parametrize("seed", range(int(os.environ.get("ACCESS_SEEDS", "12"))))
def test_some_rights(seed: int) -> None:
    """Data and errors of every caller are the reference's, and no request names a forbidden field."""
    supply, _ = supply_of(f"access-{seed}")
    rig = Rig(supply)
    r = Random(f"access {seed}")
    table = random_access(r, rig.world.schema)
    index = index_access(replace(rig.engine.supergraph, metadata=table))
    gateway = Gateway(replace(rig.engine, access=index), Hooks([CallerFromHeader()]))
    allowed = used_for_joins(rig)
    with asyncio.Runner() as runner:
        for number in range(12):
            query, variables = random_operation(Random(f"access {seed} {number}"), rig.world.schema)
            if query.startswith("mutation"):
                continue
            whole = rig.monolith(Question(with_types(rig.world.schema, query), variables)).data
            callers = [frozenset(r.sample(SCOPES, count)) for count in (0, 1, 2, 3)]
            question = Question(query, variables)
            rig.begin(question)
            request = GraphQLRequest(query, variables)

            async def ask() -> list[Any]:
                headers = [{"x-scopes": " ".join(sorted(one))} for one in callers]  # noqa: B023
                return await asyncio.gather(*(gateway.answer(request, one) for one in headers))  # noqa: B023

            for scopes, envelope in zip(callers, runner.run(ask()), strict=True):
                answer = read_json(encoded_body(envelope))
                reference = Reference(rig.world.schema, table, scopes)
                data, denied = reference.answer(question, whole)
                shown = f"{seed}-{number} {sorted(scopes)}: {query} {json.dumps(variables)}"
                assert answer.get("data") == data, shown
                found = {tuple(one["path"]) for one in answer.get("errors", ())}
                assert found == denied, shown
            rig.begin(question)
            runner.run(gateway.answer(request, {"x-scopes": "a"}))
            reference = Reference(rig.world.schema, table, frozenset("a"))
            assert forbidden(reference, rig, allowed) == []
