"""The dashboard's page in a real browser over sagas of all kinds: addresses and the keyboard, the facts
about a saga, the layout on a wide screen and on a phone, and what a reader sees when something fails.

The sagas are the tests' own, so the page is independent of the platform's. `PICTURES=FOLDER` saves
screenshots.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from gateway.saga.definition import Definitions, RetryPolicy, Saga, Step, StepCall, StepRefused
from gateway.saga.journal import SagaRequest, wait_until_settled
from gateway.saga.runner import Runner, RunnerSettings
from gateway.transport.local import LocalTransport
from subgraphs.kit.clock import FakeClock
from subgraphs.kit.identity import TokenVerifier
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import ApiUser, Running, SigningKeys
from subgraphs.orchestration.app import bootstrap
from subgraphs.orchestration.pages import Dashboard
from tests.browser import complaints, needs_browser, open_browser
from tests.pages import (
    PHONE,
    WIDE,
    faint_texts,
    free_port,
    overflowing,
    resize,
    serving,
    small_targets,
    until,
)

pytestmark = needs_browser
ONCE = RetryPolicy(attempts=1)
LONG = "Wedding" + "g" * 120
BOOKING = {
    "bookingId": "11111111-1111-1111-1111-111111111111",
    "title": LONG,
    "clientId": "22222222-2222-2222-2222-222222222222",
    "musicianUserId": "33333333-3333-3333-3333-333333333333",
    "startsAt": "2031-05-01T18:00:00+00:00",
    "endsAt": "2031-05-01T22:00:00+00:00",
    "timeZone": "Europe/Berlin",
    "price": "400.00",
    "currency": "EUR",
}
HELD = {"amount": "400.00", "currency": "EUR"}
SPLIT = {"refunded": "150.00", "paidToMusician": "250.00"}


def step(name: str, service: str, result: Any, undone: Any = None) -> Step:
    """Return a step with a result, or an exception to raise; `undone`: the same for its undo."""

    async def act(call: StepCall) -> Any:
        outcome = result if call.direction == "do" else undone
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return Step(name, act, act, service=service, operation=name, retry=ONCE, undo_retry=ONCE)


BOOK, HOLD = step("update_status", "requests", BOOKING), step("create_escrow", "payments", HELD)
TAKEN = step("block_availability", "calendar", StepRefused("The musician is taken", "CONFLICT"))
SAGAS = {
    "booked": Saga("booked", (BOOK, HOLD), deadline=600.0),
    "split": Saga("split", (BOOK, step("refund", "payments", SPLIT))),
    "undone": Saga("undone", (BOOK, HOLD, TAKEN)),
    "stuck": Saga("stuck", (step("create_escrow", "payments", HELD, RuntimeError("no bank")), TAKEN)),
    "later": Saga("later", (step("release_escrow", "payments", HELD),), deadline=600.0),
}


@dataclass
class Stage:
    """The orchestration service at `url`, with the ids of one saga of each type in SAGAS."""

    service: Service
    keys: SigningKeys
    ids: dict[str, UUID]
    url: str = ""

    @property
    def dashboard(self) -> Dashboard:
        """The application that serves the page."""
        return cast(Dashboard, self.service.asgi)

    async def start(self, name: str, key: str, at: datetime | None = None) -> UUID:
        """Start a saga."""
        request = SagaRequest(SAGAS[name], key, {"bookingId": BOOKING["bookingId"]}, at=at)
        return (await self.dashboard.engine.journal.start(request))[0]

    def open(self, browser: Chrome, size: tuple[int, int] = WIDE, saga: str = "") -> None:
        """Open the page, at a saga if given, and enter an admin's token."""
        resize(browser, size)
        browser.get(f"{self.url}/dashboard/" + (f"#saga={self.ids[saga]}" if saga else ""))
        self.log_in(browser)

    def log_in(self, browser: Chrome) -> None:
        """Enter an admin's token."""
        token = ApiUser.make(self.keys, "admin").headers["authorization"].removeprefix("Bearer ")
        browser.find_element(By.ID, "token").send_keys(token, Keys.ENTER)
        until(browser, lambda: text(browser, "#live") == "live")
        until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#sagas tr.row"))


