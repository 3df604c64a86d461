"""How long a reply may be stored, and for whom: from its headers, the hints of the SDL, and the settings."""

from dataclasses import dataclass

from gateway.cache.hints import RequestFacts
from gateway.cache.policy import ReplyPolicy
from gateway.settings import CacheSettings


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a value may be used, in seconds after its arrival, and whether it is for one user only.

    `alone`: whether even those who wait for it at the same time must not share it.
    `lifetime`: while it is fresh; not more than 0 if it must not be stored. `revalidate`, `error`: how much
    longer while it is fetched again, and if that fails.
    """

    lifetime: float
    revalidate: float = 0.0
    error: float = 0.0
    private: bool = False
    alone: bool = False

    @property
    def longest(self) -> float:
        """Return the seconds after which the value can't be used in any way."""
        return self.lifetime + max(self.revalidate, self.error)


def reply_terms(facts: RequestFacts, policy: ReplyPolicy, settings: CacheSettings) -> Terms:
    """Return the terms of a reply.

    The headers count first; explicit hints can only shorten their lifetime. Without headers the hints count
    if they are complete, else the default lifetime of the settings.
    """
    private = facts.private or policy.private
    lifetime = _lifetime(facts, policy, settings) if policy.storable and facts.stores else 0.0
    if lifetime <= 0:
        return Terms(0.0, private=private, alone=not policy.storable)
    lifetime = min(lifetime, settings.longest)
    rest = settings.longest - lifetime
    if policy.must_revalidate:
        return Terms(lifetime, private=private)
    revalidate, error = settings.stale_while_revalidate, settings.stale_if_error
    if policy.states_revalidate:
        revalidate = policy.stale_while_revalidate
    if policy.states_error:
        error = policy.stale_if_error
    return Terms(lifetime, min(revalidate, rest), min(error, rest), private)


def _lifetime(facts: RequestFacts, policy: ReplyPolicy, settings: CacheSettings) -> float:
    """Return the lifetime in seconds; 0 or less if nothing states one."""
    if policy.explicit:
        return policy.lifetime if facts.lifetime is None else min(policy.lifetime, facts.lifetime)
    if facts.complete and facts.lifetime is not None:
        return facts.lifetime
    return min(settings.lifetime, facts.lifetime) if facts.lifetime is not None else settings.lifetime
