"""Claims of verified tokens as headers of subgraph requests."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.core.envelope import encode_json
from gateway.settings import ClaimRule


def claim_headers(rules: Sequence[ClaimRule], claims: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Yield (header, value) for each rule; None for a header that must not be sent.

    A client's own header of the name never remains, or a client could pretend to have the claim.
    """
    for rule in rules:
        value: Any = claims
        for step in rule.claim.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        yield rule.header, rule.default if value is None else _text(value)


def _text(value: Any) -> str:
    """Return a claim as text: lists of texts with commas, other structures and numbers as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ",".join(value)
    return encode_json(value).decode()
