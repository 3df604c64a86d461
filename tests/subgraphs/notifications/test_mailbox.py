"""Tests of the mailbox: e-mail as files, and the page that shows them in development."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import SigningKeys
from subgraphs.notifications.app import bootstrap
from subgraphs.notifications.delivery_model import SENT, Message
from subgraphs.notifications.mailbox import SHOWN, Mailbox
from tests.subgraphs.notifications.test_delivery_rules import MESSAGE


def letter(**changes: Any) -> Message:
    """Return a message with an id of its own."""
    return replace(MESSAGE, id=uuid4(), **changes)


async def page(
    folder: Path,
    keys: SigningKeys,
    method: str = "GET",
    host: str = "127.0.0.1:4006",
    path: str = "/mailbox",
    **own: str,
) -> httpx.Response:
    """Return the response of the service for the page."""
    variables = {"MAILBOX": str(folder), "MAILBOX_PAGE": "on", **own}
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    service = bootstrap(
        ServiceSettings("notifications", url, "redis://127.0.0.1:1/0", keys.public, own=variables)
    )
    transport = httpx.ASGITransport(service.asgi)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as http:
        answer = await http.request(method, path)
    await service.stop()
    return answer


async def test_e_mail_becomes_files(tmp_path: Path) -> None:
    """Each message is one file for its owner only; a repeated attempt replaces it."""
    box, message = Mailbox(tmp_path / "mailbox"), letter(text="Grüße\n", title="Ünïcödé")
    for _ in range(2):
        assert await box.send(message) == SENT
    (file,) = (tmp_path / "mailbox").iterdir()
    assert (file.name, file.stat().st_mode & 0o077) == (f"{message.id}.eml", 0)
    (shown,) = box.newest()
    assert (shown.to, shown.subject, shown.text) == ("ada@mail.example", "Ünïcödé", "Grüße\r\n")
    assert (await box.send(letter(to="no address"))).kind == "refused"


async def test_a_full_disk_delays(tmp_path: Path) -> None:
    """A mailbox that cannot be written delays the message."""
    (tmp_path / "mailbox").write_text("not a folder")
    outcome = await Mailbox(tmp_path / "mailbox").send(letter())
    assert outcome.kind == "unreachable"


@pytest.mark.parametrize(
    "name", ["", "..", "../../etc/passwd", "a" * 5000, "\0", f"{UUID(int=1)}/x", str(UUID(int=1))]
)
def test_only_e_mail_is_read(tmp_path: Path, name: str) -> None:
    """A name that is no id of an e-mail in the folder reads nothing."""
    assert Mailbox(tmp_path).read(name) is None


async def test_the_page_escapes_what_it_shows(tmp_path: Path, keys: SigningKeys) -> None:
    """Titles and texts cannot add elements; the policy allows no script, and the style by its hash."""
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)> & \"'"
    box = Mailbox(tmp_path)
    for number in range(SHOWN + 5):
        await box.send(letter(title=f"{evil} {number}", text=f"{evil}\n"))
    (tmp_path / f"{uuid4()}.eml").write_bytes(b"\xff\xfe broken \0" * 1000)
    answer = await page(tmp_path, keys)
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert "<img" not in answer.text
    assert answer.text.count("<article") in {SHOWN, SHOWN - 1}
    assert "&lt;script&gt;" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert 'lang="en"' in answer.text
    assert "color-scheme: light dark" in answer.text


async def test_who_may_see_the_page(tmp_path: Path, keys: SigningKeys) -> None:
    """Only this machine's own names are answered, only GET, and nothing without the setting, as in
    production, or with an SMTP server.
    """
    empty = await page(tmp_path / "none", keys)
    assert (empty.status_code, "There is no e-mail yet." in empty.text) == (200, True)
    for host in ("localhost:4006", "127.0.0.1", "[::1]:4006"):
        assert (await page(tmp_path, keys, host=host)).status_code == 200
    for host in ("evil.example:4006", "127.0.0.1.evil.example", "localhost.evil.example:80"):
        assert (await page(tmp_path, keys, host=host)).status_code == 403
    assert (await page(tmp_path, keys, "POST")).status_code == 405
    assert (await page(tmp_path, keys, path="/mailbox/../x")).status_code == 404
    for off in ({"MAILBOX_PAGE": ""}, {"SMTP_URL": "smtp://127.0.0.1?from=a@b.example"}):
        assert (await page(tmp_path, keys, **off)).status_code == 404
