"""A small subgraph of books whose references are batched; it records the calls of its functions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, NamedTuple, NewType, TypedDict
from uuid import UUID

import strawberry
from graphql import GraphQLError
from strawberry import ID, Info
from strawberry.schema.config import StrawberryConfig

from gateway.strawberry_subgraphs import SubgraphSchema, batched_reference, converted_reference
from tests.gateway.transport.streaming import QuietSchema


@dataclass
class Calls:
    """The context of a request: the calls of each function, with their keys."""

    made: list[tuple[str, list[Any]]] = field(default_factory=list)

    def of(self, name: str) -> list[list[Any]]:
        """Return the keys of each call of a function."""
        return [keys for called, keys in self.made if called == name]


@strawberry.enum
class Color(Enum):
    """An enum one of whose values has another name in GraphQL."""

    RED = "r"
    PALE_BLUE = strawberry.enum_value("b", name="BLUE")


Words = NewType("Words", list[str])
"""A scalar: words in one text."""


def _words(value: object) -> list[str]:
    if not isinstance(value, str):
        raise GraphQLError("words are a text")
    return value.split()


CONFIG = StrawberryConfig(
    scalar_map={Words: strawberry.scalar(name="Words", serialize=" ".join, parse_value=_words)}
)


@strawberry.federation.type(keys=["id"])
class Book:
    """An entity with one key of one field."""

    id: ID
    title: str

    @classmethod
    @batched_reference
    async def resolve_reference(
        cls, info: Info[Calls, None], keys: list[ID]
    ) -> list["Book | Exception | None"]:
        """Find "1" to "9"; "bad" is an exception, "all" fails the batch."""
        info.context.made.append(("Book", keys))
        if "all" in keys:
            raise GraphQLError("no books", extensions={"code": "DOWN"})
        if "short" in keys:
            return []
        return [cls._found(key) for key in keys]

    @classmethod
    def _found(cls, key: ID) -> "Book | Exception | None":
        if key == "bad":
            return ValueError("a bad book")
        return cls(id=key, title=f"book {key}") if len(key) == 1 else None


@strawberry.type
class Publisher:
    """A part of a key; the key has not all of its fields."""

    id: ID
    name: str


@dataclass
class ById:
    """One key of an issue."""

    id: UUID


@dataclass
class ByPublisher:
    """Another key of an issue, nested."""

    publisher: Publisher
    made_on: date


@strawberry.federation.type(keys=["id", "publisher { id } madeOn"])
class Issue:
    """An entity with two keys."""

    id: UUID
    publisher: Publisher
    made_on: date
    label: str = ""

    @classmethod
    @batched_reference
    def resolve_reference(cls, info: Info[Calls, None], keys: list[ById | ByPublisher]) -> Sequence["Issue"]:
        """Find every issue; synchronous."""
        info.context.made.append(("Issue", keys))
        publisher, some = Publisher(id=ID("p"), name="P"), date(2026, 1, 2)
        ids = [key.id if isinstance(key, ById) else UUID(int=0) for key in keys]
        return [cls(id=one, publisher=publisher, made_on=some, label=repr(one)) for one in ids]


@strawberry.federation.type(keys=["code color"])
class Shelf:
    """An entity whose batch function receives dictionaries, and no info."""

    code: int
    color: Color
    label: str = ""

    @classmethod
    @batched_reference
    async def resolve_reference(cls, keys: list[dict[str, Any]]) -> list["Shelf"]:
        """Find every shelf."""
        return [cls(**key, label=repr(key["color"])) for key in keys]


@strawberry.federation.type(keys=["id"])
class Loan:
    """An entity whose references are resolved one by one."""

    id: int
    due: datetime
    label: str = ""

    @classmethod
    @converted_reference
    async def resolve_reference(cls, info: Info[Calls, None], id: Any, due: datetime | None = None) -> "Loan":
        """Find every loan."""
        info.context.made.append(("Loan", [(id, due)]))
        return cls(id=id, due=due or datetime(2026, 1, 1), label=repr(id))  # noqa: DTZ001


class Size(TypedDict, total=False):
    """A part of a key as a dictionary."""

    width: int
    page_height: Decimal


class Point(NamedTuple):
    """A part of a key as a tuple."""

    x: int
    y: float = 0.5


@strawberry.input
class Range:
    """A part of a key as an input."""

    low: int
    high: int | None


@strawberry.type
class Everything:
    """A field of every kind, for conversions."""

    id: ID
    uid: UUID
    day: date
    at: datetime
    moment: time
    price: Decimal
    color: Color
    words: Words
    optional_id: ID | None
    ids: list[ID]
    maybe_ids: list[ID | None] | None
    publisher: Annotated["Publisher", strawberry.lazy("tests.gateway.strawberry_subgraphs.library")]


@strawberry.type
class Query:
    """The root, which has all types."""

    book: Book | None = None
    issue: Issue | None = None
    shelf: Shelf | None = None
    loan: Loan | None = None
    everything: Everything | None = None


class Quiet(QuietSchema, SubgraphSchema):
    """The package's schema without a log."""


class QuietStrawberry(QuietSchema, strawberry.federation.Schema):
    """Strawberry's own schema without a log."""


SCHEMA = Quiet(query=Query, config=CONFIG)
STRAWBERRY = QuietStrawberry(query=Query, config=CONFIG)
