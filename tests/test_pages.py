"""What measures pages must see the faults that it is there for."""

from pathlib import Path

from selenium.webdriver import Chrome

from tests.browser import needs_browser, open_browser
from tests.pages import PHONE, WIDE, faint_texts, overflowing, resize, small_targets

pytestmark = needs_browser
HEAD = "<meta name=viewport content='width=device-width, initial-scale=1'><body style='background: #fff'>"


def show(browser: Chrome, body: str) -> None:
    """Show a page with this body."""
    browser.get("about:blank")
    browser.execute_script("document.open(); document.write(arguments[0]); document.close()", HEAD + body)


def test_faults_are_seen(tmp_path: Path) -> None:
    """Faint texts, small controls, and what is wider than the screen or its box are found; others are not."""
    with open_browser(tmp_path) as browser:
        for size in (WIDE, PHONE):
            resize(browser, size)
            show(browser, "<p style='color: #777'>faint</p><p style='color: #767676'>enough</p>")
            assert [text.split()[1] for text in faint_texts(browser, "body")] == ["faint:"]
            show(
                browser, "<p style='opacity: .5; color: #444'>faint</p><p style='background: #ddd0'>good</p>"
            )
            assert [text.split()[1] for text in faint_texts(browser, "body")] == ["faint:"]
            big = "style='width: 40px; height: 40px'"
            show(browser, f"<button>s</button><button {big}>b</button><a hidden href='#'>h</a>")
            assert [text.split(">")[0] for text in small_targets(browser)] == ["<button"]
            show(browser, f"<p>fits</p><div style='width: {size[0] + 50}px'>wide</div>")
            assert overflowing(browser)
            show(browser, "<div style='width: 9em'>" + "w" * 40 + "</div>")
            assert overflowing(browser)
            show(browser, "<p>fits</p><div style='overflow-x: auto'><p style='width: 9999px'>x</p></div>")
            assert overflowing(browser) == []
