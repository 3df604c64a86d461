"""Pages of lists as GraphQL connections with cursors (Relay's specification), by keyset pagination.

A page contains the rows after the one that a cursor names. A cursor encodes the sort value and the id of a
row, and the name of the order. An offset instead would read all rows before the page, and skip or repeat rows
when others are added.

Example: with `after` = the cursor of ("2026-05-01", id 7) and `first` = 20, the statement gets the condition
`(event_date, id) > ('2026-05-01', 7)` and the limit 21; the 21st row shows that there is a next page.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Generic, Protocol, TypeVar
from uuid import UUID

import msgspec
import strawberry
from sqlalchemy import ColumnElement, Select, Uuid, func, literal, select, true, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

from subgraphs.kit import budget
from subgraphs.kit.cache_hints import INHERITED, PART
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.graphql import field_with, object_type

DEFAULT_FIRST = 20
MAX_FIRST = 100
_LONGEST_CURSOR = 512

Node = TypeVar("Node")
Count = Callable[[], Awaitable[int]]
First = Annotated[
    int | None,
    strawberry.argument(description="Return the first 1 to 100 elements; 20 without `first` and `last`."),
]
Limit = Annotated[int, strawberry.argument(description="Return at most this number of elements, 1 to 100.")]
After = Annotated[
    str | None,
    strawberry.argument(description="Return elements behind this cursor: `endCursor` of a page."),
]
Last = Annotated[
    int | None,
    strawberry.argument(description="Return the last 1 to 100 elements; not together with `first`."),
]
Before = Annotated[
    str | None,
    strawberry.argument(description="Return elements before this cursor: `startCursor` of a page."),
]


@object_type(shareable=True, cached=PART)
class PageInfo:
    """The position of a page in its list."""

    has_next_page: bool = strawberry.field(description="Whether the list has elements after this page.")
    has_previous_page: bool = strawberry.field(description="Whether the list has elements before this page.")
    start_cursor: str | None = strawberry.field(
        description="The cursor of the page's first element, to pass as `before` for the page before."
    )
    end_cursor: str | None = strawberry.field(
        description="The cursor of the page's last element, to pass as `after` for the next page."
    )


@object_type()
class Edge(Generic[Node]):
    """An element of a list and its cursor."""

    cursor: str = strawberry.field(description="The position of the element in the list.")
    node: Node = strawberry.field(description="The element.")


@strawberry.type
class ListPage:
    """The base class of connections; a subclass adds the edges."""

    page_info: PageInfo = strawberry.field(description="The position of the page in the list.")
    count: strawberry.Private[Count]

    @field_with(cost=5)
    async def total_count(self) -> int:
        """The number of elements in the whole list."""
        return await self.count()


@object_type()
class Connection(Generic[Node], ListPage):
    """A page of a list."""

    edges: list[Edge[Node]] = strawberry.field(
        description="The elements of the page.", directives=[INHERITED]
    )


# By Python type, the values that a column can have: a forged cursor must not cause an error of the database.
_BOUNDS: Final[Mapping[Any, Any]] = {
    int: Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)],
    str: Annotated[str, msgspec.Meta(pattern=r"^[^\0]*$")],
    datetime: Annotated[datetime, msgspec.Meta(tz=True)],
}


def _bounded(value: Any) -> Any:
    if isinstance(value, Decimal) and not (
        value.is_finite() and abs(value) < 10**8 and int(value.as_tuple().exponent) > -100
    ):
        raise ValueError(f"a decimal in a cursor is out of range: {value}")
    return value.astimezone(UTC) if isinstance(value, datetime) else value


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """An order of a list: by a column without nulls, then by id, both in the same direction.

    `name` is unique among the orders of all lists, `kind` is the Python type of the column.
    """

    name: str
    column: ColumnElement[Any]
    kind: Any
    id_column: ColumnElement[Any]
    descending: bool = False

    def cursor(self, value: Any, row_id: UUID) -> str:
        """Return the cursor of the row with this sort value and id."""
        return base64.urlsafe_b64encode(msgspec.json.encode((self.name, value, row_id))).decode()

    def read(self, cursor: str, field: str = "after") -> tuple[Any, UUID]:
        """Return the sort value and the id in a cursor, which the caller sent as argument `field`.

        Raises BadUserInput for a text that is no cursor, or the cursor of another order.
        """
        try:
            if len(cursor) > _LONGEST_CURSOR:
                raise ValueError(f"a cursor has at most {_LONGEST_CURSOR} characters, got {len(cursor)}")
            text = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
            name, raw, row_id = msgspec.json.decode(text, type=tuple[str, Any, UUID])
            value = _bounded(msgspec.convert(raw, _BOUNDS.get(self.kind, self.kind), strict=False))
        except (binascii.Error, ValueError, ArithmeticError, msgspec.MsgspecError) as error:
            raise BadUserInput(
                f"'{field}' must be a cursor of this list, as in `endCursor`", field
            ) from error
        if name != self.name:
            raise BadUserInput(
                f"'{field}' must be a cursor of this list, got one of another list or order", field
            )
        return value, row_id


class Criteria(Protocol):
    """Conditions on the rows of a list. Implementations are hashable, because loaders use pages as keys."""

    def conditions(self) -> Sequence[ColumnElement[bool]]:
        """Return the SQL conditions, all of which a row must fulfil."""
        ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Page:
    """The requested part of a list: `size` rows in `order`, after the row `behind`, before the row `ahead`.

    `behind` and `ahead` are those rows' sort values and ids; None: from the beginning, to the end.
    `is_backwards`: the last rows of that part instead of the first. `only`: conditions on the rows.
    """

    order: Order
    size: int
    behind: tuple[Any, UUID] | None = None
    ahead: tuple[Any, UUID] | None = None
    is_backwards: bool = False
    only: Criteria | None = None

    @classmethod
    def of(
        cls,
        order: Order,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        *,
        only: Criteria | None = None,
    ) -> "Page":
        """Return the page for the arguments of a connection field. Raises BadUserInput."""
        if first is not None and last is not None:
            raise BadUserInput("Set either 'first' or 'last', not both", "last")
        name, size = ("last", last) if last is not None else ("first", first)
        size = DEFAULT_FIRST if size is None else size
        if not 1 <= size <= MAX_FIRST:
            raise BadUserInput(f"'{name}' must be from 1 to {MAX_FIRST}, got {size}", name)
        return cls(
            order,
            size,
            None if after is None else order.read(after),
            None if before is None else order.read(before, "before"),
            last is not None,
            only,
        )

    def select(self, statement: Select[Any]) -> Select[Any]:
        """Return the statement, ordered and restricted to this page and one more row.

        A page of the last rows is selected in the opposite order. `connection` drops the further row, which
        shows that there is another page, and restores the order.
        """
        if self.only is not None:
            statement = statement.where(*self.only.conditions())
        column, id_column = self.order.column, self.order.id_column
        key = tuple_(column, id_column)
        for row, is_lower in ((self.behind, True), (self.ahead, False)):
            if row is not None:
                bound = tuple_(literal(row[0], column.type), literal(row[1], id_column.type))
                statement = statement.where(key < bound if is_lower is self.order.descending else key > bound)
        return statement.order_by(*self._keys(column, id_column)).limit(self.size + 1)

    def _keys(self, *columns: ColumnElement[Any]) -> list[ColumnElement[Any]]:
        """Return the columns in the order in which rows are selected."""
        is_descending = self.order.descending is not self.is_backwards
        return [column.desc() if is_descending else column for column in columns]

    def select_of_each(
        self, statement: Select[Any], parent: ColumnElement[UUID], ids: Sequence[UUID]
    ) -> Select[Any]:
        """Return a statement that selects this page of each parent's list, and one more row per parent.

        `ids` are the parents' ids, and `parent` the column that is compared with them; `statement` must
        select it, and the columns of the order. A lateral join lets PostgreSQL find each parent's rows by the
        index.
        """
        parents = select(func.unnest(literal(list(ids), ARRAY(Uuid))).label("id")).subquery()
        rows = self.select(statement.where(parent == parents.c.id)).lateral()
        value, row_id = rows.c[self.order.column.key or ""], rows.c[self.order.id_column.key or ""]
        return select(rows).select_from(parents.join(rows, true())).order_by(*self._keys(value, row_id))

    def connection(
        self,
        rows: Sequence[Any],
        node: Callable[[Any], Node],
        key: Callable[[Any], tuple[Any, UUID]],
        count: Count,
    ) -> Connection[Node]:
        """Return the connection for the rows that a statement of `select` has returned.

        `node` converts a row to an element, `key` returns its sort value and id, `count` the number of
        elements in the whole list. Raises TooManyElements if the request's budget is exceeded (`kit/budget`).
        """
        has_more = len(rows) > self.size
        shown = rows[: self.size][:: -1 if self.is_backwards else 1]
        budget.spend(len(shown))
        edges: list[Edge[Node]] = [Edge(cursor=self.order.cursor(*key(row)), node=node(row)) for row in shown]
        info = PageInfo(
            has_next_page=self.ahead is not None if self.is_backwards else has_more,
            has_previous_page=has_more if self.is_backwards else self.behind is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        )
        return Connection(edges=edges, page_info=info, count=count)
