"""Makes the guards that the settings ask for."""

from typing import TYPE_CHECKING

from gateway.core.clock import Clock
from gateway.core.errors import SettingsError
from gateway.guards.base import Guard, Guards
from gateway.guards.identity import Authenticates, IdentityGuard
from gateway.guards.make_documents import make_document_guards
from gateway.guards.rates import LateRateGuard, RateGuard, is_late, needs_no_identity
from gateway.observe.observer import Observer
from gateway.plugins import Hooks
from gateway.security.api_keys import ApiKeys
from gateway.security.callers import Callers
from gateway.security.rates import MemoryRates, Rates, RedisRates
from gateway.security.redis_link import SharedRedis
from gateway.security.revocation import Revocations
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.security.authenticate import Authenticator, Forget


def make_guards(settings: Settings, hooks: Hooks, observer: Observer, clock: Clock) -> Guards:
    """Return the checks of each request. Raises SettingsError BAD_OPTION."""
    guards: list[Guard] = []
    redis = SharedRedis(settings.redis, observer, clock)
    callers = make_callers(settings, redis, observer, clock)
    first, rest, late = _rate_guards(settings, redis, clock)
    guards += first
    identity = IdentityGuard(callers) if callers is not None else None
    if identity is not None:
        guards.append(identity)
    guards += make_document_guards(settings, hooks, redis, observer, clock)
    return Guards([*guards, *rest, *late], redis.close, identity, next(iter(first), None))


def _rate_guards(
    settings: Settings, redis: SharedRedis, clock: Clock
) -> tuple[list[RateGuard], list[RateGuard], list[LateRateGuard]]:
    """Return the guards of rates that come before the identity, after it, and after the plan.

    What needs no identity is counted first, so that guessing tokens and keys is limited, too.
    """
    rules, has_keys = settings.rates.rules, settings.keys.file is not None
    if not (rules or has_keys):
        return [], [], []
    rates = _rates(settings, redis, clock)
    first = [one for one in rules if needs_no_identity(one)]
    late = [one for one in rules if is_late(one)]
    rest = [one for one in rules if one not in first and one not in late]
    return (
        [RateGuard(first, rates)] if first else [],
        [RateGuard(rest, rates)] if rest or has_keys else [],
        [LateRateGuard(late, rates)] if late or has_keys else [],
    )


def make_callers(
    settings: Settings, redis: SharedRedis, observer: Observer, clock: Clock
) -> Authenticates | None:
    """Return what finds the identity of requests; None if neither issuers nor API keys are set.

    Raises SettingsError BAD_OPTION.
    """
    keys = ApiKeys(settings.keys, observer, clock) if settings.keys.file is not None else None
    tokens = _tokens(settings, redis, observer, clock)
    return tokens if keys is None else Callers(keys, tokens)


def _tokens(
    settings: Settings, redis: SharedRedis, observer: Observer, clock: Clock
) -> "Authenticator | None":
    if not settings.authentication.issuers:
        return None
    try:
        from gateway.security.authenticate import Authenticator  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        message = "authentication needs joserfc; install the extra: pip install 'mussikon[jwt]'"
        raise SettingsError(message, "BAD_OPTION") from error
    if not settings.revocation.enabled:
        return Authenticator(settings.authentication, observer, clock)
    link = redis.link()

    def revocations(forget: "Forget") -> Revocations:
        return Revocations(link, settings.revocation.unavailable == "refuse", forget)

    return Authenticator(settings.authentication, observer, clock, revocations)


def _rates(settings: Settings, redis: SharedRedis, clock: Clock) -> Rates:
    local = MemoryRates(settings.rates.callers, clock)
    if settings.rates.store == "memory":
        return local
    return RedisRates(redis.link(), local)
