"""Claims of verified tokens as headers and extensions of subgraph requests."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.core.jsontext import encode_json
from gateway.settings import ClaimRule


def claim_headers(rules: Sequence[ClaimRule], claims: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Yield (header, value) for each rule; None for a header that must not be sent.

    A client's own header of the name never remains, or a client could pretend to have the claim.
    """
    for rule in rules:
        if rule.header is not None:
            value = _value(rule, claims)
            yield rule.header, rule.default if value is None else _text(value)


def claim_extensions(rules: Sequence[ClaimRule], claims: Mapping[str, Any]) -> bytes | None:
    """Return the `extensions` of subgraph requests as JSON; None if they have none."""
    found = {}
    for rule in rules:
        if rule.extension is not None:
            value = _value(rule, claims)
            if value is not None or rule.default is not None:
                found[rule.extension] = rule.default if value is None else value
    return encode_json(found) if found else None


def _value(rule: ClaimRule, claims: Mapping[str, Any]) -> Any:
    """Return the value of a rule's claim; None without it."""
    if rule.claim == "*":
        return dict(claims) or None
    value: Any = claims
    for step in rule.claim.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _text(value: Any) -> str:
    """Return a claim as text: lists of texts with commas, other structures and numbers as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ",".join(value)
    return encode_json(value).decode()
