"""Tests of what clients see of sagas: failures as user errors, the step that failed, and lists by time."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from subgraphs.kit import global_ids
from subgraphs.kit.testing import ApiUser
from tests.subgraphs.orchestration.bookings import assign, eur, offered
from tests.subgraphs.orchestration.conftest import Town

ASSIGN = """mutation($r: ID!, $m: ID!, $k: String!, $p: MoneyInput, $wait: Boolean!) {
  assignMusician(requestId: $r, musicianId: $m, idempotencyKey: $k, price: $p, wait: $wait) {
    saga { uuid status failure { code message step } } userErrors { code field message } } }"""


async def assigned(town: Town, request: str, musician: UUID, by: ApiUser, wait: bool = True) -> Any:
    """Start an assignment with a new key; return its payload."""
    given: dict[str, Any] = {"r": request, "m": str(musician), "k": uuid4().hex, "wait": wait, "p": None}
    answer = await town.client("orchestration").send(ASSIGN, by, **given)
    assert "errors" not in answer
    return answer["data"]["assignMusician"]


async def test_a_failed_saga_is_a_user_error(town: Town) -> None:
    """If the saga has ended without success before the answer, the user reads why as a user error; an answer
    before the end has none.
    """
    player = await town.musician()
    await offered(town, player, days=110)
    start = town.clock.now() + timedelta(days=110, hours=1)
    second = await town.applied(player, days=110, hour=start.hour)
    failed = await assigned(town, second, player[1], town.host)
    assert failed["saga"]["status"] == "COMPENSATED"
    message = failed["saga"]["failure"]["message"]
    assert failed["userErrors"] == [{"code": "CONFLICT", "field": None, "message": message}]
    begun = await assigned(town, second, player[1], town.host, wait=False)
    assert begun["userErrors"] == []
    await town.settled()
    ask = "query($id: ID!) { saga(id: $id) { status failure { code } } }"
    saga = (await town.client("orchestration").data(ask, town.host, id=begun["saga"]["uuid"]))["saga"]
    assert saga == {"status": "COMPENSATED", "failure": {"code": "CONFLICT"}}


async def test_a_missing_right_is_no_user_error(town: Town) -> None:
    """A stranger's saga fails by FORBIDDEN, which nobody can correct in a form: only `failure` has it."""
    player = await town.musician()
    request = await town.applied(player, days=111)
    failed = await assigned(town, request, player[1], ApiUser.make(town.keys, "client"))
    assert (failed["saga"]["failure"]["code"], failed["userErrors"]) == ("FORBIDDEN", [])


async def test_the_step_that_failed(town: Town) -> None:
    """`failure.step` names the step, not one of those that were undone for it; a saga without an error has no
    failure.
    """
    player = await town.musician()
    done = await assign(town, await town.applied(player, days=112, hour=18), player[1])
    assert done["failure"] is None
    taken = await assign(town, await town.applied(player, days=112, hour=19), player[1])
    assert (taken["status"], taken["failure"]["step"]) == ("COMPENSATED", "block_availability")
    without_price = await assign(town, await town.request(days=113), player[1])
    assert without_price["failure"]["step"] == "update_status"
    unknown = await assign(town, str(uuid4()), player[1], price=eur("400"))
    assert (unknown["status"], unknown["failure"]["step"]) == ("FAILED", "validate_availability")


async def test_sagas_of_a_time(town: Town) -> None:
    """`between` selects by the start of the saga; its end does not belong to it, and must not be before its
    start.
    """
    player = await town.musician()
    by, sagas = ApiUser.make(town.keys, "client"), []
    for _ in range(3):
        failed = await assigned(town, str(uuid4()), player[1], by)
        sagas.append(failed["saga"]["uuid"])
    ask = """query($between: BetweenInput) { sagas(first: 10, between: $between) {
      totalCount edges { node { uuid startedAt } } } }"""
    client = town.client("orchestration")

    async def found(**between: str | None) -> list[str]:
        page = (await client.data(ask, by, between=between))["sagas"]
        assert page["totalCount"] == len(page["edges"])
        return [edge["node"]["uuid"] for edge in page["edges"]]

    every = (await client.data(ask, by, between=None))["sagas"]["edges"]
    starts = [edge["node"]["startedAt"] for edge in reversed(every)]
    assert await found() == sagas[::-1]
    assert await found(**{"from": starts[1]}) == [sagas[2], sagas[1]]
    assert await found(to=starts[1]) == [sagas[0]]
    assert await found(**{"from": starts[1], "to": starts[2]}) == [sagas[1]]
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert await found(**{"from": later}) == []
    assert await client.codes(ask, by, between={"from": later, "to": starts[0]}) == ["BAD_USER_INPUT"]


async def test_several_mistakes_at_once(town: Town) -> None:
    """Every wrong field of an assignment is named, and an id of another type is one of them."""
    given: dict[str, Any] = {
        "r": global_ids.encode("Musician", uuid4()),
        "m": "nobody",
        "k": uuid4().hex,
        "p": {"amount": "-1", "currency": "EUR"},
        "wait": False,
    }
    assert await town.client("orchestration").mistakes(ASSIGN, town.host, **given) == [
        ("BAD_USER_INPUT", "requestId"),
        ("BAD_USER_INPUT", "musicianId"),
        ("BAD_USER_INPUT", "price.amount"),
    ]


@pytest.mark.parametrize("forwards", [True, False])
async def test_pages_of_sagas(town: Town, forwards: bool) -> None:
    """All sagas of a user, page by page in both directions."""
    player = await town.musician()
    by = ApiUser.make(town.keys, "client")
    made = [(await assigned(town, str(uuid4()), player[1], by))["saga"]["uuid"] for _ in range(3)]
    size, cursor = ("first", "after") if forwards else ("last", "before")
    ask = f"""query($cursor: String) {{ sagas({size}: 2, {cursor}: $cursor) {{
      pageInfo {{ startCursor endCursor hasNextPage hasPreviousPage }} edges {{ node {{ uuid }} }} }} }}"""
    pages, at = [], None
    for _ in range(2):
        page = (await town.client("orchestration").data(ask, by, cursor=at))["sagas"]
        pages.append([edge["node"]["uuid"] for edge in page["edges"]])
        at = page["pageInfo"]["endCursor" if forwards else "startCursor"]
    assert not page["pageInfo"]["hasNextPage" if forwards else "hasPreviousPage"]
    assert (pages[0] + pages[1] if forwards else pages[1] + pages[0]) == made[::-1]