@pytest.fixture(scope="module")
async def theatre(running: Running, keys: SigningKeys) -> AsyncIterator[Stage]:
    """The service alone, with sagas that have ended, one that waits, and one for an operator."""

    def make(settings: ServiceSettings) -> Service:
        return bootstrap(replace(settings, jwt_private_key_file=keys.service), LocalTransport({}))

    async with running("orchestration", make) as service:
        stage = Stage(service, keys, {})
        journal = stage.dashboard.engine.journal
        runner = Runner(journal, Definitions.of(SAGAS.values()), RunnerSettings(lease=5.0, poll=0.02))
        await runner.start()
        for name in SAGAS:
            at = datetime.now(UTC) + timedelta(days=2, minutes=30) if name == "later" else None
            stage.ids[name] = await stage.start(name, name, at)
            if name != "later":
                await wait_until_settled(journal, stage.ids[name], 30)
        yield stage
        await runner.stop()


@pytest.fixture
async def stage(theatre: Stage) -> AsyncIterator[Stage]:
    """The service, served."""
    async with serving(theatre.service.asgi) as url:
        theatre.url = url
        yield theatre


def text(browser: Chrome, selector: str) -> str:
    """Return the visible text of an element."""
    return browser.find_element(By.CSS_SELECTOR, selector).text


def says(browser: Chrome, words: str) -> bool:
    """Return whether the page shows a problem with these words."""
    return words in text(browser, "#problem")


def focused(browser: Chrome) -> str:
    """Return the id of the element with the focus, or else its text."""
    active = browser.switch_to.active_element
    return active.get_attribute("id") or active.text


def opened(browser: Chrome, name: str) -> None:
    """Wait until the page shows a saga."""
    until(browser, lambda: browser.find_element(By.ID, "one-title").text.lower() == name)


async def browse(folder: Path, look: Callable[[Chrome], None], *words: str) -> None:
    """Run a function with a browser, in a thread."""
    with open_browser(folder, *words) as browser:
        await asyncio.to_thread(look, browser)


async def test_a_saga_has_an_address(stage: Stage, tmp_path: Path) -> None:
    """A click, or Enter on the link, shows the saga in view with the focus on it, and changes the address;
    back returns to its row; a reload and a shared address show the saga again.
    """

    def look(browser: Chrome) -> None:
        stage.open(browser)
        browser.execute_script("document.querySelector('#sagas').scrollIntoView()")
        browser.find_element(By.CSS_SELECTOR, f'[data-id="{stage.ids["undone"]}"] td').click()
        opened(browser, "undone")
        assert browser.current_url.endswith(f"#saga={stage.ids['undone']}")
        top = "return document.getElementById('one').getBoundingClientRect().top"
        assert 0 <= browser.execute_script(top) < 100
        assert focused(browser) == "one-title"
        browser.back()
        until(browser, lambda: not browser.find_element(By.ID, "one").is_displayed())
        assert focused(browser) == "undone"
        link = browser.find_element(By.CSS_SELECTOR, f'[data-id="{stage.ids["split"]}"] a')
        link.send_keys(Keys.ENTER)
        opened(browser, "split")
        current = browser.find_element(By.CSS_SELECTOR, '[aria-current="true"]')
        assert current.text == "split"
        browser.refresh()
        stage.log_in(browser)
        opened(browser, "split")
        browser.find_element(By.ID, "back").click()
        until(browser, lambda: not browser.find_element(By.ID, "one").is_displayed())
        assert complaints(browser) == []

    await browse(tmp_path, look)


