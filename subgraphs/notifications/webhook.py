"""Sends push messages and SMS by a webhook: posts each message as JSON to the URL of a program that sends it.

The header Idempotency-Key is the same for each attempt. A status 2xx means sent; 408, 425, 429 and 5xx mean
"later"; any other status means that the program does not want the message. Redirects are not followed.

Example of a body: {"id": "3f0c...", "channel": "sms", "userId": "77aa...", "to": "+49 30 901820", "title":
"Booking confirmed: A band", "message": "...", "isUrgent": false, "createdAt": "2026-01-01T12:00:00+00:00"}.
"""

import asyncio
import http.client
from typing import Final
from urllib.parse import urlsplit

import orjson

from subgraphs.kit.settings import ServiceSettingsError
from subgraphs.notifications.delivery_model import SENT, Message, Outcome

TIMEOUT: Final = 10.0  # seconds, for each wait for the server
_LATER: Final = frozenset({408, 425, 429})


class WebhookChannel:
    """The channel `name`, to a webhook. Raises ServiceSettingsError for a URL that is not http or https."""

    def __init__(self, name: str, url: str, timeout: float = TIMEOUT) -> None:
        self.name = name
        self._timeout = timeout
        try:
            parts = urlsplit(url)
            self._port = parts.port
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
            raise ServiceSettingsError(
                f"service notifications: the URL of the webhook (--{name}-webhook) must be an http or https"
                " URL with a host and without a user"
            )
        self._host, self._is_secure = parts.hostname, parts.scheme == "https"
        self._path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"

    async def send(self, message: Message) -> Outcome:
        """Post a message."""
        return await asyncio.to_thread(self._post, message)

    def _post(self, message: Message) -> Outcome:
        kind = http.client.HTTPSConnection if self._is_secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=self._timeout)
        headers = {"content-type": "application/json", "idempotency-key": str(message.id)}
        try:
            try:
                connection.connect()
            except OSError as error:
                return Outcome("unreachable", f"{type(error).__name__}: {error}")
            connection.request("POST", self._path, self._body(message), headers)
            return _outcome(connection.getresponse().status)
        except (OSError, http.client.HTTPException) as error:
            return Outcome("temporary", f"{type(error).__name__}: {error}")
        finally:
            connection.close()

    def _body(self, message: Message) -> bytes:
        return orjson.dumps(
            {
                "id": str(message.id),
                "channel": self.name,
                "userId": str(message.user_id),
                "to": message.to,
                "title": message.title,
                "message": message.text,
                "isUrgent": message.is_urgent,
                "createdAt": message.created_at,
            }
        )


def _outcome(status: int) -> Outcome:
    if 200 <= status < 300:
        return SENT
    answer = f"the webhook answered with status {status}"
    return Outcome("temporary" if status in _LATER or status >= 500 else "refused", answer)
