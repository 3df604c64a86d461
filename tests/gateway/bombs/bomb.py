"""Hostile inputs ("bombs"), and running one with a limit on CPU time."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from gateway.core.errors import GatewayError

# Of processor time for one bomb: ten times what the slowest takes, and nothing to what a real one would.
SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Bomb:
    """A hostile input: its name, the expected outcome (an error code, or a word for success), and the
    function that processes it.
    """

    name: str
    end: str
    run: Callable[[], str]


class TooSlow(Exception):
    """A bomb needed more CPU time than allowed."""


@contextmanager
def bounded() -> Iterator[None]:
    """Raise TooSlow in the block after SECONDS of CPU time."""

    def stop(_: int, frame: FrameType | None) -> None:
        raise TooSlow(f"at {frame.f_code.co_filename}:{frame.f_lineno}" if frame else "")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


LIMIT = "above a limit"
"""The outcome of an operation that is above one of the limits on its size, whichever it meets first."""


def outcome(run: Callable[[], str]) -> str:
    """Return the outcome of a bomb: its word for success, LIMIT, an error code, or the class name of a
    forbidden exception.
    """
    try:
        with bounded():
            return run()
    except GatewayError as error:
        return LIMIT if error.code.endswith("_LIMIT") or error.code == "VALIDATION_ABORTED" else error.code
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:300]}"
