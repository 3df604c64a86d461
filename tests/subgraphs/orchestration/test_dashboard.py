"""Tests of the dashboard in a real browser: what it shows, live changes, an operator's command, and who may
see it.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from subgraphs.kit.testing import ApiUser
from tests.browser import complaints, needs_browser, open_browser
from tests.pages import serving, until
from tests.subgraphs.orchestration.bookings import assign
from tests.subgraphs.orchestration.conftest import Town


@pytest.fixture
async def address(town: Town) -> AsyncIterator[str]:
    """The URL of the orchestration service."""
    async with serving(town.services["orchestration"].asgi) as url:
        yield url


def token_of(person: ApiUser) -> str:
    """Return a user's token."""
    return person.headers["authorization"].removeprefix("Bearer ")


def count(browser: Chrome, status: str) -> int:
    """Return how many sagas of a status the page shows."""
    return int(browser.find_element(By.CSS_SELECTOR, f'[data-status="{status}"] b').text)


def log_in(browser: Chrome, address: str, token: str) -> None:
    """Open the page and enter a token."""
    browser.get(f"{address}/dashboard/")
    browser.find_element(By.ID, "token").send_keys(token)
    browser.find_element(By.CSS_SELECTOR, "#login button").click()


def see(browser: Chrome, address: str, token: str) -> int:
    """Check the first view: a saga can be opened, with its steps and its timeline."""
    log_in(browser, address, token)
    until(browser, lambda: browser.find_element(By.ID, "live").text == "live")
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#sagas tr.row"))
    rows = browser.find_elements(By.CSS_SELECTOR, "#sagas tr.row")
    (row,) = [row for row in rows if "assignment" in row.text][:1]
    row.click()
    until(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, "#steps tbody tr")) == 5)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#timeline li")) == 5
    assert "payments.createEscrow" in browser.find_element(By.ID, "steps").text
    enabled = [
        one.get_attribute("value")
        for one in browser.find_elements(By.CSS_SELECTOR, "#operate button:enabled")
    ]
    assert enabled == ["compensate"]
    if picture := os.environ.get("PICTURE"):
        browser.save_screenshot(picture)
    return count(browser, "completed")


def undo(browser: Chrome) -> None:
    """Command to undo a saga, and check that the page shows it."""
    browser.find_element(By.ID, "reason").send_keys("a mistake")
    browser.find_element(By.CSS_SELECTOR, '#operate button[value="compensate"]').click()
    until(browser, lambda: "compensated" in browser.find_element(By.ID, "detail").text)
    until(browser, lambda: "undo create escrow" in browser.find_element(By.ID, "timeline").text)
    timeline = browser.find_element(By.ID, "timeline").text
    assert ": compensate (" in timeline
    assert "undo create escrow" in timeline
    assert complaints(browser) == []


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
async def test_watching_and_operating(town: Town, address: str, tmp_path: Path, dark: bool) -> None:
    """The page shows numbers and sagas, a new saga appears by itself, and an admin's command is executed and
    shown.
    """
    player = await town.musician()
    await assign(town, await town.applied(player, days=80 + dark), player[1])
    await town.settled()
    with open_browser(tmp_path, *(["force-dark-mode"] if dark else [])) as browser:
        before = await asyncio.to_thread(see, browser, address, token_of(town.admin))
        other = await town.musician()
        await assign(town, await town.applied(other, days=90 + dark), other[1])
        await asyncio.to_thread(until, browser, lambda: count(browser, "completed") == before + 2)
        await asyncio.to_thread(undo, browser)


@needs_browser
async def test_others_see_nothing(town: Town, address: str, tmp_path: Path) -> None:
    """With a client's token the page shows the reason and no saga."""

    def look(browser: Chrome) -> None:
        log_in(browser, address, token_of(town.host))
        until(browser, lambda: "for admins only" in browser.find_element(By.ID, "problem").text)
        assert not browser.find_element(By.TAG_NAME, "main").is_displayed()

    with open_browser(tmp_path) as browser:
        await asyncio.to_thread(look, browser)


async def test_the_pages_are_guarded(town: Town, address: str) -> None:
    """Data need an admin's token in the header; a command needs a reason and an existing saga."""
    player = await town.musician()
    saga = await assign(town, await town.applied(player, days=100), player[1])
    async with httpx.AsyncClient(base_url=f"{address}/dashboard") as client:
        page = await client.get("/")
        assert (page.status_code, "default-src 'self'" in page.headers["content-security-policy"]) == (
            200,
            True,
        )
        for path in ("/api/events", f"/api/sagas/{saga['uuid']}"):
            assert (await client.get(path)).status_code == 401
            assert (await client.get(path, headers=dict(town.host.headers))).status_code == 403
        tell = f"/api/sagas/{saga['uuid']}/compensate"
        assert (await client.post(tell, json={"reason": "x"})).status_code == 401
        headers = dict(town.admin.headers)
        for body in (b"", b"[]", b'{"reason": ""}', b'{"reason": 5}'):
            assert (await client.post(tell, content=body, headers=headers)).status_code == 400
        answers = {
            "/api/sagas/x": 400,
            "/api/sagas/00000000-0000-0000-0000-000000000000": 404,
            f"/api/sagas/{saga['uuid']}": 200,
        }
        for path, status in answers.items():
            assert (await client.get(path, headers=headers)).status_code == status
        retry = await client.post(f"/api/sagas/{saga['uuid']}/retry", json={"reason": "x"}, headers=headers)
        assert (retry.status_code, retry.json()["code"]) == (409, "CONFLICT")
        assert (
            await client.post(f"/api/sagas/{saga['uuid']}/explode", json={}, headers=headers)
        ).status_code == 400
