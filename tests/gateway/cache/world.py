"""The data behind the cache's state machine: three subgraphs whose values change, with a history of each.

Every value is a text that occurs once, so that an answer shows when it was current. Example: the key
`("Book", "b1", "title")` has the history `[(0, "v3"), (7, "v9")]`: v9 since the change number 7.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from graphql import FieldNode, InlineFragmentNode, OperationDefinitionNode, SelectionSetNode, parse
from graphql import value_from_ast_untyped as read_value

from gateway.core.clock import Clock, SystemClock, Timer
from gateway.core.errors import SubgraphError
from gateway.transport.base import Call
from tests.gateway.cache.rig import Answered, user_of

SDLS = {
    "catalog": """
        type Query { products(ids: [ID!]!): [Product]! }
        type Mutation { retitle(id: ID!): Product }
        interface Product @key(fields: "id") { id: ID! title: String }
        type Book implements Product @key(fields: "id") { id: ID! title: String pages: String }
        type Disc implements Product @key(fields: "id") { id: ID! title: String }
    """,
    "reviews": """
        type Book @key(fields: "id") { id: ID! stars: String best: Person }
        type Disc @key(fields: "id") { id: ID! stars: String }
        type Person @key(fields: "id") { id: ID! }
    """,
    "people": """
        type Query { persons(ids: [ID!]!): [Person]! }
        type Mutation { rename(id: ID!): Person }
        type Person @key(fields: "id") { id: ID! name: String note: String favourite: Book }
        type Book @key(fields: "id") { id: ID! }
    """,
}
KINDS = {"b1": "Book", "b2": "Book", "d1": "Disc", "p1": "Person", "p2": "Person"}
FIELDS = {
    "Book": {"title": "catalog", "pages": "catalog", "stars": "reviews", "best": "reviews"},
    "Disc": {"title": "catalog", "stars": "reviews"},
    "Person": {"name": "people", "note": "people", "favourite": "people"},
}
LINKS = {"best": ("p1", "p2", None), "favourite": ("b1", "b2", None)}
MUTATIONS = {"retitle": "title", "rename": "name"}
Key = tuple[str, str, str]  # type, id, field
KEYS: Sequence[Key] = [(kind, one, name) for one, kind in KINDS.items() for name in FIELDS[kind]]


class JumpingClock(SystemClock):
    """The system's clock with an offset. `ahead`: of all times; `wall`: of the time of day beside it."""

    def __init__(self) -> None:
        self.ahead = self.wall = 0.0

    def time(self) -> float:
        """Return monotonic time."""
        return time.monotonic() + self.ahead

    def now(self) -> float:
        """Return the time of day."""
        return time.time() + self.ahead + self.wall

    def call_at(self, when: float, call: Any, *arguments: Any) -> Timer:
        """Call after as many real seconds as the time is away now."""
        return asyncio.get_running_loop().call_later(max(when - self.time(), 0.0), call, *arguments)


@dataclass(frozen=True)
class Control:
    """The Cache-Control of a subgraph, in seconds."""

    scope: str = "public"
    lifetime: int = 60
    revalidate: int = 0
    error: int = 0

    @property
    def text(self) -> str:
        """Return the header."""
        if self.scope in ("no-store", "no-cache"):
            return self.scope
        stale = f"stale-while-revalidate={self.revalidate}, stale-if-error={self.error}"
        return f"{self.scope}, max-age={self.lifetime}, {stale}"

    @property
    def longest(self) -> int:
        """Return how long a value may be used."""
        return (
            0 if self.scope in ("no-store", "no-cache") else self.lifetime + max(self.revalidate, self.error)
        )


