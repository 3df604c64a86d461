"""The key pair (P-256) that signs and verifies tokens: generates it once, into two PEM files, and loads it.

The gateway verifies tokens, too; it reads the public key from a JSON Web Key Set (RFC 7517).

`mussikon run` and `python -m subgraphs.kit.keys` generate it; `identity` uses it.
"""

import json
import os
import sys
from pathlib import Path

from joserfc.jwk import ECKey

ALGORITHM = "ES256"


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


def write_key_set(file: Path, public_file: Path) -> None:
    """Write the public key of a PEM file as a JSON Web Key Set, unless the file has it already."""
    key = load_key(public_file)
    shown = {**key.as_dict(private=False), "kid": key_id(key), "use": "sig", "alg": ALGORITHM}
    text = json.dumps({"keys": [shown]}, indent=2, sort_keys=True).encode() + b"\n"
    if not file.exists() or file.read_bytes() != text:
        _write(file, text, 0o644)


def key_id(key: ECKey) -> str:
    """Return the id by which tokens name a key: its thumbprint (RFC 7638)."""
    return str(key.thumbprint())


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
    """Run `python -m subgraphs.kit.keys PRIVATE_FILE PUBLIC_FILE [KEY_SET_FILE]`; return the exit code."""
    if len(arguments) not in (2, 3):
        usage = "usage: python -m subgraphs.kit.keys PRIVATE_FILE PUBLIC_FILE [KEY_SET_FILE]"
        print(usage, file=sys.stderr)  # noqa: T201 - a command
        return 2
    private, public, *key_sets = map(Path, arguments)
    make_key_pair(private, public)
    for key_set in key_sets:
        write_key_set(key_set, public)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
