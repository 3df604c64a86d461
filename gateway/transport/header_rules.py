"""Applies the rules for the headers that subgraphs receive (`headers.request` and those of each subgraph).

Example: a client sends `x-team: red`. The rules `propagate: x-team, rename: x-group`, `insert: x-via` with
the value `gateway` and `remove: authorization` give `x-group: red` and `x-via: gateway`.

The rules are applied once per request, before its calls are made, so that what requests share is decided by
the headers that subgraphs really receive.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from gateway.settings import NOT_FOR_SUBGRAPHS, RequestHeaderRule, Settings
from gateway.transport.headers import NO_HEADERS, Headers

ClientHeaders = Mapping[str, str]
Found = dict[bytes, bytes]


class _Step(Protocol):
    """One rule."""

    def apply(self, found: Found, client: ClientHeaders) -> None:
        """Change the headers to send. `client`: those of the client, by lower-case name."""
        ...


class _Propagate:
    def __init__(self, name: str, target: str, default: str | None) -> None:
        self.name, self.target, self.default = name, _encoded(target), default

    def apply(self, found: Found, client: ClientHeaders) -> None:
        value = client.get(self.name, self.default)
        if value is not None:
            found[self.target] = _encoded(value)


class _PropagateMatching:
    """Propagates all headers that match a pattern, except the excluded ones."""

    def __init__(self, pattern: str, excluded: frozenset[str]) -> None:
        self.pattern = _Pattern(pattern)
        self.excluded = excluded

    def apply(self, found: Found, client: ClientHeaders) -> None:
        for name in client:
            if self.pattern.matches(name) and name not in self.excluded:
                found[_encoded(name)] = _encoded(client[name])


class _Insert:
    def __init__(self, name: str, value: str) -> None:
        self.name, self.value = _encoded(name), _encoded(value)

    def apply(self, found: Found, client: ClientHeaders) -> None:
        found[self.name] = self.value


class _Remove:
    def __init__(self, pattern: str) -> None:
        self.pattern = _Pattern(pattern)

    def apply(self, found: Found, client: ClientHeaders) -> None:
        for name in [one for one in found if self.pattern.matches(one.decode("latin-1"))]:
            del found[name]


class _Pattern:
    """A name in which one `*` may stand for any characters."""

    def __init__(self, text: str) -> None:
        self.start, self.star, self.end = text.partition("*")

    def matches(self, name: str) -> bool:
        """Return whether the whole name matches."""
        if not self.star:
            return name == self.start
        fits = name.startswith(self.start) and name.endswith(self.end)
        return fits and len(name) >= len(self.start) + len(self.end)


class RequestHeaderRules:
    """The rules for all subgraphs, and those of each. `excluded`: headers that no pattern propagates."""

    def __init__(self, settings: Settings) -> None:
        excluded = NOT_FOR_SUBGRAPHS | {one.header for one in settings.authentication.claims if one.header}
        if settings.keys.file is not None:
            excluded |= {settings.keys.header}
        rules = settings.header_rules()
        self.common = _steps(rules[""].request, excluded)
        own = {name: one.request for name, one in rules.items() if name and one.request}
        self.by_subgraph = {name: _steps(one, excluded) for name, one in own.items()}

    def apply(self, headers: Headers, client: ClientHeaders) -> Headers:
        """Return the headers for subgraphs after all rules. `headers`: the forwarded ones, and claims."""
        common = _applied(self.common, dict(headers.raw), client)
        made = Headers(tuple(common.items()))
        if self.by_subgraph:
            own = {name: _applied(steps, {**common}, client) for name, steps in self.by_subgraph.items()}
            made.by_subgraph = {
                name: Headers(tuple(one.items())) for name, one in {"": common, **own}.items()
            }
        return made

    def without_client(self, subgraph: str) -> Headers:
        """Return the headers of the gateway's own calls to a subgraph: the inserted ones, and defaults."""
        found = self.apply(NO_HEADERS, {})
        return found if found.by_subgraph is None else found.by_subgraph.get(subgraph, found)


def _steps(rules: Iterable[RequestHeaderRule], excluded: frozenset[str]) -> tuple[_Step, ...]:
    return tuple(_step(rule, excluded) for rule in rules)


def _step(rule: RequestHeaderRule, excluded: frozenset[str]) -> _Step:
    if rule.propagate is not None and "*" in rule.propagate:
        return _PropagateMatching(rule.propagate, excluded)
    if rule.propagate is not None:
        return _Propagate(rule.propagate, rule.rename or rule.propagate, rule.default)
    if rule.insert is not None:
        return _Insert(rule.insert, rule.value.value if rule.value is not None else "")
    return _Remove(rule.remove or "")


def _applied(steps: Iterable[_Step], found: Found, client: ClientHeaders) -> Found:
    for step in steps:
        step.apply(found, client)
    return found


def _encoded(text: str) -> bytes:
    return text.encode("latin-1", "replace")


def request_header_rules(settings: Settings) -> RequestHeaderRules | None:
    """Return the rules of the settings; None if there are none besides `forward`."""
    found = settings.header_rules()
    return RequestHeaderRules(settings) if any(one.request for one in found.values()) else None
