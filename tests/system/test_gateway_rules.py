"""Tests of what the gateway itself refuses, before it asks a service."""

import time

import pytest

from tests.system.conftest import Platform

pytestmark = pytest.mark.system
ADMINS = "{ audit { totalCount } syncTargets { pending } readModels { name } }"

ASSIGN = 'mutation { assignMusician(requestId: "1", musicianId: "1", idempotencyKey: "1") { id } }'


@pytest.mark.parametrize(
    ("login", "query"),
    [
        (None, '{ me { id } myPayments { totalCount } saga(id: "x") { id } }'),
        (None, "mutation { markAllNotificationsRead }"),
        (None, ADMINS),
        ("demo_client", ADMINS),
        ("demo_musician", ASSIGN),
    ],
)
def test_what_callers_may_not_see_is_not_asked_for(platform: Platform, login: str | None, query: str) -> None:
    """Fields for users and roles are null without the token; a service would answer with another code."""
    answer = platform.post(query, token=platform.token(login) if login else None)
    assert set(answer["data"].values()) == {None}
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"UNAUTHORIZED_FIELD_OR_TYPE"}
    assert [error["path"] for error in answer["errors"]] == [[name] for name in answer["data"]]


def test_admins_see_what_is_for_admins(platform: Platform) -> None:
    """The role in the token is the scope that such fields demand."""
    answer = platform.post(ADMINS, token=platform.token("demo_admin"))
    assert "errors" not in answer
    assert None not in answer["data"].values()


@pytest.mark.parametrize("aliases", [20, 100])
def test_a_query_of_many_seconds_is_refused_at_once(platform: Platform, aliases: int) -> None:
    """Without limits on cost, a hundred pages of musicians with their reviews took 25 seconds."""
    page = """musicians(first: 100) { edges { node { stageName
        reviews(first: 100) { edges { node { text author { username } } } } } } }"""
    begin = time.monotonic()
    answer = platform.post("{" + " ".join(f"a{number}: {page}" for number in range(aliases)) + "}")
    assert time.monotonic() - begin < 3
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["COST_ESTIMATED_TOO_EXPENSIVE"]
    assert "data" not in answer
