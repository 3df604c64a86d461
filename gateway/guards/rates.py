"""The guard that limits how often and how much a caller may ask."""

import hashlib
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
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


def needs_no_identity(rule: RateRule) -> bool:
    """Return whether a rule counts requests that need no plan, by callers that need not be identified."""
    counts_requests = rule.cost is None and not rule.fields
    anonymous = all(part.partition(":")[0] in ("address", "client", "header") for part in rule.by)
    return counts_requests and anonymous and rule.only is None


class RequestRateGuard(Guard):
    """Refuses requests above the rate limits, and tells clients by response headers what is left."""

    def __init__(self, rules: Iterable[RateRule], rates: Rates) -> None:
        self.rates = rates
        self.rules = tuple(rules)

    def before_planning(
        self, request: GraphQLRequest, context: RequestContext
    ) -> GraphQLRequest | Awaitable[GraphQLRequest]:
        """Count the request."""
        charges = [charge for one in self.rules_for(context) if (charge := _charge(one, context, 1))]
        waiting = self.count(charges, context) if charges else None
        return request if waiting is None else self._later(waiting, request)

    def rules_for(self, context: RequestContext) -> Sequence[RateRule]:
        """Return the rules that count before planning."""
        return self.rules

    def count(self, charges: Sequence[Charge], context: RequestContext) -> Awaitable[None] | None:
        """Count charges: at once in memory, else by the returned awaitable. Raises RequestError RATE_LIMITED,
        or the awaitable does.
        """
        if isinstance(self.rates, MemoryRates):
            _apply(self.rates.admit_now(charges), charges, context)
            return None
        return self._counted(charges, context)

    async def _counted(self, charges: Sequence[Charge], context: RequestContext) -> None:
        _apply(await self.rates.admit(charges), charges, context)

    @staticmethod
    async def _later(waiting: Awaitable[None], request: GraphQLRequest) -> GraphQLRequest:
        await waiting
        return request


class RateGuard(RequestRateGuard):
    """The same for callers that are identified: the limits of API keys too, and before the execution those
    on cost and on root fields.
    """

    def __init__(self, rules: Iterable[RateRule], rates: Rates) -> None:
        given = tuple(rules)
        super().__init__([one for one in given if one.cost is None and not one.fields], rates)
        self.late = tuple(one for one in given if one.cost is not None or one.fields)

    def rules_for(self, context: RequestContext) -> Sequence[RateRule]:
        """Return the rules that count before planning, those of the API key included."""
        own = context.identity.rates
        return (*self.rules, *(one for one in own if one.cost is None)) if own else self.rules

    def before_execution(self, planned: PlannedRequest, context: RequestContext) -> Awaitable[None] | None:
        """Count the cost of the request, and its root fields."""
        own = context.identity.rates
        rules = (*self.late, *(one for one in own if one.cost is not None)) if own else self.late
        charges = [
            charge
            for one in rules
            if (amount := _amount(one, planned[1].operation, context))
            and (charge := _charge(one, context, amount))
        ]
        return self.count(charges, context) if charges else None


def _amount(rule: RateRule, operation: Operation, context: RequestContext) -> int:
    """Return what a planned request counts in a rule: its cost, or the number of its root fields."""
    if rule.cost is not None:
        return context.cost or 0
    kind = operation.kind.capitalize()
    return sum(f"{kind}.{one.name}" in rule.fields for one in fields_of(operation.selections))


def _charge(rule: RateRule, context: RequestContext, amount: int) -> Charge | None:
    """Return what a request counts in a rule; None if the rule is not for this caller."""
    if rule.only is not None and (rule.only == "authenticated") != context.identity.authenticated:
        return None
    limit = rule.requests if rule.requests is not None else rule.cost
    values = [_value(one, context) for one in rule.by]
    key = ":".join([rule.name, *(one.replace(":", "%3A") for one in values)])
    if len(key) > LONG_KEY:
        key = f"{rule.name}:{hashlib.blake2b(key.encode(), digest_size=20).hexdigest()}"
    return Charge(rule.name, key, amount, limit or 0, rule.window)


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


def _value(part: str, context: RequestContext) -> str:
    """Return what tells a caller apart; the address where the request has no such value."""
    kind, _, name = part.partition(":")
    found = _VALUES[kind](context, name)
    return f"{kind}={found}" if found else f"address={_address(context)}"


def _claim(context: RequestContext, name: str) -> str:
    value = context.identity.claims.get(name)
    return str(value) if isinstance(value, str | int) else ""


_VALUES: dict[str, Callable[[RequestContext, str], str | None]] = {
    "address": lambda context, _: _address(context),
    "client": lambda context, _: context.client_name,
    "key": lambda context, _: context.identity.api_key,
    "subject": lambda context, _: context.identity.subject,
    "claim": _claim,
    "header": lambda context, name: context.headers.get(name.lower()),
}


def _apply(verdict: Verdict, charges: Sequence[Charge], context: RequestContext) -> None:
    """Add the response headers of a verdict (draft-ietf-httpapi-ratelimit-headers), and refuse the request if
    it is not admitted.
    """
    context.response_headers += tuple(
        header
        for charge, left in zip(charges, verdict.remaining, strict=True)
        for header in (
            (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (charge.rule.encode(), charge.limit, charge.window)),
            (b"ratelimit", b'"%b";r=%d' % (charge.rule.encode(), left)),
        )
    )
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
