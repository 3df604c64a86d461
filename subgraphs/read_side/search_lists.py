"""The connections of the lists `musicians` and `requests`, whose edges have facts of their own."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import strawberry

from subgraphs.kit.cache_hints import INHERITED, private
from subgraphs.kit.graphql import object_type
from subgraphs.kit.pagination import Connection, ListPage
from subgraphs.read_side.types import Musician, MusicianRequest

Node = TypeVar("Node")


@dataclass(frozen=True, slots=True)
class Listed(Generic[Node]):
    """An element of a list with the facts of its edge."""

    node: Node
    distance_km: float | None = None
    last_active: datetime | None = None
    total_applications: int | None = None


@object_type()
class MusicianSearchEdge:
    """A musician in a list, with facts about the search."""

    cursor: str = strawberry.field(description="The position of the element in the list.")
    node: Musician = strawberry.field(description="The musician.")
    distance_km: float | None = strawberry.field(
        description="The distance from the centre of `near` in kilometres; null without `near`."
    )
    last_active: datetime | None = strawberry.field(
        description="The newest change of the profile, an application or a booking; null while the read "
        "model does not answer."
    )


@object_type()
class MusicianSearchConnection(ListPage):
    """A page of a list of musicians."""

    edges: list[MusicianSearchEdge] = strawberry.field(
        description="The elements of the page.", directives=[INHERITED]
    )

    @classmethod
    def of(cls, found: Connection[Listed[Musician]]) -> "MusicianSearchConnection":
        """Return the GraphQL object of a page."""

        def edge(cursor: str, listed: Listed[Musician]) -> MusicianSearchEdge:
            return MusicianSearchEdge(
                cursor=cursor,
                node=listed.node,
                distance_km=listed.distance_km,
                last_active=listed.last_active,
            )

        return cls(edges=_edges(found, edge), page_info=found.page_info, count=found.count)


@object_type()
class RequestSearchEdge:
    """A request in a list, with facts about the search."""

    cursor: str = strawberry.field(description="The position of the element in the list.")
    node: MusicianRequest = strawberry.field(description="The request.")
    distance_km: float | None = strawberry.field(
        description="The distance from the centre of `near` in kilometres; null without `near`."
    )
    total_applications: int | None = strawberry.field(
        description="The number of applications, including rejected ones; null for callers other than the "
        "client and admins.",
        directives=[private(30)],
    )


@object_type()
class RequestSearchConnection(ListPage):
    """A page of a list of requests."""

    edges: list[RequestSearchEdge] = strawberry.field(
        description="The elements of the page.", directives=[INHERITED]
    )

    @classmethod
    def of(cls, found: Connection[Listed[MusicianRequest]]) -> "RequestSearchConnection":
        """Return the GraphQL object of a page."""

        def edge(cursor: str, listed: Listed[MusicianRequest]) -> RequestSearchEdge:
            return RequestSearchEdge(
                cursor=cursor,
                node=listed.node,
                distance_km=listed.distance_km,
                total_applications=listed.total_applications,
            )

        return cls(edges=_edges(found, edge), page_info=found.page_info, count=found.count)


def _edges(found: Connection[Any], edge: Callable[[str, Any], Any]) -> list[Any]:
    return [edge(one.cursor, one.node) for one in found.edges]
