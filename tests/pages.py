"""What tests of web pages share: serving an application to a browser, and measuring what is visible."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import uvicorn
from selenium.webdriver import Chrome
from selenium.webdriver.support.ui import WebDriverWait

WIDE, PHONE = (1440, 900), (390, 844)

_MEASURES = Path(__file__).with_suffix(".js").read_text()


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def serving(
    app: Any, lifespan: Literal["on", "off"] = "off", port: int | None = None
) -> AsyncIterator[str]:
    """Serve an ASGI application; yield its URL. `lifespan`: "on" to start it, too. `port`: None for a free
    one.
    """
    port = port or free_port()
    config = uvicorn.Config(
        app, port=port, lifespan=lifespan, log_level="warning", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


def until(browser: Chrome, there: Callable[[], Any]) -> Any:
    """Wait at most a minute until the page fulfils a condition."""
    return WebDriverWait(browser, 60, ignored_exceptions=[Exception]).until(lambda _: there())


def resize(browser: Chrome, size: tuple[int, int]) -> None:
    """Show pages as a screen of this width and height does; a narrow one is a phone with touch."""
    screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
    screen |= {"screenWidth": size[0], "screenHeight": size[1]}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


def overflowing(browser: Chrome) -> list[str]:
    """Return what is wider than the screen, so that the page scrolls sideways, or wider than its box."""
    return list(_measure(browser, "overflowing()"))


def small_targets(browser: Chrome) -> list[str]:
    """Return the visible controls of less than 40 x 40 pixels."""
    return list(_measure(browser, "smallTargets()"))


def faint_texts(browser: Chrome, selector: str) -> list[str]:
    """Return the visible texts inside of elements whose contrast is below 4.5; there must be some texts."""
    faint, seen = _measure(browser, "faintTexts(arguments[0])", selector)
    assert seen, f"there is no text in {selector}"
    return list(faint)


def _measure(browser: Chrome, call: str, *arguments: str) -> Any:
    return browser.execute_script(f"{_MEASURES}\nreturn {call}", *arguments)
