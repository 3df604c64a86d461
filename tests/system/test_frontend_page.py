"""Tests that the operations on the page for frontend developers work as the page says."""

import json
import re
import uuid
from pathlib import Path

import pytest

from tests.system.conftest import Platform

pytestmark = pytest.mark.system
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "platform" / "frontend.md").read_text()


def operation(name: str) -> str:
    """Return an operation of the page."""
    blocks: list[str] = re.findall(r"```graphql\n(.*?)```", PAGE, re.DOTALL)
    return next(block for block in blocks if re.match(rf"(query|mutation) {name}\b", block))


def test_log_in(platform: Platform) -> None:
    """The page's command returns a token."""
    (body,) = re.findall(r"-d '(\{\"query\":.*?\})'\n```", PAGE, re.DOTALL)
    answer = platform.post(json.loads(body.replace("\n", " "))["query"])
    assert answer["data"]["logIn"]["token"].count(".") == 2


def test_read_and_pages(platform: Platform) -> None:
    """The page's queries return own requests, and two pages of musicians without a common element."""
    token = platform.token("demo_client")
    requests = platform.post(operation("MyRequests"), token=token)["data"]["me"]["requests"]
    assert requests["totalCount"] >= len(requests["edges"]) == 2
    first = platform.post(operation("NextPage"))["data"]["findMusicians"]
    after = {"after": first["pageInfo"]["endCursor"]}
    second = platform.post(operation("NextPage"), after)["data"]["findMusicians"]
    pages = [{edge["cursor"] for edge in page["edges"]} for page in (first, second)]
    assert [len(page) for page in pages] == [3, 3]
    assert not pages[0] & pages[1]


def test_a_command_sent_twice_is_executed_once(platform: Platform) -> None:
    """The same commandId returns the same request."""
    example = (ROOT / "schema" / "operations" / "publishRequest.json").read_text()
    variables = json.loads(example) | {"commandId": str(uuid.uuid4())}
    token = platform.token("demo_client")
    answers = [platform.post(operation("Publish"), variables, token) for _ in range(2)]
    assert answers[0] == answers[1]
    assert "errors" not in answers[0], answers[0]


def test_a_saga_is_shown(platform: Platform) -> None:
    """A refused booking ends as a saga with an error; the same idempotency key returns the same saga."""
    token, key = platform.token("demo_client"), str(uuid.uuid4())
    variables = {"requestId": str(uuid.uuid4()), "musicianId": str(uuid.uuid4()), "key": key}
    saga = platform.post(operation("Assign"), variables, token)["data"]["assignMusician"]
    assert saga["status"] == "failed"
    shown = platform.post(operation("SagaState"), {"id": saga["id"]}, token)["data"]["saga"]
    assert (shown["status"], shown["error"]) == (saga["status"], saga["error"])
    assert platform.post(operation("Assign"), variables, token)["data"]["assignMusician"]["id"] == saga["id"]
