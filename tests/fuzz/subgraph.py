"""A subgraph that executes requests: its SDL alone defines what it resolves, the World has the values.

It is strict: it reports an invalid request, a field that it does not resolve, and a representation that it
can't use as problems.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLResolveInfo,
    GraphQLSchema,
    build_ast_schema,
    execute_sync,
    parse,
    validate,
)
from graphql.language import FieldNode, InlineFragmentNode, SelectionSetNode

from tests.fuzz.directives import Facts, FieldFacts, Key
from tests.fuzz.world import MISSING, Node, World, dressed, restricted

_DEFINITIONS = """
directive @link(url: String!, import: [String]) repeatable on SCHEMA
directive @key(fields: String!, resolvable: Boolean) repeatable on OBJECT | INTERFACE
directive @shareable on FIELD_DEFINITION
directive @external on FIELD_DEFINITION
directive @requires(fields: String!) on FIELD_DEFINITION
directive @provides(fields: String!) on FIELD_DEFINITION
directive @override(from: String!, label: String) on FIELD_DEFINITION
directive @interfaceObject on OBJECT
directive @context(name: String!) repeatable on INTERFACE | OBJECT | UNION
directive @fromContext(field: String) on ARGUMENT_DEFINITION
scalar _Any
"""
Taken = Mapping[tuple[str, str], str | None]
Noting = Callable[[str], None]


class Subgraph:
    """Executes requests as one subgraph.

    `taken`: the fields that other subgraphs override, with labels. `note`: called with the name of each
    feature in use.
    """

    def __init__(self, name: str, facts: Facts, world: World, taken: Taken, note: Noting) -> None:
        self.name, self.facts, self.world, self.taken, self.note = name, facts, world, taken, note
        self.problems: list[tuple[str, str]] = []
        self.read: dict[str, DocumentNode | str] = {}
        self.entities = [
            kind
            for kind, keys in facts.keys.items()
            if kind in facts.objects and any(key.resolvable for key in keys)
        ]  # fmt: skip
        self.schema = _schema(facts, self.entities)
        self.kinds = {own: kind for kind, own in facts.roots.items()}

    async def __call__(
        self,
        query: str,
        variables: Mapping[str, Any] | None,
        operation_name: str | None,
        headers: Mapping[str, str],
    ) -> Mapping[str, Any]:
        """Return the response, after a number of event loop turns that depends on the request."""
        for _ in range(len(query) % 5):
            await asyncio.sleep(0)
        given = json.loads(json.dumps(dict(variables or {})))
        document = self._read(query)
        if isinstance(document, str):
            self.problem("invalid request", f"{document}: {query}")
            return {"errors": [{"message": "invalid request"}]}
        if "@skip" in query or "@include" in query:
            self.problem("condition in a request", query)  # the gateway has already evaluated it
        result = self._execute(document, given, operation_name)
        for error in result.errors or ():
            if "fails" not in error.message and "non-nullable" not in error.message:
                self.problem("unfit", error.message)  # of the case, not of the gateway
        formatted: dict[str, Any] = json.loads(json.dumps(result.formatted))
        return formatted

    def _read(self, query: str) -> DocumentNode | str:
        """Return the parsed request, or the message of its first validation error.

        Both paths send the same requests, and operations are repeated, so each text is parsed once.
        """
        if query not in self.read:
            document = parse(query)
            errors = validate(self.schema, document)
            self.read[query] = errors[0].message if errors else document
        return self.read[query]

    def _execute(
        self, document: DocumentNode, variables: dict[str, Any], name: str | None
    ) -> ExecutionResult:
        return execute_sync(
            self.schema,
            document,
            variable_values=variables,
            operation_name=name,
            field_resolver=self.resolve,
            type_resolver=_type_of,
        )

    def problem(self, kind: str, text: str) -> None:
        """Record something that a gateway must not do."""
        self.problems.append((kind, f"{self.name}: {text}"))

    def resolve(self, source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        """Resolve any field."""
        own = info.parent_type.name
        if info.field_name == "_entities":
            return [self.entity(one) for one in arguments["representations"]]
        kind = self.kinds.get(own, own)
        node = source if isinstance(source, Node) else Node(kind, 0)
        facts = self.facts.fields[own, info.field_name]
        self._note_field(own, kind, info.field_name, facts)
        if self._moved(own, info.field_name, facts):
            self.problem(
                "overridden field", f"{own}.{info.field_name} was asked for, which another has taken over"
            )
        provided = _provided(node, info.field_name)
        if facts.external and not provided:
            self.problem("external field", f"{own}.{info.field_name} was asked for, which is external")
        inputs = self._inputs(node, own, info.field_name, facts) if facts.requires else None
        if provided:
            self.note("provides")
        marks = self.world.marks(info)
        if marks:
            self.note("executable directives")
        value = self.world.value(node, info.field_name, arguments | marks, inputs)
        below = facts.provides or (provided.selection_set if provided else None)
        face = info.return_type
        while hasattr(face, "of_type"):
            face = face.of_type
        known = face.name if face.name in self.facts.interface_objects else ""
        return dressed(value, provided=below, face=known)

    def _moved(self, own: str, name: str, facts: FieldFacts) -> bool:
        """Return whether another subgraph resolves a field now, because of an @override with or without a
        label.
        """
        label = self.taken.get((own, name), "")
        return (
            label is None
            or label in self.world.labels
            or not (facts.label is None or facts.label in self.world.labels)
        )

    def _note_field(self, own: str, kind: str, name: str, facts: FieldFacts) -> None:
        if kind != own:
            self.note("custom root names")
        if facts.shareable:
            self.note("shareable")
        if facts.override and facts.label is None:
            self.note("override")
        if facts.label or self.taken.get((own, name)):
            self.note("progressive override")
        if facts.contexts:
            self.note("contexts")
        if own in self.facts.interface_objects:
            self.note("interface objects")
        if any(not key.resolvable for key in self.facts.keys.get(own, ())):
            self.note("resolvable: false")

    def _inputs(self, node: Node, own: str, name: str, facts: FieldFacts) -> Any:
        """Return the @requires inputs of a field: from the representation, or the true ones on a provided
        path.
        """
        assert facts.requires
        true = self.world.inputs(node, name)
        if node.representation is None:
            if not all(
                _provided(node, item.name.value)
                for item in facts.requires.selections
                if isinstance(item, FieldNode)
            ):
                self.problem("no inputs", f"{own}.{name} was asked for without a representation")
            return true
        given = restricted(node.representation, facts.requires)
        if given is MISSING:
            self.problem("missing input", f"{own}.{name} lacks an input in {dict(node.representation)}")
            return None
        if given != true:
            self.problem("wrong input", f"{own}.{name} has the inputs {given}, not {true}")
        self._note_requires(node, facts.requires)
        return given

    def _note_requires(self, node: Node, requires: SelectionSetNode) -> None:
        self.note("requires")
        fields = [item for item in requires.selections if isinstance(item, FieldNode)]
        if any(item.selection_set for item in fields):
            self.note("requires, nested")
        if any(item.arguments for item in fields):
            self.note("requires, with arguments")
        if any(_has_fragments(item.selection_set) for item in fields if item.selection_set):
            self.note("requires, with fragments")
        if any((node.kind, item.name.value) in self.world.requirements for item in fields):
            self.note("requires, chained")

    def entity(self, representation: Mapping[str, Any]) -> Node | None:
        """Return the object of a representation; None if there is none."""
        kind = representation.get("__typename", "")
        keys = [key for key in self.facts.keys.get(kind, ()) if key.resolvable]
        usable = [key for key in keys if restricted(representation, key.selection) is not MISSING]
        kinds = self._kinds_behind(kind)
        for key in usable:
            found = self.world.find(kinds, key.text, key.selection, representation)
            if found and f"{self.name} {found.name}" in self.world.unknown:
                return None
            if found:
                self._note_key(keys, key)
                face = kind if kind in self.facts.interface_objects else ""
                return Node(found.kind, found.index, face, None, representation)
        self.problem("no entity", f"nothing for {dict(representation)}")
        return None

    def _kinds_behind(self, kind: str) -> Sequence[str]:
        found = self.world.schema.type_map.get(kind)
        if kind in self.facts.interface_objects or kind in self.facts.interfaces:
            implementations = self.world.schema.get_implementations(found)  # type: ignore[arg-type]
            return [one.name for one in implementations.objects]
        return [kind] if found else []

    def _note_key(self, keys: Sequence[Key], key: Key) -> None:
        self.note("key")
        if len(keys) > 1:
            self.note("several keys")
        if key.composite:
            self.note("composite keys")
        if key.nested:
            self.note("nested keys")


def _has_fragments(wanted: SelectionSetNode) -> bool:
    return any(isinstance(item, InlineFragmentNode) for item in wanted.selections)


def _provided(node: Node, name: str) -> FieldNode | None:
    selections = node.provided.selections if node.provided else ()
    return next(
        (item for item in selections if isinstance(item, FieldNode) and item.name.value == name), None
    )


def _type_of(value: Any, info: Any, kind: Any) -> str:
    assert isinstance(value, Node)
    return value.face or value.kind


def _schema(facts: Facts, entities: Sequence[str]) -> GraphQLSchema:
    """Return the subgraph's own schema, with `_entities` if it has entities."""
    extra = _DEFINITIONS
    query = facts.roots.get("Query", "Query")
    if entities:
        field = "_entities(representations: [_Any!]!): [_Entity]!"
        extra += f"union _Entity = {' | '.join(entities)}\n"
        extra += f"{'extend ' if query in facts.objects else ''}type {query} {{ {field} }}\n"
    elif query not in facts.objects:
        extra += f"type {query} {{ _nothing: Int }}\n"
    if "Query" not in facts.roots:
        extra += "extend schema { query: Query }\n"
    definitions = [*facts.document.definitions, *parse(extra, no_location=True).definitions]
    return build_ast_schema(DocumentNode(definitions=tuple(definitions)), assume_valid_sdl=True)
