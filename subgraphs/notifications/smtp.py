"""Sends e-mail to an SMTP server, by Python's smtplib in threads; each message has a connection of its own.

The URL is `smtp://USER:PASSWORD@HOST:PORT?from=ADDRESS`. `starttls=true` demands STARTTLS, `smtps://` is TLS
from the beginning, and `ca=FILE` names the authority of the server's certificate. Without TLS a password is
sent to this machine only.
"""

import asyncio
import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from subgraphs.kit.settings import ServiceSettingsError
from subgraphs.notifications.delivery_model import SENT, Message, Outcome
from subgraphs.notifications.mime import mime_of

TIMEOUT: Final = 15.0  # seconds, for each wait for the server
_EXAMPLE: Final = "smtp://USER:PASSWORD@HOST:587?from=ADDRESS&starttls=true"
_LOCAL: Final = {"localhost", "127.0.0.1", "::1"}
_OPTIONS: Final = {"from", "starttls", "ca"}


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """An SMTP server and how to connect to it. `tls`: "none", "starttls" or "implicit"."""

    host: str
    port: int
    sender: str
    tls: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: str | None = None

    @classmethod
    def of_url(cls, url: str) -> "SmtpServer":
        """Read the setting. Raises ServiceSettingsError; its message has no password."""
        try:
            parts = urlsplit(url)
            port = parts.port
            options = {name: values[0] for name, values in parse_qs(parts.query).items()}
        except ValueError:
            raise _wrong("it is not a URL") from None
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise _wrong("the scheme must be smtp or smtps, and there must be a host")
        if unknown := set(options) - _OPTIONS:
            raise _wrong(f"it has the unknown option {min(unknown)!r}")
        tls = _tls(parts.scheme, options.get("starttls", "false"))
        if parts.password and tls == "none" and parts.hostname not in _LOCAL:
            raise _wrong("it would send a password without TLS: add starttls=true, or use smtps")
        sender = options.get("from", "")
        if "@" not in sender or any(char.isspace() or char in "<>," for char in sender):
            raise _wrong("from must be the sender's address")
        user, password = (unquote(one) if one else None for one in (parts.username, parts.password))
        default = {"implicit": 465, "starttls": 587, "none": 25}[tls]
        return cls(parts.hostname, port or default, sender, tls, user, password, options.get("ca"))


def _tls(scheme: str, starttls: str) -> str:
    """Return how TLS begins. Raises ServiceSettingsError."""
    if starttls not in {"true", "false"} or (starttls == "true" and scheme == "smtps"):
        raise _wrong("starttls must be true or false, and false with smtps")
    return "implicit" if scheme == "smtps" else "starttls" if starttls == "true" else "none"


class SmtpChannel:
    """The channel email, to an SMTP server."""

    name = "email"

    def __init__(self, server: SmtpServer, timeout: float = TIMEOUT) -> None:
        self._server = server
        self._timeout = timeout
        self._tls = ssl.create_default_context(cafile=server.ca) if server.tls != "none" else None

    async def send(self, message: Message) -> Outcome:
        """Send a message as e-mail."""
        try:
            mail = mime_of(message, self._server.sender)
        except ValueError as error:
            return Outcome("refused", f"not an e-mail: {error}")
        return await asyncio.to_thread(self._send, mail, message.to)

    def _send(self, mail: EmailMessage, to: str) -> Outcome:
        try:
            connection = self._connect()
        except (OSError, smtplib.SMTPException) as error:
            return Outcome("unreachable", f"{type(error).__name__}: {_text(error)}")
        try:
            connection.send_message(mail, self._server.sender, [to])
        except (OSError, smtplib.SMTPException, ValueError) as error:
            return _outcome(error)
        finally:
            # the server has answered before; an error of QUIT changes nothing
            with suppress(OSError, smtplib.SMTPException):
                connection.quit()
            connection.close()
        return SENT

    def _connect(self) -> smtplib.SMTP:
        """Return a connection that is ready to send. Raises OSError, SMTPException."""
        server = self._server
        name = server.sender.rpartition("@")[2]  # the default asks the DNS for this machine's name
        if server.tls == "implicit":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, name, timeout=self._timeout, context=self._tls
            )
        else:
            connection = smtplib.SMTP(server.host, server.port, name, timeout=self._timeout)
        try:
            if server.tls == "starttls":
                connection.starttls(context=self._tls)
            if server.user:
                connection.login(server.user, server.password or "")
            connection.ehlo_or_helo_if_needed()
        except BaseException:
            connection.close()
            raise
        return connection


def _outcome(error: Exception) -> Outcome:
    """Return the outcome of an error while a message is sent, by the code of the server's answer."""
    codes = [getattr(error, "smtp_code", 0)]
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [answer[0] for answer in error.recipients.values()]
    refused = isinstance(error, smtplib.SMTPNotSupportedError | ValueError) or min(codes) >= 500
    return Outcome("refused" if refused else "temporary", f"{type(error).__name__}: {_text(error)}")


def _text(error: Exception) -> str:
    """Return the server's answer, or the error of the connection; neither has the password."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(f"{code} {text!r}" for code, text in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {error.smtp_error!r}"
    return str(error)


def _wrong(reason: str) -> ServiceSettingsError:
    return ServiceSettingsError(
        f"service notifications: the URL of the SMTP server (--smtp-url) must be like {_EXAMPLE}: {reason}"
    )
