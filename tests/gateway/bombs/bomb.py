"""What a bomb is, and how one is set off.

With a bound on its processor time, and whatever comes out of it as a word.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from gateway.core.errors import GatewayError

SECONDS = 6.0  # of processor time for one bomb: ten times what the slowest takes, and nothing to what a real one would


@dataclass(frozen=True, slots=True)
class Bomb:
    """Hostile input: what it is called, what it comes to (a code, or a word for success), and how to set
    it off.
    """

    name: str
    end: str
    run: Callable[[], str]


class TooSlow(Exception):
    """A bomb took more processor time than it may."""


@contextmanager
def bounded() -> Iterator[None]:
    """Raise TooSlow inside when it takes more than SECONDS of processor time."""

    def stop(_: int, frame: FrameType | None) -> None:
        raise TooSlow(f"at {frame.f_code.co_filename}:{frame.f_lineno}" if frame else "")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def outcome(run: Callable[[], str]) -> str:
    """How it ended: its word, the code of its refusal, or the exception that must not be."""
    try:
        with bounded():
            return run()
    except GatewayError as error:
        return error.code
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:300]}"
