"""Progressive @override: fields that move from one subgraph to another for a share of the requests."""

from typing import Any

import orjson
import pytest

from gateway.app import create_gateway
from gateway.core.envelope import encoded_body
from gateway.core.errors import SettingsError
from gateway.request.graphql_request import GraphQLRequest
from gateway.request.labels import labels_on, point_of
from gateway.settings import Settings
from tests.gateway.subgraph import Subgraph
from tests.gateway.support import supergraph_of

LINK = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.7", '
    'import: ["@key", "@override", "@requires", "@external"])\n'
)
NEW = """
type Query { things: [Thing] }
type Thing @key(fields: "id") {
  id: ID!
  size: String @override(from: "old", label: "percent(30)")
  color: String @override(from: "old", label: "new-colors")
}
"""
OLD = 'type Thing @key(fields: "id") { id: ID! size: String color: String }'
THIRD = (
    'type Thing @key(fields: "id") { id: ID! size: String @external label: String @requires(fields: "size") }'
)
QUERY = "{ things { size color } }"


def subgraphs() -> dict[str, Subgraph]:
    """Return subgraphs whose values contain the subgraph's name."""
    new = {"__typename": "Thing", "id": "1", "size": "new", "color": "new"}
    old = {"__typename": "Thing", "id": "1", "size": "old", "color": "old"}
    third = {"__typename": "Thing", "id": "1", "label": lambda source, **_: f"label of {source['size']}"}
    return {
        "new": Subgraph(LINK + NEW, {"Query": {"things": [new]}, "Thing:1": new}),
        "old": Subgraph(LINK + OLD, {"Thing:1": old}),
        "third": Subgraph(LINK + THIRD, {"Thing:1": third}),
    }


async def answer(query: str, user: str | None, labels: frozenset[str] = frozenset()) -> Any:
    """Return the data of a user's response."""
    sdls = {"new": LINK + NEW, "old": LINK + OLD, "third": LINK + THIRD}
    gateway = create_gateway(supergraph_of(sdls, linked=False), Settings(labels=labels), subgraphs())
    headers = {"authorization": user} if user is not None else {}
    bodies = [encoded_body(await gateway.answer(GraphQLRequest(query), headers)) for _ in range(3)]
    return [orjson.loads(body)["data"]["things"][0] for body in bodies]


def user_at(low: float, high: float) -> str:
    """Return a user whose point is between two numbers."""
    return next(name for number in range(10_000) if low <= point_of(name := f"user {number}") < high)


async def test_a_user_stays_on_one_side() -> None:
    """Users within the share always get the new subgraph's field, all others the old one's."""
    inside, outside = user_at(0, 30), user_at(30, 100)
    assert await answer(QUERY, inside) == [{"size": "new", "color": "old"}] * 3
    assert await answer(QUERY, outside) == [{"size": "old", "color": "old"}] * 3


async def test_a_label_of_the_settings() -> None:
    """A label in the settings is active for everyone; one that the supergraph does not have is refused."""
    outside = user_at(30, 100)
    assert await answer(QUERY, outside, frozenset({"new-colors"})) == [{"size": "old", "color": "new"}] * 3
    with pytest.raises(SettingsError, match="new-colours"):
        await answer(QUERY, outside, frozenset({"new-colours"}))


async def test_requirements_follow_the_label() -> None:
    """A @requires input that moves comes from the subgraph of the active label, also if the client did not
    select it.
    """
    assert (await answer("{ things { label } }", user_at(0, 30)))[0] == {"label": "label of new"}
    assert (await answer("{ things { label } }", user_at(30, 100)))[0] == {"label": "label of old"}


def test_shares() -> None:
    """The share of users with the new field is that of the label; 0 is nobody and 100 everyone."""
    labels = ["percent(0)", "percent(25)", "percent(100)"]
    found = [labels_on(labels, (), point_of(str(number))) for number in range(2_000)]
    assert not any("percent(0)" in one for one in found)
    assert all("percent(100)" in one for one in found)
    assert 420 < sum("percent(25)" in one for one in found) < 580
