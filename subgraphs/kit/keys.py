"""The key pair (P-256) that signs and verifies tokens: generates it once, into two PEM files, and loads it.

`mussikon run` and `python -m subgraphs.kit.keys` generate it; `identity` uses it.
"""

import os
import sys
from pathlib import Path

from joserfc.jwk import ECKey


def make_key_pair(private_file: Path, public_file: Path) -> None:
    """Generate a key pair, unless the private file exists; only its owner may read the private file.

    If only the public file is missing, it is written from the private key.
    """
    if not private_file.exists():
        key = ECKey.generate_key("P-256", private=True)
        _write(private_file, key.as_pem(private=True), 0o600)
        _write(public_file, key.as_pem(private=False), 0o644)
    elif not public_file.exists():
        _write(public_file, load_key(private_file).as_pem(private=False), 0o644)


def load_key(file: Path) -> ECKey:
    """Return the key in a PEM file."""
    return ECKey.import_key(file.read_bytes())


def _write(file: Path, content: bytes, mode: int) -> None:
    """Write a file under a temporary name and rename it, so that no process reads a part of it.

    `mode`: its access rights, which it has from the beginning.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    temporary.replace(file)


def main(arguments: list[str]) -> int:
    """Run `python -m subgraphs.kit.keys PRIVATE_FILE PUBLIC_FILE`; return the exit code."""
    if len(arguments) != 2:
        usage = "usage: python -m subgraphs.kit.keys PRIVATE_FILE PUBLIC_FILE"
        print(usage, file=sys.stderr)  # noqa: T201 - a command
        return 2
    make_key_pair(Path(arguments[0]), Path(arguments[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
