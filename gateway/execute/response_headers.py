"""Passes headers of subgraphs' replies on to the client, by the rules of the settings.

Replies are merged in the order of the plan's fetches, so the response does not depend on the order in which
they arrive.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from gateway.execute.cache_control import merge_cache_control
from gateway.execute.sent_calls import SentCall
from gateway.settings import ResponseHeaderRule, Settings
from gateway.transport.base import RawHeaders, Reply

HeaderPairs = tuple[tuple[bytes, bytes], ...]
LONGEST = 8_192  # bytes of one header of the response; clients refuse heads that are much larger
COOKIE = b"set-cookie"
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_NUMBER = re.compile(rb"-?[0-9]{1,18}(\.[0-9]{1,9})?")


class ReplyHead(NamedTuple):
    """The headers of one reply. `fetch`: the id of the plan's fetch."""

    fetch: int
    subgraph: str
    headers: RawHeaders


def heads_of(sent_calls: Mapping[int, SentCall]) -> list[ReplyHead]:
    """Return the headers of the replies to the calls of the compiled path."""
    return [
        ReplyHead(sent.call.fetch, sent.call.subgraph, sent.outcome.raw_headers)
        for sent in sent_calls.values()
        if isinstance(sent.outcome, Reply)
    ]


class _Rules(NamedTuple):
    """The rules for the replies of one subgraph.

    `targets`: by header of the reply, its names in the response; `fixed`, `defaults`: by name in the
    response, the value of each reply, or of one that lacks the header.
    """

    targets: Mapping[bytes, tuple[bytes, ...]]
    fixed: Mapping[bytes, bytes]
    defaults: Mapping[bytes, bytes]

    @classmethod
    def of(cls, rules: Sequence[ResponseHeaderRule]) -> "_Rules":
        """Return the rules as they are applied; of two with a value for one name the later one counts."""
        targets: dict[bytes, tuple[bytes, ...]] = {}
        values: dict[bytes, tuple[str | None, str | None]] = {}
        for rule in rules:
            source, target = rule.propagate.encode(), rule.target.encode()
            if target not in targets.get(source, ()):
                targets[source] = (*targets.get(source, ()), target)
            if rule.value is not None or rule.default is not None:
                values[target] = rule.value, rule.default
        fixed = {target: one.encode("latin-1") for target, (one, _) in values.items() if one is not None}
        defaults = {target: one.encode("latin-1") for target, (_, one) in values.items() if one is not None}
        return cls(targets, fixed, defaults)

    def values(self, headers: RawHeaders) -> Iterator[tuple[bytes, bytes]]:
        """Yield the names in the response with the values of one reply."""
        lacking = dict(self.defaults)
        for name, value in headers:
            if len(value) <= LONGEST and _VALUE.fullmatch(value):
                for target in self.targets.get(name.lower(), ()):
                    if target not in self.fixed:
                        lacking.pop(target, None)
                        yield target, value.strip()
        yield from self.fixed.items()
        yield from lacking.items()


class ResponseHeaderRules:
    """The rules of the settings."""

    def __init__(self, settings: Settings) -> None:
        rules = settings.header_rules()
        common = rules[""].response
        self.common = _Rules.of(common)
        self.by_subgraph = {
            name: _Rules.of((*common, *one.response)) for name, one in rules.items() if name and one.response
        }
        self.merges: dict[bytes, str] = {}
        for one in rules.values():
            for rule in one.response:
                self.merges.setdefault(rule.target.encode(), rule.merge)

    def merged(self, replies: Iterable[ReplyHead], uncacheable: bool = False) -> HeaderPairs:
        """Return the headers to add to the response.

        `uncacheable`: whether the response must not be stored (a mutation's, or one with errors).
        """
        values: dict[bytes, list[bytes]] = {}
        counts: dict[bytes, int] = dict.fromkeys(self.merges, 0)
        for reply in sorted(replies, key=lambda one: one.fetch):
            rules = self.by_subgraph.get(reply.subgraph, self.common)
            for target in {one for several in rules.targets.values() for one in several}:
                counts[target] += 1
            for target, value in rules.values(reply.headers):
                values.setdefault(target, []).append(value)
        found: list[tuple[bytes, bytes]] = []
        for target, given in values.items():
            found.extend(self._merged(target, given, counts[target], uncacheable))
        return tuple(found)

    def _merged(
        self, target: bytes, given: Sequence[bytes], replies: int, uncacheable: bool
    ) -> Iterable[tuple[bytes, bytes]]:
        """Return the header, or all cookies, for the values of one header in the order of the replies."""
        if target == COOKIE:
            return [(COOKIE, one) for one in given]
        if self.merges[target] == "cache-control":
            value = merge_cache_control(given, replies, uncacheable)
            return [] if value is None else [(target, value)]
        value = MERGES[self.merges[target]](given)
        return [] if value is None else [(target, value)]


def _appended(given: Sequence[bytes]) -> bytes:
    """Return all values with commas; those that would make the header longer than LONGEST are omitted."""
    joined = given[0]
    for value in given[1:]:
        if len(joined) + len(value) + 2 <= LONGEST:
            joined += b", " + value
    return joined


def _numbers(given: Sequence[bytes]) -> list[bytes]:
    """Return the values that are numbers, in ascending order."""
    return sorted((one for one in given if _NUMBER.fullmatch(one)), key=lambda one: Decimal(one.decode()))


MERGES: Mapping[str, Callable[[Sequence[bytes]], bytes | None]] = {
    "first": lambda given: given[0],
    "last": lambda given: given[-1],
    "append": _appended,
    "min": lambda given: next(iter(_numbers(given)), None),
    "max": lambda given: next(reversed(_numbers(given)), None),
}
"""How several values become one; None if none of them can be used, as for `min` a text that is no number."""


def response_header_rules(settings: Settings) -> ResponseHeaderRules | None:
    """Return the rules of the settings; None if there are none."""
    found = settings.header_rules()
    return ResponseHeaderRules(settings) if any(one.response for one in found.values()) else None
