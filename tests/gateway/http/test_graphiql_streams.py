"""GraphiQL in a real browser: a subscription's events appear as they come, and later parts (@defer) are
joined.

`PICTURES=FOLDER` saves screenshots.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from gateway.app import GatewayApp, create_gateway
from gateway.settings import Settings
from gateway.transport.fake_streams import FakeStreams
from tests.browser import complaints, needs_browser, open_browser
from tests.gateway.support import supergraph_of
from tests.pages import PHONE, WIDE, overflowing, resize, serving, until

pytestmark = needs_browser
SDLS = {
    "bands": """type Query { band: Band } type Subscription { rated: Band }
        type Band @key(fields: "id") { id: ID! }""",
    "reviews": 'type Query { x: Int } type Band @key(fields: "id") { id: ID! rating: Float }',
}
EXAMPLES = {
    "defer": "# A part comes later.\nquery Later {\n  band {\n    id\n    ... @defer { rating }\n  }\n}\n",
    "live": "# Each new rating.\nsubscription Live {\n  rated {\n    rating\n  }\n}\n",
}


async def bands(*_: Any) -> Any:
    """Reply with a band."""
    return {"data": {"band": {"id": "1", "_gateway_id": "1", "_gateway_typename": "Band"}}}


async def reviews(*_: Any) -> Any:
    """Reply with a rating."""
    return {"data": {"_entities": [{"rating": 4.5}]}}


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[tuple[str, FakeStreams]]:
    """Yield the URL of a gateway, and its streams."""
    for name, text in EXAMPLES.items():
        (tmp_path / f"{name}.graphql").write_text(text)
    settings = Settings(operations=str(tmp_path))
    gateway = create_gateway(supergraph_of(SDLS), settings, {"bands": bands, "reviews": reviews})
    streams = gateway.streams = FakeStreams()
    async with serving(GatewayApp(gateway).routes, "on") as url:
        yield url, streams


def begin(browser: Chrome, url: str, size: tuple[int, int], name: str) -> None:
    """Open the page, choose an example, and run it."""
    resize(browser, size)
    browser.get(f"{url}/graphql")
    until(browser, lambda: len(Select(browser.find_element(By.ID, "examples")).options) == 3)
    Select(browser.find_element(By.ID, "examples")).select_by_visible_text(name)
    word = EXAMPLES[name].split()[5]
    until(browser, lambda: word in browser.find_element(By.CSS_SELECTOR, ".graphiql-query-editor").text)
    browser.find_element(By.CSS_SELECTOR, ".graphiql-execute-button").click()


def response(browser: Chrome) -> str:
    """Return the text of the response."""
    return browser.find_element(By.CSS_SELECTOR, ".graphiql-response").text


def picture(browser: Chrome, name: str) -> None:
    """Save a screenshot if somebody wants it."""
    if folder := os.environ.get("PICTURES"):
        browser.save_screenshot(f"{folder}/{name}.png")


@pytest.mark.parametrize("size", [WIDE, PHONE])
async def test_a_subscription(page: tuple[str, FakeStreams], tmp_path: Path, size: tuple[int, int]) -> None:
    """Each event replaces the one before; the stop button ends the subscription at the subgraph."""
    url, streams = page
    loop = asyncio.get_running_loop()

    def event(number: int) -> None:
        body = orjson.dumps({"data": {"rated": {"id": str(number)}}})
        loop.call_soon_threadsafe(streams.opened[0].event, body)

    def look(browser: Chrome) -> None:
        begin(browser, url, size, "live")
        until(browser, lambda: streams.opened)
        event(1)
        until(browser, lambda: "4.5" in response(browser))
        picture(browser, f"subscription-{size[0]}")
        assert (overflowing(browser), complaints(browser)) == ([], [])
        if size == WIDE:  # a phone shows the button beside the query only
            browser.find_element(By.CSS_SELECTOR, ".graphiql-execute-button").click()
            until(browser, lambda: not streams.running)

    with open_browser(tmp_path / "profile") as browser:
        await asyncio.to_thread(look, browser)


async def test_a_later_part(page: tuple[str, FakeStreams], tmp_path: Path) -> None:
    """The parts of a response with @defer are one answer in the end."""
    url, _ = page

    def look(browser: Chrome) -> None:
        begin(browser, url, WIDE, "defer")
        until(browser, lambda: '"rating": 4.5' in response(browser))
        assert '"id": "1"' in response(browser)
        picture(browser, "defer")
        assert complaints(browser) == []

    with open_browser(tmp_path / "profile") as browser:
        await asyncio.to_thread(look, browser)
