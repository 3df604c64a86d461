"""Test of the life of a booking in GraphiQL, in a real browser at both widths, by the examples alone."""

import json
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.browser import complaints, needs_browser, open_browser
from tests.pages import PHONE, WIDE, overflowing, resize
from tests.system.conftest import Platform

pytestmark = [pytest.mark.system, needs_browser]
VARIABLES = "document.querySelector('.graphiql-editor-tool .CodeMirror').CodeMirror"
RESPONSE = "document.querySelector('.result-window .CodeMirror')?.CodeMirror.getValue()"
Found = dict[str, Any]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    """A headless browser with a fresh profile and without access to other servers."""
    with open_browser(tmp_path) as browser:
        yield browser


def published(found: Found) -> Found:
    """Return the variables of a request for an event in two months."""
    day = (datetime.now(UTC) + timedelta(days=60 + secrets.randbelow(300))).date().isoformat()
    place = {"latitude": 52.52, "longitude": 13.405, "city": "Berlin", "country": "DE"}
    return {
        "input": {
            "title": f"Party {found['key']}",
            "eventDate": day,
            "startTime": "19:00",
            "endTime": "23:00",
            "timeZone": "Europe/Berlin",
            "budgetMin": {"amount": "300", "currency": "EUR"},
            "budgetMax": {"amount": "600", "currency": "EUR"},
            "location": place,
        }
    }


STEPS: list[tuple[str, str, Callable[[Found], Found], Callable[[Any], Any]]] = [
    ("publishRequest", "demo_client", published, lambda made: made["request"]["status"] == "OPEN"),
    (
        "applyToRequest",
        "demo_musician",
        lambda found: {
            "requestId": found["publishRequest"]["request"]["id"],
            "input": {"proposedPrice": {"amount": "450", "currency": "EUR"}},
        },
        lambda made: made["application"]["status"] == "PENDING",
    ),
    (
        "requestApplications",
        "demo_client",
        lambda found: {"id": found["publishRequest"]["request"]["id"]},
        lambda made: made["applications"]["totalCount"] == 1,
    ),
    (
        "assignMusician",
        "demo_client",
        lambda found: {
            "requestId": found["publishRequest"]["request"]["id"],
            "musicianId": found["requestApplications"]["applications"]["edges"][0]["node"]["musician"]["id"],
            "key": f"offer {found['key']}",
        },
        lambda made: made["saga"]["booking"]["status"] == "PENDING",
    ),
    (
        "confirmOffer",
        "demo_musician",
        lambda found: {
            "bookingId": found["assignMusician"]["saga"]["booking"]["id"],
            "key": f"confirm {found['key']}",
        },
        lambda made: made["saga"]["booking"]["status"] == "CONFIRMED",
    ),
    (
        "cancelAndRefund",
        "demo_client",
        lambda found: {
            "bookingId": found["assignMusician"]["saga"]["booking"]["id"],
            "reason": "The garden is flooded.",
            "key": f"cancel {found['key']}",
        },
        lambda made: made["saga"]["booking"]["status"] == "CANCELLED",
    ),
    (
        "cancelRequest",
        "demo_client",
        lambda found: {
            "requestId": found["publishRequest"]["request"]["id"],
            "reason": "No party this year.",
            "key": f"close {found['key']}",
        },
        lambda made: made["saga"]["request"]["status"] == "CANCELLED",
    ),
]
"""The example, the demo account, the variables from the earlier answers, and what the answer must show."""


@pytest.mark.parametrize("platform", ["processes"], indirect=True)
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_life_of_a_booking(platform: Platform, browser: Chrome, size: tuple[int, int]) -> None:
    """Each example, with variables from the answers before, is executed by the play button, and its
    answer is shown.
    """
    resize(browser, size)
    browser.get(f"{platform.url}/")
    wait = WebDriverWait(browser, 60)
    wait.until(lambda _: len(Select(browser.find_element(By.ID, "examples")).options) > 15)
    wait.until(lambda _: browser.find_elements(By.CSS_SELECTOR, ".graphiql-execute-button"))
    found: Found = {"key": secrets.token_hex(4)}
    for name, login, variables_of, shows in STEPS:
        token = browser.find_element(By.ID, "token")
        token.clear()
        token.send_keys(platform.token(login))
        Select(browser.find_element(By.ID, "examples")).select_by_visible_text(name)
        wait.until(partial(_is_in_editor, text=f"{name[0].upper()}{name[1:]}("))
        variables = variables_of(found)
        browser.execute_script(f"{VARIABLES}.setValue(arguments[0])", json.dumps(variables, indent=2))
        browser.find_element(By.CSS_SELECTOR, ".graphiql-execute-button").click()

        wait.until(partial(_is_shown, name=name, shows=shows))
        found[name] = _answer(browser, name)
        assert found[name].get("userErrors", []) == []
        assert overflowing(browser) == []
    assert complaints(browser) == []


def _is_in_editor(browser: Chrome, text: str) -> bool:
    return text in browser.find_element(By.CSS_SELECTOR, ".graphiql-query-editor").text


def _answer(browser: Chrome, name: str) -> Any:
    """Return what the response window shows of an operation; None while it is loading."""
    shown = browser.execute_script(f"return {RESPONSE}")
    read = json.loads(shown) if shown and shown.strip().endswith("}") else {}
    assert "errors" not in read, read
    data = read.get("data") or {}
    return data.get(name) or data.get("request")


def _is_shown(browser: Chrome, name: str, shows: Callable[[Any], Any]) -> bool:
    """Return whether the answer shows what it must; False for the answer of an earlier step."""
    try:
        return bool(shows(_answer(browser, name)))
    except (KeyError, TypeError, IndexError):
        return False
