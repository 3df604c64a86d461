"""Tests of the rules of sending: retries, the settings of servers, and the e-mail itself; without servers."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from subgraphs.kit.settings import ServiceSettings, ServiceSettingsError
from subgraphs.notifications.addresses import AccountMail
from subgraphs.notifications.delivery_model import (
    MAX_FAILURES,
    SENT,
    ClaimedDelivery,
    Message,
    Outcome,
    OutcomeKind,
    decide,
)
from subgraphs.notifications.letters import letter
from subgraphs.notifications.mime import mime_of
from subgraphs.notifications.settings import NotificationsSettings
from subgraphs.notifications.smtp import SmtpServer

DELIVERY = ClaimedDelivery(
    id=uuid4(),
    source_id=uuid4(),
    kind="notification",
    user_id=uuid4(),
    channel="email",
    title="A title",
    message="A text",
    is_urgent=False,
    tries=1,
    failures=0,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)
MESSAGE = Message(
    id=UUID(int=7),
    kind="notification",
    user_id=uuid4(),
    to="ada@mail.example",
    title="A title",
    text="A text\n",
    is_urgent=False,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def pauses(kind: OutcomeKind, count: int, chance: float = 0.0) -> list[float]:
    """Return the pauses after this many attempts with the same outcome; -1 for the end."""
    found, delivery = [], DELIVERY
    for _ in range(count):
        decision = decide(delivery, Outcome(kind), lambda: chance)
        found.append(decision.pause if decision.status == "pending" else -1.0)
        delivery = replace(
            delivery, tries=delivery.tries + 1, failures=delivery.failures + int(decision.counts)
        )
    return found


def test_pauses_grow_to_an_end() -> None:
    """Temporary failures double the pause, less up to a half, and end after MAX_FAILURES."""
    assert pauses("temporary", MAX_FAILURES) == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, -1]
    assert pauses("temporary", 2, 1.0) == [5, 10]
    assert pauses("refused", 1) == [-1]


def test_an_outage_is_no_failure() -> None:
    """A server that cannot be reached is tried every minute, however long it lasts."""
    assert pauses("unreachable", 1000)[-1] == 60
    assert pauses("unreachable", 3) == [10, 20, 40]
    assert decide(DELIVERY, SENT).status == "sent"


@pytest.mark.parametrize(
    "title",
    ["A\r\nBcc: victim@mail.example", "A\nX: y", "\u2028Bcc: x\u2029", "ünïcödé " * 40, "", "x" * 300],
)
def test_no_title_adds_a_header(title: str) -> None:
    """Whatever a title contains, the e-mail has one subject and one recipient."""
    mail = mime_of(replace(MESSAGE, title=title), "robot@mussikon.example")
    lines = mail.as_bytes().split(b"\r\n\r\n")[0].split(b"\r\n")
    names = [line.partition(b":")[0].lower() for line in lines if not line.startswith((b" ", b"\t"))]
    assert sorted(names) == sorted(set(names))
    assert b"bcc" not in names
    assert str(mail["to"]) == "ada@mail.example"
    assert mail["message-id"] == f"<{UUID(int=7)}@mussikon.example>"
    assert str(mail["subject"]) == " ".join(title.split())


@pytest.mark.parametrize(
    "address", ["a,b@mail.example", "a b@mail.example", "a@b@c.example", "x\r\ny@a.example"]
)
def test_odd_addresses_are_refused(address: str) -> None:
    """A text that is not one address makes no e-mail."""
    with pytest.raises(ValueError):
        mime_of(replace(MESSAGE, to=address), "robot@mussikon.example")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example?from=a@b.example", ("mail.example", 25, "none", None)),
        ("smtp://u:p%40ss@localhost:2525?from=a@b.example", ("localhost", 2525, "none", "p@ss")),
        ("smtp://u:p@mail.example?from=a@b.example&starttls=true", ("mail.example", 587, "starttls", "p")),
        ("smtps://u:p@mail.example?from=a@b.example", ("mail.example", 465, "implicit", "p")),
    ],
)
def test_the_url_of_the_server(url: str, expected: tuple[Any, ...]) -> None:
    """Host, port, TLS and password are read; the text of the object has no password."""
    server = SmtpServer.of_url(url)
    assert (server.host, server.port, server.tls, server.password) == expected
    assert "p@ss" not in repr(server)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example",
        "http://mail.example?from=a@b.example",
        "smtp://mail.example",
        "smtp://mail.example?from=nobody",
        "smtp://mail.example?from=a@b.example,c@d.example",
        "smtp://mail.example:port?from=a@b.example",
        "smtp://u:secret@mail.example?from=a@b.example",
        "smtp://mail.example?from=a@b.example&starttls=maybe",
        "smtps://mail.example?from=a@b.example&starttls=true",
        "smtp://mail.example?from=a@b.example&unknown=1",
    ],
)
def test_wrong_urls_are_named(url: str) -> None:
    """A wrong URL is an error that names the option and an example, without the password."""
    with pytest.raises(ServiceSettingsError, match="--smtp-url") as caught:
        SmtpServer.of_url(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "own",
    [
        {"PUSH_WEBHOOK": "ftp://hooks.example"},
        {"SMS_WEBHOOK": "https://user:pw@hooks.example"},
        {"SMS_WEBHOOK": "https://hooks.example:port"},
        {"SITE_URL": "javascript:alert(1)"},
        {"SMTP_URL": "smtps://mail.example?from=a@b.example&ca=/nowhere"},
    ],
)
def test_wrong_settings_are_named(own: dict[str, str], keys: Any) -> None:
    """Each wrong setting stops the start with its option."""
    settings = ServiceSettings("notifications", "", "", keys.public, own=own)
    with pytest.raises(ServiceSettingsError, match="--"):
        NotificationsSettings.of(settings)


def test_letters_link_to_the_site() -> None:
    """The token is in the fragment of the link; without a site it is a code."""
    mail = AccountMail(username="ada {what}", email="ada@mail.example", token="secret-token")
    title, with_link = letter("reset_password", mail, "https://site.example/")
    assert "https://site.example/reset-password#secret-token\n" in with_link
    assert "secret-token" not in title
    assert "Code: secret-token\n" in letter("confirm_email", mail, None)[1]
    assert "Hello ada {what}," in with_link