@dataclass
class World:
    """The data.

    - `history`: of each key the changes and values. `change`: the number of the last change.
    - `until`: of each key, until when a value that was replied may be stored, by value.
    - `slack`: seconds that a value may live longer, for the time between its reply and its storage.
    - `broken`: subgraphs that fail. `faulty`: keys with a GraphQL error.
    - `delay`: an awaitable for which replies wait, made anew for each.
    """

    clock: Clock
    history: dict[Key, list[tuple[int, Any]]] = field(default_factory=dict)
    change: int = 0
    until: dict[Key, dict[Any, float]] = field(default_factory=dict)
    controls: dict[str, Control] = field(default_factory=lambda: dict.fromkeys(SDLS, Control()))
    broken: set[str] = field(default_factory=set)
    faulty: set[Key] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=count)
    slack: float = 1.0
    calls: int = 0
    waiting: int = 0
    delay: Any = None

    def __post_init__(self) -> None:
        """Give each key a first value."""
        for key in KEYS:
            self.put(key)

    def put(self, key: Key, null: bool = False) -> None:
        """Change the value of a key, to null or to a text that was never there."""
        self.change += 1
        number = next(self.numbers)
        value = LINKS[key[2]][number % 3] if key[2] in LINKS else f"v{number}"
        self.history.setdefault(key, []).append((self.change, None if null else value))

    def current(self, key: Key) -> Any:
        """Return the value of a key."""
        return self.history[key][-1][1]

    def values_since(self, key: Key, change: int) -> set[Any]:
        """Return the values that were current at any moment after a change."""
        found = self.history[key]
        first = max(index for index, (number, _) in enumerate(found) if number <= max(change, found[0][0]))
        return {value for _, value in found[first:]}

    async def reply(self, call: Call) -> Answered:
        """Return the reply of a subgraph. Raises SubgraphError if it is broken."""
        self.calls += 1
        answer = _Answer(self, call)
        body = answer.body()
        if self.delay is not None:
            self.waiting += 1
            await self.delay.wait()
        if call.subgraph in self.broken:
            raise SubgraphError("is down", "SUBGRAPH_UNREACHABLE", subgraph=call.subgraph)
        control = answer.control
        for key in answer.used:
            known = self.until.setdefault(key, {})
            value = answer.used[key]
            ends = self.clock.time() + control.longest if control.longest else 0.0
            known[value] = max(known.get(value, 0.0), ends)
        return body, {"cache-control": control.text}


class _Answer:
    """One reply. `used`: the values in it, by key."""

    def __init__(self, world: World, call: Call) -> None:
        self.world = world
        self.call = call
        self.user = user_of(call) or "nobody"
        self.used: dict[Key, Any] = {}
        self.errors: list[dict[str, Any]] = []
        self.control = world.controls[call.subgraph]

    def body(self) -> dict[str, Any]:
        """Return the body."""
        operation = parse(self.call.query).definitions[0]
        assert isinstance(operation, OperationDefinitionNode)
        data: dict[str, Any] = {}
        for item in operation.selection_set.selections:
            assert isinstance(item, FieldNode)
            shown = item.alias.value if item.alias else item.name.value
            data[shown] = self.root(item, shown)
        tags = {"apolloCacheTags": [f"all-{self.call.subgraph}"]}
        body: dict[str, Any] = {"data": data, "extensions": tags}
        return {**body, "errors": self.errors} if self.errors else body

    def root(self, item: FieldNode, shown: str) -> Any:
        """Return the value of a root field."""
        name, selections = item.name.value, item.selection_set
        given = {one.name.value: read_value(one.value, self.call.variables) for one in item.arguments or ()}
        if name in MUTATIONS:
            self.world.put((KINDS[given["id"]], given["id"], MUTATIONS[name]))
            return self.thing(given["id"], selections, [shown])
        ids = given.get("ids") or [one["id"] for one in given["representations"]]
        return [self.thing(one, selections, [shown, place]) for place, one in enumerate(ids)]

    def thing(self, one: Any, selections: SelectionSetNode | None, path: list[Any]) -> dict[str, Any] | None:
        """Return an object with the selected fields; None for none."""
        if one is None or selections is None:
            return None
        found: dict[str, Any] = {}
        for item in selections.selections:
            if isinstance(item, InlineFragmentNode):
                condition = item.type_condition.name.value if item.type_condition else "Product"
                if condition in (KINDS[one], "Product"):
                    found |= self.thing(one, item.selection_set, path) or {}
            elif isinstance(item, FieldNode):
                found[item.alias.value if item.alias else item.name.value] = self.value(one, item, path)
        return found

    def value(self, one: str, item: FieldNode, path: list[Any]) -> Any:
        """Return the value of one field."""
        name, key = item.name.value, (KINDS[one], one, item.name.value)
        if name in ("id", "__typename"):
            return one if name == "id" else KINDS[one]
        if key in self.world.faulty:
            self.errors.append({"message": "fault", "path": [*path, name]})
            return None
        self.used[key] = found = self.world.current(key)
        if name == "note":
            if self.control.scope == "public":
                self.control = Control("private", self.control.lifetime, self.control.revalidate)
            return f"{self.user}:{found}"
        return self.thing(found, item.selection_set, [*path, name]) if name in LINKS else found
