"""The guards that limit how often and how much a caller may ask.

Rules for requests are checked before planning, those for cost and for root fields before the execution.
"""

import hashlib
import math
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from functools import lru_cache
from ipaddress import ip_network

from gateway.core.context import RequestContext
from gateway.core.errors import RequestError
from gateway.guards.base import Guard
from gateway.prepared_operations import PlannedRequest
from gateway.request.graphql_request import GraphQLRequest
from gateway.request.operation import Operation, fields_of
from gateway.security.rates import Charge, MemoryRates, Rates, Verdict
from gateway.settings import RateRule

LONG_KEY = 100  # characters; longer values of callers are hashed
OF_TOKEN = ("subject", "claim")  # what the token alone decides
CALLERS = 10_000  # of a rule, whose charges are remembered


class _RateGuard(Guard):
    """What the guards of rates have in common: their rules, and how charges are counted.

    `quick`: the only limit and the counts, in the most frequent case; None in others.
    """

    def __init__(self, rules: Iterable[RateRule], rates: Rates) -> None:
        self.limits = tuple(map(Limit, rules))
        self.rates = rates
        self.memory = rates if isinstance(rates, MemoryRates) else None
        self.quick = None
        if self.memory is not None and len(self.limits) == 1:
            self.quick = self.limits[0], self.memory

    def limits_for(self, context: RequestContext, late: bool) -> tuple["Limit", ...]:
        """Return the limits of a request: those of the rules, and of its API key. `late`: see `is_late`."""
        own = context.identity.rates
        return (*self.limits, *(_limit(one) for one in own if is_late(one) is late)) if own else self.limits

    def count(self, charges: Sequence[Charge], context: RequestContext) -> Awaitable[None] | None:
        """Count charges: at once in memory, else by the returned awaitable.

        Raises RequestError RATE_LIMITED, or the awaitable does.
        """
        if self.memory is None:
            return self._counted(charges, context)
        _apply(self.memory.admit_now(charges), charges, context)
        return None

    async def _counted(self, charges: Sequence[Charge], context: RequestContext) -> None:
        _apply(await self.rates.admit(charges), charges, context)


class RateGuard(_RateGuard):
    """Refuses requests above the limits on requests, and tells clients what is left by response headers.

    `rules`: those for requests; an API key may have further ones.
    """

    def before_planning(
        self, request: GraphQLRequest, context: RequestContext
    ) -> GraphQLRequest | Awaitable[GraphQLRequest]:
        """Count the request."""
        if self.quick is not None and not context.identity.rates:
            limit, memory = self.quick
            charge = limit.charge(context, 1)
            if charge is None:
                return request
            left = memory.admit_one(charge)
            if left >= 0:
                context.response_headers += charge.headers(left)
                return request
        charges = []
        for one in self.limits_for(context, late=False):
            charge = one.charge(context, 1)
            if charge is not None:
                charges.append(charge)
        waiting = self.count(charges, context) if charges else None
        return request if waiting is None else _later(waiting, request)

    def count_connection(self, context: RequestContext) -> Awaitable[None] | None:
        """Count a caller that connects for later requests, as a request."""
        found = (one.charge(context, 1) for one in self.limits)
        charges = [charge for charge in found if charge is not None]
        return self.count(charges, context) if charges else None


async def _later(waiting: Awaitable[None], request: GraphQLRequest) -> GraphQLRequest:
    await waiting
    return request


class LateRateGuard(_RateGuard):
    """Refuses planned requests above the limits on cost and on root fields.

    `rules`: those that are late; an API key may have further ones.
    """

    def before_execution(self, planned: PlannedRequest, context: RequestContext) -> Awaitable[None] | None:
        """Count the cost of the request, and its root fields."""
        operation = planned[1].operation
        charges = [
            charge
            for one in self.limits_for(context, late=True)
            if (amount := _amount(one.rule, operation, context)) and (charge := one.charge(context, amount))
        ]
        return self.count(charges, context) if charges else None


def needs_no_identity(rule: RateRule) -> bool:
    """Return whether a rule counts requests by callers that need not be identified."""
    known = all(part.partition(":")[0] in ("address", "client", "header") for part in rule.by)
    return known and rule.only is None and not is_late(rule)


def is_late(rule: RateRule) -> bool:
    """Return whether a rule counts what is known only when a request is planned: cost, or root fields."""
    return rule.cost is not None or bool(rule.fields)


