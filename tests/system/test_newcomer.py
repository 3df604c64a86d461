"""Tests of wrong input that a new user may send: each gets an error that says what is wrong."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.system.conftest import Platform

pytestmark = pytest.mark.system
PUBLISH = """mutation ($input: PublishRequestInput!) {
    publishRequest(input: $input) {
        request { id startsAt endsAt durationHours } userErrors { code field message } } }"""
REGISTER = """mutation ($input: RegisterInput!) {
    register(input: $input) { session { token } userErrors { code field message } } }"""
TODAY = datetime.now(UTC).date()
SOON = (TODAY + timedelta(days=30)).isoformat()


def euros(amount: str) -> dict[str, str]:
    """Return an amount as the API takes it."""
    return {"amount": amount, "currency": "EUR"}


def request_input(**changes: Any) -> dict[str, Any]:
    """Return a valid input of a request, with these changes."""
    fine = {
        "title": "Birthday",
        "eventDate": SOON,
        "startTime": "20:00",
        "endTime": "01:00",
        "timeZone": "Europe/Berlin",
        "budgetMin": euros("100"),
        "budgetMax": euros("300"),
        "location": {"latitude": 52.5, "longitude": 13.4},
    }
    return {**fine, **changes}


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"budgetMin": euros("-5")}, "budgetMin", "budgetMin"),
        ({"budgetMin": euros("500")}, "budgetMin", "budgetMin"),
        ({"budgetMin": {"amount": "1", "currency": "CHF"}}, "budgetMax.currency", "CHF"),
        ({"startTime": "20:00", "endTime": "20:00"}, "endTime", "equal"),
        ({"endDate": (TODAY + timedelta(days=32)).isoformat()}, "endTime", "24 hours"),
        ({"eventDate": "2020-01-01"}, "eventDate", "past"),
        ({"timeZone": "Mars/Olympus"}, "timeZone", "timeZone"),
        ({"location": {"latitude": 200, "longitude": 13.4}}, "location.latitude", "latitude"),
        ({"title": "x" * 300}, "title", "title"),
        ({"title": " "}, "title", "title"),
        ({"requiredSkills": ["piano"]}, "requiredSkills", "piano"),
    ],
)
def test_wrong_requests_are_explained(
    platform: Platform, changes: dict[str, Any], field: str, words: str
) -> None:
    """A request that breaks a rule is refused with the field and the reason."""
    answer = platform.post(PUBLISH, {"input": request_input(**changes)}, platform.token("demo_client"))
    assert "errors" not in answer
    assert answer["data"]["publishRequest"]["request"] is None
    (error,) = answer["data"]["publishRequest"]["userErrors"]
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", field)
    assert words in error["message"]


@pytest.mark.parametrize(
    ("changes", "words"), [({"budgetMax": euros("1e400")}, "1E+400"), ({"startTime": "25:00"}, "25:00")]
)
def test_values_that_are_no_values(platform: Platform, changes: dict[str, Any], words: str) -> None:
    """A text that is no time, and a number that is too large, are refused with the text."""
    answer = platform.post(PUBLISH, {"input": request_input(**changes)}, platform.token("demo_client"))
    assert words in str(answer)
    assert answer.get("errors") or answer["data"]["publishRequest"]["userErrors"]


def test_all_wrong_fields_at_once(platform: Platform) -> None:
    """A form with several wrong fields gets an error for each of them."""
    wrong = request_input(title=" ", timeZone="Mars/Olympus", budgetMin=euros("-5"))
    answer = platform.post(PUBLISH, {"input": wrong}, platform.token("demo_client"))
    found = {error["field"] for error in answer["data"]["publishRequest"]["userErrors"]}
    assert found == {"title", "timeZone", "budgetMin"}


def test_a_gig_past_midnight_ends_the_next_day(platform: Platform) -> None:
    """An end at or before the start is on the next day."""
    answer = platform.post(PUBLISH, {"input": request_input()}, platform.token("demo_client"))
    assert answer["data"]["publishRequest"]["request"]["durationHours"] == 5


def test_words_of_sql_are_words(platform: Platform) -> None:
    """SQL in a name is stored as text, and a search for it finds only that name."""
    name = "Robert'); DROP TABLE users;--"
    query = """query ($s: String) {
        users(first: 1, filter: {search: $s}) { totalCount }
        musicians(filter: {city: $s, name: $s}) { totalCount }
        requests(filter: {text: $s}) { totalCount }
    }"""
    assert platform.post(query, {"s": name})["data"] == {
        "users": {"totalCount": 0},
        "musicians": {"totalCount": 0},
        "requests": {"totalCount": 0},
    }
    account = {"username": name, "email": "bobby@example.org", "password": "a long password"}
    refused = platform.post(REGISTER, {"input": account})["data"]["register"]
    assert [(one["code"], one["field"]) for one in refused["userErrors"]] == [("BAD_USER_INPUT", "username")]
    assert platform.post("{ users { totalCount } }")["data"]["users"]["totalCount"] >= 3000


def test_nobody_registers_as_admin(platform: Platform) -> None:
    """A registration with the type ADMIN is refused."""
    account = {
        "username": "boss",
        "email": "boss@example.org",
        "password": "a long password",
        "userType": "ADMIN",
    }
    refused = platform.post(REGISTER, {"input": account})
    assert refused["data"] == {"register": None}
    assert [error["extensions"]["code"] for error in refused["errors"]] == ["FORBIDDEN"]


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."])
def test_a_bad_token_is_told(platform: Platform, token: str) -> None:
    """A token that is not valid is an error of the whole request, also for public fields."""
    for query in ("{ me { username } }", "{ musicians { totalCount } }"):
        answer = platform.post(query, token=token)
        assert "data" not in answer
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAUTHENTICATED"]


def test_typos_and_sizes(platform: Platform) -> None:
    """An unknown field, a body of 10 MB, an unknown path and an unknown id get clear errors."""
    typo = platform.post("{ musicans { totalCount } }")["errors"][0]
    assert "Did you mean 'musicians'" in typo["message"]
    large = httpx.post(
        f"{platform.url}/graphql",
        content=b'{"query":"' + b" " * 10_000_000,
        headers={"content-type": "application/json"},
    )
    assert (large.status_code, large.json()["errors"][0]["extensions"]["code"]) == (413, "REQUEST_TOO_LARGE")
    assert "/graphql" in httpx.get(f"{platform.url}/grapql").text
    cursor = platform.post('{ musicians(after: "x") { totalCount } }')["errors"][0]
    assert cursor["extensions"]["code"] == "BAD_USER_INPUT"
    many = platform.post("{ musicians(first: 5000) { totalCount } }")["errors"][0]
    assert "100" in many["message"]
    assert platform.post('{ musician(id: "nobody") { id } }')["data"] == {"musician": None}


def test_private_things_stay_private(platform: Platform) -> None:
    """Without a token, as another user and with forged headers nobody sees a user's address, notifications or
    bookings.
    """
    query = """{ user(id: "%s") { username email phone unreadNotificationCount
        notifications { totalCount } bookings { totalCount } } }"""
    me = platform.post("{ me { id } }", token=platform.token("demo_client"))["data"]["me"]["id"]
    for token in (None, platform.token("demo_musician")):
        answer = platform.post(query % me, token=token)
        seen = answer["data"]["user"]
        assert seen.pop("username") == "demo_client"
        assert set(seen.values()) == {None}
        codes = {error["extensions"]["code"] for error in answer["errors"]}
        assert codes <= {"UNAUTHENTICATED", "UNAUTHORIZED_FIELD_OR_TYPE", "FORBIDDEN"}
        assert {error["path"][1] for error in answer["errors"]} == set(seen)
    forged = httpx.post(
        f"{platform.url}/graphql",
        json={"query": query % me},
        headers={"x-user-id": me, "x-role": "admin", "x-forwarded-for": me},
    ).json()
    assert forged["data"]["user"]["email"] is None


@pytest.mark.parametrize(
    "platform", ["processes"], indirect=True
)  # in one process no subgraph can be stopped alone
def test_one_subgraph_down_costs_its_own_fields(platform: Platform) -> None:
    """While `reviews` is stopped, its fields are null with errors at their paths, and all others have values,
    also the ratings in a list, which the read model has; afterwards all have values again.
    """
    query = """{
        musicians(first: 2) { edges { node {
            stageName rating totalReviews user { username } priceBand reviews { totalCount } } } }
        latestReviews { totalCount }
    }"""
    whole = platform.post(query)
    assert "errors" not in whole
    platform.command("stop", "reviews")
    try:
        uncached = query.replace("reviews {", "reviews(first: 9) {").replace(
            "latestReviews", "latestReviews(first: 9)"
        )
        answer = platform.post(uncached)
        assert answer["data"]["latestReviews"] is None
        for index, edge in enumerate(answer["data"]["musicians"]["edges"]):
            expected = whole["data"]["musicians"]["edges"][index]["node"]
            assert edge["node"] == {**expected, "reviews": None}
        paths = {tuple(error["path"]) for error in answer["errors"]}
        place = ("musicians", "edges")
        wanted = {(*place, index, "node", "reviews") for index in (0, 1)}
        assert paths == wanted | {("latestReviews",)}
        assert {error["extensions"]["code"] for error in answer["errors"]} == {"SUBGRAPH_UNREACHABLE"}
        ready = httpx.get(f"{platform.url}/health/ready").json()
        assert (ready["status"], ready["subgraphs"]["reviews"]) == ("ok", "SUBGRAPH_UNREACHABLE")
    finally:
        platform.command("start", "reviews")
    assert platform.post(query)["data"] == whole["data"]