async def test_addresses_without_a_saga(stage: Stage, tmp_path: Path) -> None:
    """An address with an id that is unknown, or no id at all, says so, and the list is there."""

    def look(browser: Chrome) -> None:
        stage.open(browser)
        for wrong in ("00000000-0000-0000-0000-000000000000", "<img src=x onerror=alert(1)>"):
            browser.execute_script("location.hash = new URLSearchParams({saga: arguments[0]})", wrong)
            until(browser, partial(says, browser, f"no saga with the id {wrong}"))
            assert browser.find_elements(By.CSS_SELECTOR, "#sagas tr.row")
        browser.execute_script("location.hash = 'status=nonsense'")
        until(browser, lambda: text(browser, "#problem") == "")

    await browse(tmp_path, look)


async def test_a_status_has_an_address(stage: Stage, tmp_path: Path) -> None:
    """The list can be restricted to a status, which is in the address; a list without rows says why."""

    def look(browser: Chrome) -> None:
        stage.open(browser)
        rows = "#sagas tr.row"
        Select(browser.find_element(By.ID, "status")).select_by_value("compensated")
        until(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, rows)) == 1)
        browser.find_element(By.CSS_SELECTOR, f"{rows} a").click()
        opened(browser, "undone")
        assert "#status=compensated&saga=" in browser.current_url
        Select(browser.find_element(By.ID, "status")).select_by_value("cancelled")
        until(browser, lambda: "No saga has this status" in text(browser, "#sagas"))
        assert text(browser, "#one-title").lower() == "undone"

    await browse(tmp_path, look)


async def test_booking_money_and_timers(stage: Stage, tmp_path: Path) -> None:
    """A saga's page has its booking, its money, and when it continues and gives up, with date and zone."""

    def look(browser: Chrome) -> None:
        stage.open(browser, saga="split")
        opened(browser, "split")
        booking = text(browser, "#booking")
        assert all(
            word in booking for word in (LONG, BOOKING["bookingId"], BOOKING["clientId"], "400.00 EUR")
        )
        money = [row.text for row in browser.find_elements(By.CSS_SELECTOR, "#money tbody tr")]
        assert money[0].startswith("released 250.00 EUR")
        assert money[1].startswith("refunded 150.00 EUR")
        assert "continues" not in text(browser, "#timers")
        moment = browser.find_element(By.CSS_SELECTOR, "#timers time")
        assert datetime.fromisoformat(moment.get_attribute("datetime") or "").tzinfo is not None
        assert str(datetime.now(UTC).year) in moment.text
        assert any(zone in moment.text for zone in ("UTC", "GMT"))
        assert "ago" in (moment.get_attribute("title") or "") or moment.get_attribute("title") == "now"
        browser.execute_script("location.hash = arguments[0]", f"saga={stage.ids['undone']}")
        opened(browser, "undone")
        assert text(browser, "#money tbody tr").startswith("held, then undone 400.00 EUR")
        assert "The musician is taken" in text(browser, "#detail")
        browser.execute_script("location.hash = arguments[0]", f"saga={stage.ids['later']}")
        opened(browser, "later")
        timers = text(browser, "#timers")
        assert "continues" in timers
        assert timers.count("(in 2 days)") == 2
        assert "no booking yet" in text(browser, "#one") or BOOKING["bookingId"] in text(browser, "#booking")
        assert "has moved no money" in text(browser, "#money")
        assert "No step has been tried yet" in text(browser, "#timeline")

    await browse(tmp_path, look)