def _amount(rule: RateRule, operation: Operation, context: RequestContext) -> int:
    """Return what a planned request counts in a rule: its cost, or the number of its root fields."""
    if rule.cost is not None:
        return context.cost or 0
    kind = operation.kind.capitalize()
    return sum(f"{kind}.{one.name}" in rule.fields for one in fields_of(operation.selections))


class Limit:
    """A rule as it is applied to each request. `by`: read what tells callers apart.

    `of_token`: what a request counts, by the key of the identity, where the token alone decides it.
    """

    def __init__(self, rule: RateRule) -> None:
        self.rule = rule
        self.authenticated = None if rule.only is None else rule.only == "authenticated"
        parts = [one.partition(":") for one in rule.by]
        self.by = tuple((kind, _VALUES[kind], name) for kind, _, name in parts)
        self.charge_of = lru_cache(CALLERS)(self._charge_of)
        self.of_token: dict[Hashable, Charge] = {}

    def charge(self, context: RequestContext, amount: int) -> Charge | None:
        """Return what a request counts; None if the rule is not for this caller."""
        identity = context.identity
        if self.authenticated is not None and self.authenticated != identity.authenticated:
            return None
        if amount == 1 and (known := self.of_token.get(identity.key)) is not None:
            return known
        values, by_token = [], identity.key is not None and amount == 1
        for kind, read, name in self.by:
            found = read(context, name)
            values.append(f"{kind}={found}" if found else f"address={_address(context)}")
            by_token = by_token and kind in OF_TOKEN and bool(found)
        charge = self.charge_of(amount, *values)
        if by_token:
            if len(self.of_token) >= CALLERS:
                self.of_token.clear()
            self.of_token[identity.key] = charge
        return charge

    def _charge_of(self, amount: int, *values: str) -> Charge:
        rule = self.rule
        key = ":".join([rule.name, *(one.replace(":", "%3A") for one in values)])
        if len(key) > LONG_KEY:
            key = f"{rule.name}:{hashlib.blake2b(key.encode(), digest_size=20).hexdigest()}"
        return Charge(rule.name, key, amount, rule.requests or rule.cost or 0, rule.window)


@lru_cache(maxsize=1_000)
def _limit(rule: RateRule) -> Limit:
    """Return the limit for a rule of an API key."""
    return Limit(rule)


@lru_cache(maxsize=10_000)
def _network(address: str) -> str:
    """Return an address; of an IPv6 address the network (/64), all of whose addresses one customer has."""
    if ":" not in address:
        return address
    try:
        return str(ip_network((address.partition("%")[0], 64), strict=False).network_address)
    except ValueError:
        return address


def _address(context: RequestContext) -> str:
    return _network(context.headers.get("x-forwarded-for") or "")


def _claim(context: RequestContext, name: str) -> str:
    value = context.identity.claims.get(name)
    return str(value) if isinstance(value, str | int) else ""


def _header(context: RequestContext, name: str) -> str:
    """Return the hash of a header's value, which may be a secret."""
    value = context.headers.get(name.lower())
    return hashlib.blake2b(value.encode("latin-1"), digest_size=16).hexdigest() if value else ""


_VALUES: dict[str, Callable[[RequestContext, str], str | None]] = {
    "address": lambda context, _: _address(context),
    "client": lambda context, _: context.client_name,
    "key": lambda context, _: context.identity.api_key,
    "subject": lambda context, _: context.identity.subject,
    "claim": _claim,
    "header": _header,
}


def _apply(verdict: Verdict, charges: Sequence[Charge], context: RequestContext) -> None:
    """Add the response headers of a verdict (draft-ietf-httpapi-ratelimit-headers), and refuse the request if
    it is not admitted.
    """
    for charge, left in zip(charges, verdict.remaining, strict=True):
        context.response_headers += charge.headers(left)
    if verdict.refused is None:
        return
    charge = charges[verdict.refused]
    seconds = max(math.ceil(verdict.wait), 1)
    message = (
        f"the limit {charge.rule} allows {charge.limit:,} in {charge.window:g} s; try again in {seconds} s"
    )
    extensions = {"limit": charge.rule, "retryAfter": seconds}
    wait = ((b"retry-after", b"%d" % seconds),)
    raise RequestError(message, "RATE_LIMITED", headers=wait, extensions=extensions)
