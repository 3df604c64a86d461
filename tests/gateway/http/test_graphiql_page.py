"""GraphiQL in a real browser over a small gateway: the plan before a run and the calls after it, the phone's
layout, and what a reader sees when something fails. `tests/system/test_graphiql.py` has the platform's.

`PICTURES=FOLDER` saves screenshots.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from gateway.app import create_app
from gateway.http.routes import PAGE
from gateway.settings import CacheSettings, Settings
from tests.browser import complaints, needs_browser, open_browser
from tests.gateway.support import supergraph_of
from tests.pages import PHONE, WIDE, faint_texts, overflowing, resize, serving, small_targets, until

pytestmark = needs_browser
SDLS = {
    "bands": """type Query { bands: [Band!] } type Mutation { add: Int }
        type Band @key(fields: "id") { id: ID! }""",
    "reviews": 'type Band @key(fields: "id") { id: ID! rating: Float }',
    "prices": 'type Band @key(fields: "id") { id: ID! price: Int }',
}
CACHED = {"cache": CacheSettings(enabled=True, lifetime=60.0)}
EXAMPLES = {"bands": "# All bands.\nquery Bands {\n  bands {\n    rating\n    price\n  }\n}\n"}
EXAMPLES |= {"add": "# A change.\nmutation Add {\n  add\n}\n"}


@dataclass
class Page:
    """A gateway that is served at `url`, and the subgraphs that it has called."""

    url: str
    asked: list[str]

    def open(self, browser: Chrome, size: tuple[int, int]) -> None:
        """Open the page, and wait until an operation can be written."""
        resize(browser, size)
        browser.get(f"{self.url}/graphql")
        until(browser, lambda: browser.find_element(By.CSS_SELECTOR, ".graphiql-execute-button"))
        until(browser, lambda: len(Select(browser.find_element(By.ID, "examples")).options) == 3)


@pytest.fixture
async def page(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    """Yield a gateway of three subgraphs of which one fails; a `param` has settings."""
    for source in (PAGE.parent / "src").iterdir():
        assert (PAGE / source.name).read_bytes() == source.read_bytes(), "the page is old: run `make env`"
    for name, text in EXAMPLES.items():
        (tmp_path / f"{name}.graphql").write_text(text)
    asked: list[str] = []

    def subgraph(name: str, data: dict[str, Any]) -> Any:
        async def execute(query: str, variables: Any, operation_name: str | None, headers: Any) -> Any:
            asked.append(name)
            if headers.get("authorization") == "Bearer old":
                error = {"message": "the token is not valid", "extensions": {"code": "UNAUTHENTICATED"}}
                return {"data": None, "errors": [error]}
            return data

        return execute

    rated = {"data": {"_entities": [{"rating": 4.5}, {"rating": 3.0}]}}
    local = {
        "bands": subgraph("bands", {"data": {"bands": [{"id": "1"}, {"id": "2"}], "add": 1}}),
        "reviews": subgraph("reviews", rated),
        "prices": subgraph("prices", {"data": None, "errors": [{"message": "the price list is empty"}]}),
    }
    settings = Settings(operations=str(tmp_path), **getattr(request, "param", {}))
    async with serving(create_app(supergraph_of(SDLS), settings, local), "on") as url:
        yield Page(url, asked)


async def browse(folder: Path, look: Callable[[Chrome], None], dark: bool = False) -> None:
    """Run a function with a browser, in a thread."""
    with open_browser(folder / "profile", *(["force-dark-mode"] if dark else [])) as browser:
        await asyncio.to_thread(look, browser)


def text(browser: Chrome, selector: str) -> str:
    """Return the visible text of an element."""
    return browser.find_element(By.CSS_SELECTOR, selector).text


def click(browser: Chrome, selector: str) -> None:
    """Click an element."""
    browser.find_element(By.CSS_SELECTOR, selector).click()


def choose(browser: Chrome, name: str) -> None:
    """Choose an example, and wait for its text in the editor."""
    Select(browser.find_element(By.ID, "examples")).select_by_visible_text(name)
    word = EXAMPLES[name].split()[4]
    until(browser, lambda: word in text(browser, ".graphiql-query-editor"))


def picture(browser: Chrome, name: str) -> None:
    """Save a screenshot if somebody wants it."""
    if folder := os.environ.get("PICTURES"):
        browser.save_screenshot(f"{folder}/{name}.png")


def planned(browser: Chrome) -> None:
    """Wait for the plan of what is in the editor."""
    until(browser, lambda: "Not run yet" in text(browser, "#plan-note"))


@pytest.mark.parametrize("dark", [False, True])
async def test_the_plan_and_then_the_requests(page: Page, tmp_path: Path, dark: bool) -> None:
    """Before a run the panel has the plan alone, and nothing is executed; afterwards the requests of the
    answer, until the operation changes.
    """

    def look(browser: Chrome) -> None:
        page.open(browser, WIDE)
        assert "Write a query, or choose an example" in text(browser, "#plan-note")
        assert "Run the operation" in browser.execute_script(
            "return getComputedStyle(document.querySelector('.graphiql-response'), '::before').content"
        )
        choose(browser, "bands")
        planned(browser)
        assert "3 subgraph requests" in text(browser, "#plan-note")
        assert "... on Band {\n      rating\n    }" in text(browser, "#plan-fetches")
        assert (browser.find_elements(By.CSS_SELECTOR, "#plan-calls li"), page.asked) == ([], [])
        picture(browser, f"plan-{dark}")
        assert faint_texts(browser, ".bar, #plan") == []
        click(browser, ".graphiql-execute-button")
        until(browser, lambda: "Requests of this answer" in text(browser, "#plan-title"))
        calls = [one.text for one in browser.find_elements(By.CSS_SELECTOR, "#plan-calls li")]
        assert [one.split("\n")[:2] for one in calls] == [
            ["bands", "ok"],
            ["reviews", "ok"],
            ["prices", "1 error"],
        ]
        assert all(word in calls[1] for word in ("start", "duration", " ms", "sent", "received", " B"))
        assert "representations\n2" in calls[1]
        assert "1 of them with errors" in text(browser, "#plan-note")
        picture(browser, f"calls-{dark}")
        assert faint_texts(browser, ".bar, #plan") == []
        choose(browser, "add")
        planned(browser)
        assert text(browser, "#plan-calls") == ""
        assert sorted(page.asked) == ["bands", "prices", "reviews"]
        assert (overflowing(browser), complaints(browser)) == ([], [])

    await browse(tmp_path, look, dark)


@pytest.mark.parametrize("dark", [False, True])
async def test_a_phone(page: Page, tmp_path: Path, dark: bool) -> None:
    """At 390 pixels editor, answer and plan are tabs, also by keyboard; a run shows the answer. Nothing
    scrolls sideways, all targets have 40 pixels, and all texts enough contrast.
    """

    def fits(browser: Chrome, view: str) -> None:
        picture(browser, f"phone-{view}-{dark}")
        assert (overflowing(browser), small_targets(browser)) == ([], [])
        assert faint_texts(browser, ".bar, #views, #plan") == []

    def look(browser: Chrome) -> None:
        page.open(browser, PHONE)
        choose(browser, "bands")
        fits(browser, "query")
        assert not browser.find_element(By.ID, "plan").is_displayed()
        click(browser, "#view-plan")
        planned(browser)
        fits(browser, "plan")
        assert not browser.find_element(By.CSS_SELECTOR, ".graphiql-execute-button").is_displayed()
        browser.find_element(By.ID, "view-plan").send_keys(Keys.ARROW_RIGHT)
        assert browser.switch_to.active_element.get_attribute("id") == "view-query"
        click(browser, ".graphiql-execute-button")
        until(browser, lambda: '"rating"' in text(browser, ".result-window"))
        fits(browser, "response")
        click(browser, "#view-plan")
        until(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, "#plan-calls li")) == 3)
        fits(browser, "calls")
        resize(browser, WIDE)
        for part in (".graphiql-execute-button", ".result-window", "#plan"):
            assert browser.find_element(By.CSS_SELECTOR, part).is_displayed()

    await browse(tmp_path, look, dark)


async def test_a_token_that_has_expired(page: Page, tmp_path: Path) -> None:
    """A refused token is marked, with what to do; an operation without a token says that it needs one."""

    def look(browser: Chrome) -> None:
        page.open(browser, WIDE)
        choose(browser, "add")
        browser.find_element(By.ID, "token").send_keys("old")
        click(browser, ".graphiql-execute-button")
        until(browser, lambda: "may have expired" in text(browser, "#token-note"))
        assert browser.find_element(By.ID, "token").get_attribute("aria-invalid") == "true"
        assert faint_texts(browser, ".bar") == []
        browser.find_element(By.ID, "token").clear()
        click(browser, ".graphiql-execute-button")
        until(browser, lambda: text(browser, "#token-note") == "")
        assert browser.find_element(By.ID, "token").get_attribute("aria-invalid") == "false"

    await browse(tmp_path, look)


async def test_a_gateway_that_is_down(page: Page, tmp_path: Path) -> None:
    """A gateway that does not reply is named in the answer, with what to do, and without a stack trace."""

    def look(browser: Chrome) -> None:
        page.open(browser, WIDE)
        choose(browser, "bands")
        planned(browser)
        browser.execute_cdp_cmd("Network.enable", {})
        offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        browser.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
        click(browser, ".graphiql-execute-button")
        until(browser, lambda: "does not reply" in text(browser, ".result-window"))
        assert page.url in text(browser, ".result-window").replace("\n", "")
        assert "stack" not in text(browser, ".result-window")
        assert "see the errors of the answer" in text(browser, "#plan-note")

    await browse(tmp_path, look)


@pytest.mark.parametrize("page", [CACHED], indirect=True)
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("dark", [False, True])
async def test_what_the_cache_has_saved(
    page: Page, tmp_path: Path, size: tuple[int, int], dark: bool
) -> None:
    """After a second run the panel says which requests were answered from the cache, and for how long."""

    def items(browser: Chrome) -> list[str]:
        return [one.text for one in browser.find_elements(By.CSS_SELECTOR, "#plan-calls li")]

    def run(browser: Chrome, note: str) -> None:
        if size == PHONE:
            click(browser, "#view-query")
        click(browser, ".graphiql-execute-button")
        until(browser, lambda: '"rating"' in text(browser, ".result-window"))
        if size == PHONE:
            click(browser, "#view-plan")
        until(browser, lambda: note in text(browser, "#plan-note"))

    def look(browser: Chrome) -> None:
        page.open(browser, size)
        choose(browser, "bands")
        run(browser, "3 subgraph requests in")
        assert re.search(r"cache\n0 of 2 values\nlifetime\n6\d\.\d+ s", items(browser)[1])
        run(browser, "2 requests answered from the cache")
        assert [one.split("\n")[:2] for one in items(browser)] == [
            ["bands", "cached"],
            ["reviews", "cached"],
            ["prices", "1 error"],
        ]
        assert "cache\n2 of 2 values" in items(browser)[1]
        assert "cache\n0 of 2 values\nlifetime\nnot stored" in items(browser)[2]
        assert page.asked.count("reviews") == 1
        picture(browser, f"cached-{size[0]}-{dark}")
        assert (overflowing(browser), small_targets(browser) if size == PHONE else []) == ([], [])
        assert faint_texts(browser, ".bar, #plan") == []

    await browse(tmp_path, look, dark)


@pytest.mark.parametrize("page", [{"plan_header": False}], indirect=True)
async def test_where_plans_are_not_shown(page: Page, tmp_path: Path) -> None:
    """A gateway without plans says so; operations run as usual, and only when they are run."""

    def look(browser: Chrome) -> None:
        page.open(browser, WIDE)
        choose(browser, "add")
        until(browser, lambda: "does not show plans" in text(browser, "#plan-note"))
        assert page.asked == []
        click(browser, ".graphiql-execute-button")
        until(browser, lambda: '"add": 1' in text(browser, ".result-window"))
        assert page.asked == ["bands"]

    await browse(tmp_path, look)


async def test_what_is_no_operation(page: Page, tmp_path: Path) -> None:
    """For invalid variables and an invalid operation the panel says why there is no plan."""

    def look(browser: Chrome) -> None:
        page.open(browser, WIDE)
        write = "document.querySelector(arguments[0]).CodeMirror.setValue(arguments[1])"
        query, variables = ".graphiql-query-editor .CodeMirror", ".graphiql-editor-tool .CodeMirror"
        browser.execute_script(write, query, "{ bands { nothing } }")
        until(browser, lambda: "Cannot query field 'nothing'" in text(browser, "#plan-note"))
        browser.execute_script(write, query, "{ bands { id } }")
        planned(browser)
        browser.execute_script(write, variables, "{")
        until(browser, lambda: "not valid JSON" in text(browser, "#plan-note"))
        assert page.asked == []

    await browse(tmp_path, look)
