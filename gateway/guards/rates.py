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


class RateGuard(Guard):
    """Refuses requests above the rate limits, and tells clients what is left by response headers.

    Rules for requests are checked before planning, those for cost and for root fields before the execution.
    """

    def __init__(self, rules: Iterable[RateRule], rates: Rates) -> None:
        given = tuple(rules)
        self.rates = rates
        self.early = tuple(one for one in given if one.cost is None and not one.fields)
        self.late = tuple(one for one in given if one.cost is not None or one.fields)

    def before_planning(
        self, request: GraphQLRequest, context: RequestContext
    ) -> GraphQLRequest | Awaitable[GraphQLRequest]:
        """Count the request."""
        own = tuple(one for one in context.identity.rates if one.cost is None)
        charges = [charge for one in (*self.early, *own) if (charge := _charge(one, context, 1))]
        if not charges:
            return request
        if isinstance(self.rates, MemoryRates):
            _apply(self.rates.admit_now(charges), charges, context)
            return request
        return self._counted(request, charges, context)

    async def _counted(
        self, request: GraphQLRequest, charges: Sequence[Charge], context: RequestContext
    ) -> GraphQLRequest:
        _apply(await self.rates.admit(charges), charges, context)
        return request

    def before_execution(self, planned: PlannedRequest, context: RequestContext) -> Awaitable[None] | None:
        """Count the cost of the request, and its root fields."""
        own = tuple(one for one in context.identity.rates if one.cost is not None)
        operation = planned[1].operation
        charges = [
            charge
            for one in (*self.late, *own)
            if (amount := _amount(one, operation, context)) and (charge := _charge(one, context, amount))
        ]
        if not charges:
            return None
        if isinstance(self.rates, MemoryRates):
            _apply(self.rates.admit_now(charges), charges, context)
            return None
        return self._admitted(charges, context)

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self.rates.close()

    async def _admitted(self, charges: Sequence[Charge], context: RequestContext) -> None:
        _apply(await self.rates.admit(charges), charges, context)


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
