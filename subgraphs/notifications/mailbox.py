"""Writes e-mail into a folder in place of sending it, and reads it for the page of the mailbox.

Each e-mail is a file `<id>.eml`. An attempt that is repeated replaces the file by the same e-mail.
"""

import asyncio
import os
import re
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Final

from subgraphs.notifications.delivery_model import SENT, Message, Outcome
from subgraphs.notifications.mime import mime_of

SENDER: Final = "mussikon@localhost"
SHOWN: Final = 100
_LARGEST: Final = 1_000_000
_NAME: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Letter:
    """An e-mail in the folder, as text."""

    id: str
    to: str
    subject: str
    date: str
    text: str


class Mailbox:
    """The folder; it is also the channel email. Only its owner can read it: the e-mail has tokens."""

    name = "email"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, message: Message) -> Outcome:
        """Write a message as an e-mail."""
        try:
            mail = mime_of(message, SENDER)
        except ValueError as error:
            return Outcome("refused", f"not an e-mail: {error}")
        try:
            await asyncio.to_thread(self._write, str(message.id), mail.as_bytes())
        except OSError as error:
            return Outcome("unreachable", f"the mailbox cannot be written: {error.strerror}")
        return SENT

    def _write(self, name: str, text: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._folder / f".{name}.new"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
        draft.replace(self._folder / f"{name}.eml")

    def newest(self) -> list[Letter]:
        """Return up to SHOWN e-mails, the newest first."""
        files = [(path.stat().st_mtime, path) for path in self._folder.glob("*.eml")]
        newest = [path.stem for _, path in sorted(files, reverse=True)[:SHOWN]]
        return [letter for name in newest if (letter := self.read(name)) is not None]

    def read(self, name: str) -> Letter | None:
        """Return the e-mail with this id; None if there is none, or it cannot be read."""
        if not _NAME.fullmatch(name):
            return None
        try:
            with (self._folder / f"{name}.eml").open("rb") as file:
                mail = message_from_bytes(file.read(_LARGEST), EmailMessage, policy=SMTP)
            body = mail.get_body(("plain",))
            text = body.get_content() if body is not None else ""
        except (OSError, MessageError, LookupError, ValueError):
            return None
        to, subject, date = (str(mail.get(header, "")) for header in ("To", "Subject", "Date"))
        return Letter(name, to, subject, date, str(text))
