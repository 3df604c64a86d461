"""A headless browser for tests of web pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium with chromedriver on this machine"
)


@contextmanager
def open_browser(profile: Path, *words: str) -> Iterator[Chrome]:
    """A headless browser with a fresh profile and without other network access; `words`: further switches."""
    options = ChromeOptions()
    options.binary_location = CHROMIUM or ""
    quiet = "disable-gpu disable-quic disable-sync disable-background-networking disable-component-update"
    for word in (*f"headless=new no-sandbox no-first-run {quiet} window-size=1600,1000".split(), *words):
        options.add_argument(f"--{word}")
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options=options, service=ChromeService(DRIVER))
    try:
        yield browser
    finally:
        browser.quit()


def complaints(browser: Chrome) -> list[str]:
    """The errors in the browser's log of the page."""
    log: list[dict[str, str]] = browser.execute("getLog", {"type": "browser"})["value"]
    return [entry["message"] for entry in log if entry["level"] == "SEVERE"]
