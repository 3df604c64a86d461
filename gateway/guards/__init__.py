"""Guards: checks that a request passes before it is planned, and again before it is executed."""

from gateway.guards.base import Guard, Guards
from gateway.guards.identity import Authenticates, IdentityGuard
from gateway.guards.rates import LateRateGuard, RateGuard

__all__ = ["Authenticates", "Guard", "Guards", "IdentityGuard", "LateRateGuard", "RateGuard"]
