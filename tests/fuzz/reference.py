"""The monolith as a reference: graphql-core executes operations over the same World as the subgraphs."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLInputObjectType,
    GraphQLResolveInfo,
    GraphQLUnionType,
    execute_sync,
    get_named_type,
    is_enum_type,
    is_interface_type,
)

from tests.fuzz.world import Node, World, dressed

Path = tuple[str | int, ...]


@dataclass(slots=True)
class Answer:
    """The monolith's response. `starved`: the paths of objects with a field whose @requires inputs fail."""

    data: Any
    errors: list[dict[str, Any]]
    starved: set[Path] = field(default_factory=set)
    used: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Run:
    world: World
    answer: Answer

    def resolve(self, source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        """Resolve any field."""
        kind, name = info.parent_type.name, info.field_name
        node = source if isinstance(source, Node) else Node(kind, 0)
        wanted = self.world.requirements.get((node.kind, name))
        if wanted is not None and self.world.faults and self.world.failing_input(node, wanted):
            self.answer.starved.add(tuple(info.path.prev.as_list()) if info.path.prev else ())
        self._note(info, arguments)
        arguments |= self.world.from_contexts(node, name) | self.world.marks(info)
        return dressed(self.world.value(node, name, arguments, self.world.inputs(node, name)), above=node)

    def _note(self, info: GraphQLResolveInfo[Any], arguments: dict[str, Any]) -> None:
        used, named = self.answer.used, get_named_type(info.return_type)
        if is_interface_type(named):
            used["interfaces"] += 1
        if isinstance(named, GraphQLUnionType):
            used["unions"] += 1
        if named.name == "Big":
            used["big numbers"] += 1
        if is_enum_type(named):
            used["enums"] += 1
        if str(info.return_type).startswith("[["):
            used["lists of lists"] += 1
        definition = info.parent_type.fields[info.field_name]
        if any(
            isinstance(get_named_type(definition.args[one].type), GraphQLInputObjectType) for one in arguments
        ):
            used["input objects"] += 1


def answer_of(world: World, document: DocumentNode, variables: dict[str, Any]) -> Answer:
    """Return the monolith's response to an operation."""
    answer = Answer(None, [])
    result = execute_sync(
        world.schema,
        document,
        variable_values=variables,
        field_resolver=_Run(world, answer).resolve,
        type_resolver=lambda value, info, kind: value.kind,
    )
    answer.data = result.data
    answer.errors = [dict(error.formatted) for error in result.errors or ()]
    return answer
