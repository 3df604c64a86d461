"""Makes the e-mail of a message (RFC 5322)."""

from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

from subgraphs.notifications.delivery_model import Message

NAME = "MussikOn"


def mime_of(message: Message, sender: str) -> EmailMessage:
    """Return the e-mail, whose Message-ID is the same for each attempt. Raises ValueError for an odd address.

    Titles contain what users have written: line breaks in them become blanks, so no header can be added.
    """
    mail = EmailMessage(policy=SMTPUTF8 if not message.to.isascii() else SMTP)
    mail["Message-ID"] = message_id(message, sender)
    mail["From"] = Address(NAME, addr_spec=sender)
    mail["To"] = _address(message.to)
    mail["Subject"] = " ".join(message.title.split())
    mail["Date"] = format_datetime(message.created_at)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text, charset="utf-8")
    return mail


def _address(text: str) -> Address:
    try:
        return Address(addr_spec=text)
    except (MessageError, IndexError) as error:  # IndexError: Python's parser, for some odd texts
        raise ValueError(f"expected one address, got {text!r}") from error


def message_id(message: Message, sender: str) -> str:
    """Return the Message-ID of a message: its id at the sender's domain."""
    return f"<{message.id}@{sender.rpartition('@')[2]}>"
