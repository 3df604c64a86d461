"""Tests of the operations in schema/operations, each executed on the whole platform with the small sample
data.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.config.load import read_config
from subgraphs.platform.options import GATEWAY_CONFIG
from tests.system.conftest import Platform

pytestmark = pytest.mark.system
FOLDER = Path(__file__).parents[2] / "schema" / "operations"
NAMES = sorted(path.stem for path in FOLDER.glob("*.graphql"))
VARIABLES = {"MUSSIKON_KEY_SET": "keys", "MUSSIKON_API_KEYS": "partners"}
LOGIN = re.compile(r"demo_(?:client|musician|admin)")
SUBSCRIPTIONS = [name for name in NAMES if "\nsubscription " in (FOLDER / f"{name}.graphql").read_text()]
REFUSED = {
    "refreshSession": "UNAUTHENTICATED",
    "saga": "NOT_FOUND",
    "sentMutation": "NOT_FOUND",
    "uploadProfilePicture": "BAD_USER_INPUT",
    **dict.fromkeys(SUBSCRIPTIONS, "STREAM_NOT_ACCEPTED"),
}
"""The codes of operations whose variables stand for what no file can have, and of those that need a
stream.
"""
MISTAKEN = {
    **dict.fromkeys(("resetPassword", "confirmEmail", "blockTime", "freeTime", "register"), "BAD_USER_INPUT"),
    **dict.fromkeys(("changePassword", "closeAccount"), "WRONG_CREDENTIALS"),
    **dict.fromkeys(("updateRequest", "updateMusicianProfile"), "VERSION_CONFLICT"),
    "createMusicianProfile": "CONFLICT",
    **dict.fromkeys(
        (
            *(
                "endSession",
                "applyToRequest",
                "changeApplication",
                "withdrawApplication",
                "rejectApplication",
            ),
            *("assignMusician", "confirmOffer", "completeEvent", "objectToPayout", "decideObjection"),
            *("cancelAndRefund", "cancelRequest", "rateBooking", "editReview", "removeTime"),
            *("markNotificationRead", "setUserActive"),
        ),
        "NOT_FOUND",
    ),
}
"""The codes of the user errors of such operations."""
MAY_BE_EMPTY = {"myCalendar", "requestApplications", "mySagas"}


def empty(value: Any) -> bool:
    """Return whether a response has no value at all."""
    if isinstance(value, dict):
        return all(empty(item) for key, item in value.items() if key != "__typename")
    if isinstance(value, list):
        return all(empty(item) for item in value)
    return value is None


def token_for(platform: Platform, name: str, login: str) -> str:
    """Return a token for an operation: one that other tests do not use, if the operation ends it."""
    if name == "logOutEverywhere":
        return platform.token_of_new_user()
    return platform.new_token(login) if name == "logOut" else platform.token(login)


def test_there_are_enough() -> None:
    """There are at least 15 operations, and every file of variables belongs to one; each subscription has a
    file.
    """
    assert len(NAMES) >= 15
    assert set(SUBSCRIPTIONS) == read_config(GATEWAY_CONFIG, VARIABLES).subscriptions.redis.fields.keys()
    assert {path.stem for path in FOLDER.glob("*.json")} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_operation(platform: Platform, name: str) -> None:
    """The operation returns data and no errors, or the expected one; one that needs a token is refused
    without it.
    """
    query = (FOLDER / f"{name}.graphql").read_text()
    beside = FOLDER / f"{name}.json"
    variables = json.loads(beside.read_text()) if beside.exists() else {}
    needs_token = query.startswith("# Needs a token")
    if needs_token:
        refused = platform.post(query, variables)
        assert refused.get("errors") or empty(refused["data"])
    named = LOGIN.search(query)
    login = named.group() if named else "demo_client"
    token = token_for(platform, name, login) if needs_token else None
    answer = platform.post(query, variables, token)
    if name in REFUSED:
        assert {error["extensions"]["code"] for error in answer["errors"]} == {REFUSED[name]}
        return
    assert "errors" not in answer
    payload = answer["data"].get(name)
    mistakes = payload.get("userErrors", []) if isinstance(payload, dict) else []
    assert {mistake["code"] for mistake in mistakes} == ({MISTAKEN[name]} if name in MISTAKEN else set())
    if name in MAY_BE_EMPTY:
        return
    assert not empty(answer["data"])
    text = json.dumps(answer["data"])
    assert '"edges"' not in text or '"edges": [{' in text
