"""The rules of sending messages, without I/O: outcomes of an attempt, retries, and when to give up.

A message is sent at least once. Each attempt has the same id (the Message-ID of an e-mail, the
Idempotency-Key of a webhook), by which a receiver notices the second copy that a crash can cause.

Example: a server that answers "try later" ten times makes the delivery `failed` after an hour and a half. A
server that cannot be reached is tried every minute until the delivery expires, after three days.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol
from uuid import UUID

OutcomeKind = Literal["sent", "skipped", "refused", "temporary", "unreachable"]
Status = Literal["pending", "sent", "failed", "skipped"]
MAX_FAILURES: Final = 10
FIRST_PAUSE: Final = 10.0  # seconds
LONGEST_PAUSE: Final = 3600.0
LONGEST_OUTAGE_PAUSE: Final = 60.0
LASTS: Final = timedelta(days=3)
"""How long a notification is worth sending."""
_LONGEST_ERROR: Final = 300


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A row of the table `deliveries` that this process has claimed; `tries` counts this claim."""

    id: UUID
    source_id: UUID
    kind: str
    user_id: UUID
    channel: str
    title: str
    message: str
    is_urgent: bool
    tries: int
    failures: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is ready to be sent. `to`: an address, a telephone number, or for push the user's id."""

    id: UUID
    kind: str
    user_id: UUID
    to: str
    title: str
    text: str = field(repr=False)
    is_urgent: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended.

    `sent`; `skipped`: there is no address, or nothing to send any more; `refused`: another attempt would be
    refused, too; `temporary`: the receiver failed or asked to try later; `unreachable`: nothing was sent.
    """

    kind: OutcomeKind
    error: str | None = None

    def short_error(self) -> str | None:
        """Return the error in one line, for the table."""
        return " ".join(self.error.split())[:_LONGEST_ERROR] if self.error else None


SENT: Final = Outcome("sent")


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from an attempt: the status, whether it counts as a failure, and the seconds to wait."""

    status: Status
    counts: bool = False
    pause: float = 0.0


class Channel(Protocol):
    """Sends messages in one way; `name` is email, push or sms."""

    name: str

    async def send(self, message: Message) -> Outcome:
        """Send a message and return how that ended; raise no error."""
        ...


def decide(
    delivery: ClaimedDelivery, outcome: Outcome, chance: Callable[[], float] = random.random
) -> Decision:
    """Return what follows from an attempt. `chance` returns numbers from 0 to 1, for the jitter."""
    match outcome.kind:
        case "sent" | "skipped":
            return Decision(outcome.kind)
        case "refused":
            return Decision("failed", counts=True)
        case "unreachable":
            return Decision("pending", pause=_pause(delivery.tries, LONGEST_OUTAGE_PAUSE, chance))
        case "temporary" if delivery.failures + 1 < MAX_FAILURES:
            return Decision("pending", True, _pause(delivery.failures + 1, LONGEST_PAUSE, chance))
        case _:
            return Decision("failed", counts=True)


def _pause(attempt: int, longest: float, chance: Callable[[], float]) -> float:
    """Return the seconds before the next attempt: twice as long each time, less up to a half by chance."""
    longest_now: float = min(longest, FIRST_PAUSE * 2 ** min(attempt - 1, 20))
    return longest_now * (1 - chance() / 2)
