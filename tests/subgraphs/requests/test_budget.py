"""Test of the budget of list elements: a short query with nested lists cannot load millions of objects."""

from datetime import UTC, datetime, timedelta

from subgraphs.kit.testing import ApiUser, Client, counted_statements
from tests.subgraphs.requests.test_requests import publish

ROOT = "requests: storedRequests(filter: {between: {from: $from, to: $to}}) { edges { node { title %s } } }"
STEP = "client { requests { edges { node { uuid %s } } } }"


async def test_a_request_that_wants_too_much(client: Client, host: ApiUser) -> None:
    """A query that exceeds the budget gets one error after few statements; the next request has a
    new budget.
    """
    day = datetime.now(UTC) + timedelta(days=340)
    around = {"from": (day - timedelta(days=1)).isoformat(), "to": (day + timedelta(days=1)).isoformat()}
    for number in range(4):
        await publish(client, host, title=f"Night {number}", eventDate=day.date().isoformat())

    def nested(steps: int) -> str:
        inner = ""
        for _ in range(steps):
            inner = STEP % inner
        return f"query($from: DateTime!, $to: DateTime!) {{ {ROOT % inner} }}"

    with counted_statements(client.service.database) as statements:
        answer = await client.send(nested(12), host, **around)
    assert [
        (error["extensions"]["code"], "10000 list elements" in error["message"]) for error in answer["errors"]
    ] == [("BAD_USER_INPUT", True)]
    assert len(statements) <= 3
    data = await client.data(nested(3), host, **around)
    assert len(data["requests"]["edges"]) == 4
