"""Tests of GraphiQL in a real browser: an example is executed, its response and plan are visible, and nothing
is loaded from other servers. `PICTURE=docs/graphiql.png` saves a screenshot, the picture in the README.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.browser import complaints, needs_browser, open_browser
from tests.pages import PHONE, overflowing, resize, small_targets
from tests.system.conftest import Platform

pytestmark = [pytest.mark.system, needs_browser]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    """A headless browser with a fresh profile and without access to other servers."""
    with open_browser(tmp_path) as browser:
        yield browser


@pytest.mark.parametrize("platform", ["processes"], indirect=True)
def test_an_example_runs_and_shows_its_plan(platform: Platform, browser: Chrome) -> None:
    """Choosing an example and pressing play shows its response, and the subgraph requests beside it."""
    browser.get(f"{platform.url}/")
    wait = WebDriverWait(browser, 60)
    wait.until(lambda _: len(Select(browser.find_element(By.ID, "examples")).options) > 15)
    wait.until(lambda _: browser.find_elements(By.CSS_SELECTOR, ".graphiql-execute-button"))
    Select(browser.find_element(By.ID, "examples")).select_by_visible_text("everything")
    wait.until(
        lambda _: "query Everything" in browser.find_element(By.CSS_SELECTOR, ".graphiql-query-editor").text
    )
    browser.find_element(By.CSS_SELECTOR, ".graphiql-execute-button").click()
    wait.until(lambda _: "matches" in browser.find_element(By.CSS_SELECTOR, ".result-window").text)
    shown = browser.find_element(By.CSS_SELECTOR, ".result-window").text
    assert '"requests"' in shown
    assert '"errors"' not in shown
    wait.until(lambda _: browser.find_elements(By.CSS_SELECTOR, "#plan-calls li"))
    plan = browser.find_element(By.ID, "plan").text
    assert {name for name in ("requests", "matching", "musicians", "reviews", "users") if name in plan} >= {
        "requests",
        "matching",
    }
    assert "Requests of this answer" in plan
    assert " ms" in plan
    if picture := os.environ.get("PICTURE"):
        browser.save_screenshot(picture)
    assert complaints(browser) == []
    resources = browser.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert [name for name in resources if not name.startswith((platform.url, "data:"))] == []


@pytest.mark.parametrize("platform", ["processes"], indirect=True)
def test_on_a_phone_everything_is_within_reach(platform: Platform, browser: Chrome) -> None:
    """On a page of 390 pixels the plan of an example is a tab, and nothing is outside of the page."""
    resize(browser, PHONE)
    browser.get(f"{platform.url}/")
    wait = WebDriverWait(browser, 60)
    wait.until(lambda _: browser.find_elements(By.CSS_SELECTOR, ".graphiql-execute-button"))
    wait.until(lambda _: len(Select(browser.find_element(By.ID, "examples")).options) > 15)
    Select(browser.find_element(By.ID, "examples")).select_by_visible_text("everything")
    browser.find_element(By.ID, "view-plan").click()
    wait.until(lambda _: "Not run yet" in browser.find_element(By.ID, "plan-note").text)
    assert "matching" in browser.find_element(By.ID, "plan-fetches").text
    assert (overflowing(browser), small_targets(browser)) == ([], [])


@pytest.mark.parametrize("platform", ["processes"], indirect=True)
def test_a_token_acts_as_its_user(platform: Platform, browser: Chrome) -> None:
    """A token in its field is sent with the request."""
    browser.get(f"{platform.url}/graphql")
    wait = WebDriverWait(browser, 60)
    wait.until(lambda _: len(Select(browser.find_element(By.ID, "examples")).options) > 15)
    wait.until(lambda _: browser.find_elements(By.CSS_SELECTOR, ".graphiql-execute-button"))
    browser.find_element(By.ID, "token").send_keys(platform.token("demo_client"))
    Select(browser.find_element(By.ID, "examples")).select_by_visible_text("myDesk")
    wait.until(
        lambda _: "query MyDesk" in browser.find_element(By.CSS_SELECTOR, ".graphiql-query-editor").text
    )
    browser.find_element(By.CSS_SELECTOR, ".graphiql-execute-button").click()
    wait.until(
        lambda _: (
            "demo_client@mussikon.example" in browser.find_element(By.CSS_SELECTOR, ".result-window").text
        )
    )
