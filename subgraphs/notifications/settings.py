"""The settings that only the notifications service has: variables of the environment that begin with
NOTIFICATIONS_. `mussikon run` sets them from its options.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from subgraphs.kit.settings import ServiceSettings, ServiceSettingsError
from subgraphs.notifications.delivery_model import Channel
from subgraphs.notifications.mailbox import Mailbox
from subgraphs.notifications.smtp import SmtpChannel, SmtpServer
from subgraphs.notifications.webhook import WebhookChannel

NAMES: Final = ("email", "push", "sms")


@dataclass(frozen=True, slots=True)
class NotificationsSettings:
    """By which servers messages are sent.

    `channels`: NOTIFICATIONS_SMTP_URL or else the folder NOTIFICATIONS_MAILBOX, NOTIFICATIONS_PUSH_WEBHOOK,
    NOTIFICATIONS_SMS_WEBHOOK; those that are not set are absent. `site`: NOTIFICATIONS_SITE_URL, the website
    for links. `shown_mailbox`: the mailbox, if NOTIFICATIONS_MAILBOX_PAGE is `on`.
    """

    channels: tuple[Channel, ...]
    site: str | None = None
    shown_mailbox: Mailbox | None = None

    @classmethod
    def of(cls, settings: ServiceSettings) -> "NotificationsSettings":
        """Read the settings of a service. Raises ServiceSettingsError."""
        own, channels = settings.own, list[Channel]()
        mailbox = Mailbox(Path(own["MAILBOX"])) if "MAILBOX" in own and "SMTP_URL" not in own else None
        if "SMTP_URL" in own:
            channels.append(_smtp(own["SMTP_URL"]))
        elif mailbox is not None:
            channels.append(mailbox)
        for name in ("push", "sms"):
            if url := own.get(f"{name.upper()}_WEBHOOK"):
                channels.append(WebhookChannel(name, url))
        site = own.get("SITE_URL")
        if site is not None and not site.startswith(("https://", "http://")):
            raise ServiceSettingsError(
                "service notifications: the URL of the website (--site-url) must be http or https,"
                f" got {site}"
            )
        return cls(tuple(channels), site, mailbox if own.get("MAILBOX_PAGE") == "on" else None)


def _smtp(url: str) -> SmtpChannel:
    server = SmtpServer.of_url(url)
    try:
        return SmtpChannel(server)
    except OSError as error:
        raise ServiceSettingsError(
            f"service notifications: the option ca of --smtp-url must name a readable file, got {server.ca}"
        ) from error
