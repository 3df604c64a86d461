"""Generates random valid operations: equal aliases, fragments, conditions, variables with and without
values.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    OverlappingFieldsCanBeMergedRule,
    get_named_type,
    is_composite_type,
    parse,
    validate,
)

from tests.fuzz import inputs

_ALIASES = ("a", "b", "id", "code", "name", "x", "_entities", "_id", "_0", "__a", "__typename_")
_MARKED = ("m0", "m1", "m2")
_LONGEST = 3500
_RULES = (OverlappingFieldsCanBeMergedRule,)  # the only one that a draft can break; the gateway applies all


@dataclass(slots=True)
class _Draft:
    r: Random
    schema: GraphQLSchema
    declared: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    fragments: list[str] = field(default_factory=list)

    def operation(self, kind: str, depth: int) -> str:
        """Return the whole document."""
        root = self.schema.type_map[kind]
        body = self.selection(root, depth, top=True)
        head = ", ".join(
            f"${name}: {type_}" + (f" = {d}" if d else "") + self.mark()
            for name, (type_, d) in self.declared.items()
        )
        name = self.r.choice((" Op", " "))
        start = f"{kind.lower()}{name}{f'({head})' if head else ''}{self.mark()}"
        return "\n".join([f"{start} {body}", *self.fragments])

    def mark(self) -> str:
        """Return sometimes a directive that all subgraphs define, else ""."""
        if self.r.random() >= 0.05:
            return ""
        return f" @mark(n: {self.r.choice((1, 'null'))})"

    def selection(self, kind: GraphQLNamedType, depth: int, top: bool = False) -> str:
        """Return a selection on a type."""
        if depth < -1:
            return "{ __typename }"
        parts = [self.field(name, one, depth) for name, one in self.chosen(kind, depth, top)]
        if self.r.random() < 0.2:
            parts.append(self.r.choice(("", "", "a: ", "kind: ")) + "__typename")
        parts += [self.fragment(kind, depth, top) for _ in range(self.how_many_fragments(kind, top))]
        self.r.shuffle(parts)
        return "{ " + " ".join(parts or ["__typename"]) + " }"

    def chosen(self, kind: GraphQLNamedType, depth: int, top: bool) -> list[tuple[str, GraphQLField]]:
        """Return some fields; only leaves if `depth` is used up."""
        if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            return []
        fields = [
            (name, one)
            for name, one in kind.fields.items()
            if depth > 0 or not is_composite_type(get_named_type(one.type))
        ]
        wanted = self.r.choice((1, 2, 2, 3)) if top else self.r.choice((1, 2, 3, 4))
        return self.r.sample(fields, min(len(fields), wanted))

    def field(self, name: str, one: GraphQLField, depth: int) -> str:
        """Return a field with alias, arguments, conditions and selection."""
        given = []
        for argument, definition in one.args.items():
            reference = str(definition.type)
            needed = reference.endswith("!") and definition.default_value is definition.default_value
            if (reference.endswith("!") and needed) or self.r.random() < 0.6:
                given.append(f"{argument}: {self.argument(reference)}")
        arguments = f"({', '.join(given)})" if given else ""
        alias, mark = f"{self.alias(one)}: " if self.r.random() < 0.2 else "", ""
        if self.r.random() < 0.04:  # all nodes of such a key have the same directive
            alias = self.alias(one, _MARKED)
            alias, mark = f"{alias}: ", f" @mark(n: {alias[1]}) @mark"
        named = get_named_type(one.type)
        below = " " + self.selection(named, depth - 1) if is_composite_type(named) else ""
        return f"{alias}{name}{arguments}{self.condition()}{mark}{below}"

    def alias(self, one: GraphQLField, names: Sequence[str] = _ALIASES) -> str:
        """Return a key that other fields use too, mostly fields of the same shape, so that they can be
        merged.
        """
        name = self.r.choice(names)
        shape = str(one.type).replace("[", "l").replace("]", "").replace("!", "n")
        return name if self.r.random() < 0.3 else f"{name}_{shape}"

    def fragment(self, kind: GraphQLNamedType, depth: int, top: bool) -> str:
        """Return an inline fragment or a spread."""
        condition = kind if top else self.r.choice(self.conditions(kind))
        body = self.selection(condition, depth - (self.r.random() < 0.5), top)
        if self.r.random() < 0.25:
            name = f"F{len(self.fragments)}"
            mark = "" if top else self.mark()  # a subgraph may have another name for its root type
            self.fragments.append(f"fragment {name} on {condition.name}{mark} {body}")
            again = f" ...{name}" if self.r.random() < 0.3 else ""
            return f"...{name}{self.condition()}{self.mark()}{again}"
        typed = f" on {condition.name}" if condition is not kind or self.r.random() < 0.5 else ""
        return f"...{typed}{self.condition()}{self.mark()} {body}"

    def how_many_fragments(self, kind: GraphQLNamedType, top: bool) -> int:
        """Return the number of fragments; more on an abstract type."""
        if isinstance(kind, GraphQLUnionType):
            return self.r.choice((1, 2, 2, 3))
        if isinstance(kind, GraphQLInterfaceType):
            return self.r.choice((0, 1, 1, 2))
        return self.r.choice((0, 0, 0, 1))

    def conditions(self, kind: GraphQLNamedType) -> Sequence[GraphQLNamedType]:
        """Return types that a fragment on this type may have as its condition."""
        if isinstance(kind, GraphQLObjectType):
            return [kind, *kind.interfaces]
        assert isinstance(kind, GraphQLInterfaceType | GraphQLUnionType)
        possible = list(self.schema.get_possible_types(kind))
        others = [
            other
            for other in self.schema.type_map.values()
            if isinstance(other, GraphQLInterfaceType | GraphQLUnionType)
            and set(possible) & set(self.schema.get_possible_types(other))
        ]
        return [*possible, *possible, *others]

    def condition(self) -> str:
        """Return sometimes @skip or @include, with a variable or a constant, else ""."""
        if self.r.random() >= 0.06:
            return ""
        word = self.r.choice(("skip", "include"))
        if self.r.random() < 0.1:
            return f" @{word}(if: {self.r.choice(('true', 'false'))})"
        name = self.r.choice(("c0", "c1"))
        if name not in self.declared:
            default = self.r.choice((None, "true", "false"))
            self.declared[name] = ("Boolean!", default)
            if default is None or self.r.random() < 0.5:
                self.values[name] = self.r.random() < 0.5
        return f" @{word}(if: ${name})"

    def argument(self, reference: str) -> str:
        """Return a constant or a variable."""
        if self.r.random() >= 0.35:
            return inputs.literal(self.r, reference)
        name = f"v{len(self.declared)}"
        same = [known for known, (kind, _) in self.declared.items() if kind == reference]
        if same and self.r.random() < 0.5:
            return f"${self.r.choice(same)}"
        needed = reference.endswith("!")
        default = inputs.literal(self.r, reference) if not needed and self.r.random() < 0.4 else None
        self.declared[name] = (reference, default)
        if needed or self.r.random() < 0.7:
            self.values[name] = inputs.value(self.r, reference)
        return f"${name}"


def random_operation(r: Random, schema: GraphQLSchema) -> tuple[str, dict[str, Any]]:
    """Return a valid operation and its variables."""
    while True:
        draft = _Draft(r, schema)
        kind = "Mutation" if "Mutation" in schema.type_map and r.random() < 0.15 else "Query"
        text = draft.operation(kind, r.choice((2, 3, 3, 4)))
        if len(text) <= _LONGEST and not validate(schema, parse(text), _RULES):
            return text, draft.values
