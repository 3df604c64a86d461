"""Run every bomb in a process of its own, under limits of the operating system; print a line before and after
each.
"""

import json
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.gateway.bombs import requests, sdls, supergraphs
from tests.gateway.bombs.bomb import Bomb, outcome

MEMORY = 400_000_000  # bytes of address space, above what the process has when it begins
PROCESSOR = 90  # seconds in all


def bombs() -> Iterator[Bomb]:
    """Yield every bomb of this folder."""
    yield from requests.bombs()
    yield from sdls.bombs()
    yield from supergraphs.bombs()


def address_space() -> int:
    """Return the current size of the address space in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def say(*words: object) -> None:
    """Print a line of JSON and flush it, because the process may end at any moment."""
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run the bombs, one after the other."""
    allowed = address_space() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR, PROCESSOR))
    for bomb in bombs():
        say(bomb.name)
        say(bomb.name, bomb.end, outcome(bomb.run))


if __name__ == "__main__":
    main()