@pytest.mark.parametrize(
    ("size", "dark"), [(WIDE, False), (WIDE, True), (PHONE, False), (PHONE, True), ((320, 600), False)]
)
async def test_it_fits(stage: Stage, tmp_path: Path, size: tuple[int, int], dark: bool) -> None:
    """With every saga open, and before the log-in, nothing scrolls sideways and every text has enough
    contrast; on a phone every target has 40 pixels.
    """

    def fits(browser: Chrome, name: str) -> None:
        if folder := os.environ.get("PICTURES"):
            height = browser.execute_script("return document.documentElement.scrollHeight")
            resize(browser, (size[0], height)) if size == WIDE else None
            browser.save_screenshot(f"{folder}/{name}-{size[0]}-{dark}.png")
            resize(browser, size)
        assert overflowing(browser) == []
        assert faint_texts(browser, "body") == []
        assert size != PHONE or small_targets(browser) == []

    def look(browser: Chrome) -> None:
        resize(browser, size)
        browser.get(f"{stage.url}/dashboard/")
        fits(browser, "welcome")
        stage.open(browser, size)
        fits(browser, "list")
        for name, saga_id in stage.ids.items():
            browser.execute_script("location.hash = arguments[0]", f"saga={saga_id}")
            opened(browser, name)
            fits(browser, name)

    await browse(tmp_path, look, *(["force-dark-mode"] if dark else []))


async def test_changes_are_announced(stage: Stage, tmp_path: Path) -> None:
    """A new saga is announced to assistive technology; the focus of the keyboard stays on its row."""
    with open_browser(tmp_path) as browser:
        await asyncio.to_thread(stage.open, browser)
        link = browser.find_element(By.CSS_SELECTOR, f'[data-id="{stage.ids["stuck"]}"] a')
        browser.execute_script("arguments[0].focus()", link)
        saga_id = await stage.start("later", "announced", datetime.now(UTC) + timedelta(days=1))
        await asyncio.to_thread(
            until, browser, lambda: browser.find_elements(By.CSS_SELECTOR, f'[data-id="{saga_id}"]')
        )
        news = browser.find_element(By.ID, "news")
        assert (news.get_attribute("role"), news.get_attribute("textContent")) == ("status", "later: started")
        assert focused(browser) == "stuck"


async def test_a_token_that_expires(stage: Stage, tmp_path: Path) -> None:
    """When the token expires the stream ends; the page says so, with the focus on the token's field."""
    clock = FakeClock(datetime.now(UTC) + timedelta(minutes=1))  # later than the token
    before, stage.dashboard.verifier = stage.dashboard.verifier, TokenVerifier(stage.keys.public, clock)
    try:
        with open_browser(tmp_path) as browser:
            await asyncio.to_thread(stage.open, browser)
            await clock.advance(3600)
            await asyncio.to_thread(until, browser, lambda: "expired" in text(browser, "#problem"))
            assert "Paste a new token" in text(browser, "#problem")
            assert (text(browser, "#live"), focused(browser)) == ("not connected", "token")
    finally:
        stage.dashboard.verifier = before


async def test_what_is_no_token(stage: Stage, tmp_path: Path) -> None:
    """Something that is no token is refused, and the field says that it is wrong."""

    def look(browser: Chrome) -> None:
        browser.get(f"{stage.url}/dashboard/")
        for wrong, why in (("geheim ü", "not a token"), ("abc", "log in again")):
            browser.find_element(By.ID, "token").send_keys(wrong, Keys.ENTER)
            until(browser, partial(says, browser, why))
            assert browser.find_element(By.ID, "token").get_attribute("aria-invalid") == "true"
        assert "demo_admin" in text(browser, "#welcome")

    await browse(tmp_path, look)


async def test_a_service_that_is_down(theatre: Stage, tmp_path: Path) -> None:
    """While the service does not reply the page says so; it connects again by itself."""
    port = free_port()
    with open_browser(tmp_path) as browser:
        async with serving(theatre.service.asgi, port=port) as url:
            theatre.url = url
            await asyncio.to_thread(theatre.open, browser)
        await asyncio.to_thread(until, browser, lambda: "does not reply" in text(browser, "#problem"))
        assert text(browser, "#live") == "not connected, trying again"
        async with serving(theatre.service.asgi, port=port):
            await asyncio.to_thread(until, browser, lambda: text(browser, "#live") == "live")
            assert text(browser, "#problem") == ""
